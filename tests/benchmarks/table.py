"""The results as a table: each figure beside its bar and its stretch value, misses too."""

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import torch

from tests.benchmarks.timing import Spread
from trainables.devices import device_name

VERSIONS = ("torch", "torchvision", "ray", "optuna", "mlflow")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number, or the reason why there is none."""

    what: str
    value: Spread | float | None
    """None where it was not measured here; `note` says why."""
    unit: str = ""
    bar: float | None = None
    stretch: float | None = None
    better: Literal["more", "less"] = "more"
    note: str = ""

    @property
    def verdict(self) -> str:
        """What the figure comes to against its bar."""
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        value = self.value.median if isinstance(self.value, Spread) else self.value
        if self.stretch is not None and self._reaches(value, self.stretch):
            return "stretch"
        return "met" if self._reaches(value, self.bar) else "**missed**"

    def _reaches(self, value: float, goal: float) -> bool:
        return value >= goal if self.better == "more" else value <= goal

    def row(self) -> str:
        """Return the figure's line of the table."""
        value = self.value if isinstance(self.value, Spread) else _number(self.value)
        shown = f"{value} {self.unit}".strip() if self.value is not None else "–"
        cells = (self.what, shown, self._goal(self.bar), self._goal(self.stretch), self.verdict)
        return f"| {' | '.join((*cells, self.note))} |"

    def _goal(self, goal: float | None) -> str:
        if goal is None:
            return ""
        return f"{'≥' if self.better == 'more' else '≤'} {goal:g} {self.unit}".strip()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def section(title: str, text: str, figures: Iterable[Figure]) -> str:
    """Return one part of the results as Markdown."""
    rows = "\n".join(figure.row() for figure in figures)
    head = "| figure | measured | bar | stretch | | |\n|---|---|---|---|---|---|"
    return f"## {title}\n\n{text}\n\n{head}\n{rows}\n"


def package_version(name: str) -> str:
    """Return the version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def header(*, short: bool) -> str:
    """Return what the results were measured on, and when."""
    device = device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    versions = ", ".join(f"{name} {package_version(name)}" for name in VERSIONS)
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"# Benchmarks{' (short form)' if short else ''}\n\n"
        f"{time.strftime('%Y-%m-%d %H:%M')}; {device}, {cores} CPU cores; "
        f"Python {platform.python_version()}, {versions}. "
        f"Load of the machine at the start: {load:.1f}.\n\n"
        "Contenders take turns (A B ours A B ours …); a figure is the median over the turns with "
        "its quartiles, a ratio the median of each turn's ratio. The first turn warms up.\n"
    )

"""What was measured of trials that share a GPU, remembered in a file of the study."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch

from study.trials import CostClass

FORMAT = 4
"""Of the file. The first format named the regularizer and the data set of a trial and left out
their settings, so its figures may be those of other trials. The second counted the memory of all
processes on the GPU as the trials', and knew neither the driver nor whether MPS was in use. The
third knew nothing of the data's content and of the code. Figures of these formats count as not
measured."""


@dataclass(frozen=True)
class ShareMeasurement:
    """What some trials of a cost class did side by side on one GPU."""

    epochs_per_second: float
    """Of all trials together; 0 if the memory did not hold them."""
    taken_mb: float
    """Of the GPU's memory, by all trials together; 2^20 bytes."""
    epoch_seconds: float = 0.0
    """Of one trial."""
    peak_mb: float = 0.0
    """Of the memory that one trial allocated."""


Figures = dict[int, ShareMeasurement]
"""By the number of trials side by side."""


class ShareConditions(TypedDict):
    """What figures hold for beside the trials' settings."""

    gpu: str
    """The GPU's name."""
    driver: str
    mps: bool
    """Whether the trials share the GPU by NVIDIA's multi-process service."""
    cpus: float
    """Of a trial."""
    data: str
    """The fingerprint of the data set: the same settings may mean more images than before."""
    code_digest: str
    """The digest of the code that computes a trial."""


@dataclass(frozen=True)
class ShareFile:
    """The file of a study's figures; without a path nothing is remembered."""

    path: Path | None

    @property
    def is_of_older_format(self) -> bool:
        """Whether the file is there and its figures cannot be used."""
        content = self._content()
        return bool(content) and content.get("format") != FORMAT

    def read_figures(self, kind: CostClass, **conditions: Unpack[ShareConditions]) -> Figures:
        """Return what is remembered of a cost class under these conditions."""
        found = self._figures().get(_file_key(kind, conditions), {})
        return {int(count): ShareMeasurement(**values) for count, values in found.items()}

    def write_figures(
        self, kind: CostClass, figures: Figures, **conditions: Unpack[ShareConditions]
    ) -> None:
        """Remember the figures of a cost class."""
        if self.path is None:
            return
        known = {str(count): asdict(values) for count, values in figures.items()}
        all_figures = {**self._figures(), _file_key(kind, conditions): known}
        part = self.path.with_suffix(".part")
        with suppress(OSError):  # where the disk is full, the next launch measures again
            part.write_text(json.dumps({"format": FORMAT, "figures": all_figures}, indent=1))
            os.replace(part, self.path)

    def _figures(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        content = self._content()
        figures: Mapping[str, Mapping[str, Mapping[str, float]]]
        figures = content["figures"] if content.get("format") == FORMAT else {}
        return figures

    def _content(self) -> Mapping[str, Any]:
        """Return what the file holds; nothing if it is missing or damaged."""
        with suppress(OSError, ValueError):
            if self.path is not None:
                content = json.loads(self.path.read_text())
                return content if isinstance(content, dict) else {}
        return {}


def _file_key(kind: CostClass, conditions: ShareConditions) -> str:
    """Return the key of figures: all that a trial's speed and memory depend on.

    The settings of the cost class have precision and compilation among them.
    """
    of = {"settings": dict(kind), **conditions, "torch": torch.__version__}
    return json.dumps(of, sort_keys=True, default=str)

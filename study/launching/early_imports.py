"""Modules that the end of a launch needs, loaded while its trials run and the driver waits."""

import logging
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from analysis.statistics.sensitivity import FEWEST_VALUES

log = logging.getLogger(__name__)

DRAWING = (
    "study.launching.result_note",
    "analysis.report_page.study_answers",
    "analysis.paper.reading_words",
    "analysis.figures.errors",
    "analysis.figures.draw_matplotlib",
)
"""What the table, the answer and the plots of a study are made with."""
FORMATS = ("matplotlib.backends.backend_pdf",)
"""What the first plot of a format would load."""
CURVES = ("sklearn.gaussian_process",)
"""What the curves over searched numbers are fitted with, which takes a second to load."""


def modules_at_end(space: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules that the end of a launch needs.

    Args:
        space: the study's searched paths.
    """
    curves = CURVES if any(map(_searches_numbers, space.values())) else ()
    return *DRAWING, *FORMATS, *curves


def _searches_numbers(domain: Any) -> bool:
    if isinstance(domain, list):
        numbers = [one for one in domain if isinstance(one, int | float)]
        return len(numbers) >= FEWEST_VALUES
    return isinstance(domain, Mapping) and "low" in domain


class EarlyImport:
    """Modules that a thread loads once it is told to; whoever imports them later finds them."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Load nothing yet."""
        self._modules = modules
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin to load, the first time that this is called."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="early imports", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until all is loaded that was begun."""
        if self._thread is not None:
            self._thread.join()

    def _load(self) -> None:
        for module in self._modules:
            try:
                import_module(module)
            except Exception:  # whoever needs the module meets the same error, and says so
                log.warning("cannot load %s early", module, exc_info=True)

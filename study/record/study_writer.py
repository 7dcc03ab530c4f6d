"""What a launch writes of the study as a whole: its beginning, its results and its end.

It is written directly to the study's own run, and a store that is busy is waited for.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from analysis.record.looks import StudyLook
from study.record.errors import BUSY_SECONDS, RecordError, ask_until_answered
from study.record.study_run import StudyRun
from study.record.trial_runs import TrialRuns

Answer = TypeVar("Answer")


class StudyWriter:
    """Writes to the run of a study, while the study is this launch's to write."""

    def __init__(
        self,
        study_run: StudyRun,
        runs: TrialRuns,
        *,
        check_right: Callable[[], None],
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Take the runs that are written to.

        Args:
            study_run: the study's own run.
            runs: the runs of its trials, which end with the study's.
            check_right: raises RecordError if another launch has taken the study over.
            say: told that the store is waited for.
        """
        self.study_run = study_run
        self.runs = runs
        self.check_right = check_right
        self.say = say

    def begin_study(self, tags: Mapping[str, str], texts: Mapping[str, str] | None = None) -> None:
        """Mark the study as running, with the study file as written and as resolved.

        The study's run is made here, and taken back if it cannot be begun, so that a launch that
        is refused leaves none.

        Args:
            tags: of the study's run.
            texts: further artifacts of the run, by their names.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses, or the study is
                another launch's.
        """

        def begin() -> None:
            self.check_right()
            self.study_run.create_missing()
            self.runs.end_running()
            self.study_run.begin(tags, texts or {})

        is_new = not self.study_run.run_id
        try:
            self._ask(begin, failed="cannot put the study on record")
        except RecordError:
            if is_new:
                self._take_back()
            raise

    def _take_back(self) -> None:
        """Delete a run that was not begun, unless the study is another launch's by now."""
        try:
            self.check_right()
        except RecordError:
            return
        self.study_run.take_back()

    def resolved_before(self) -> dict[str, Any] | None:
        """Return the study as the last launch resolved it, or None where that is not known.

        Raises:
            RecordError: if the tracking server cannot be reached.
        """
        ask = self.study_run.resolved_before
        return self._ask(ask, failed="cannot read the study file on record")

    def has_plots_of(self, table: str) -> bool:
        """Return whether the plots on record are whole and of the trials of a table.

        Args:
            table: as the artifact TABLE_CSV.

        Raises:
            RecordError: if the tracking server cannot be reached.
        """
        return self._ask(
            lambda: self.study_run.has_plots_of(table), failed="cannot look for plots on record"
        )

    def looks(self) -> tuple[StudyLook, ...]:
        """Return the looks at the study that are on record, the earliest first.

        Raises:
            RecordError: if the tracking server cannot be reached.
        """
        return self._ask(self.study_run.looks, failed="cannot read the looks on record")

    def publish(
        self,
        *,
        texts: Mapping[str, str],
        plots: Iterable[Path],
        status: Literal["FINISHED", "FAILED", "KILLED"],
        description: str = "",
        values: Mapping[str, float] | None = None,
    ) -> None:
        """Add texts and plots to the study's run, and end it and what a dead process left running.

        The runs end also where the store takes no artifact.

        Args:
            texts: by the names of their artifacts.
            plots: files.
            status: with which the run ends.
            description: of the run, in Markdown; empty leaves it as it is.
            values: metrics of the run.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """

        def end() -> None:
            self.check_right()
            self.runs.end_running()
            self.study_run.end(status)

        def add() -> None:
            self.check_right()
            self.study_run.add_results(texts=texts, plots=drawn)
            if description:
                self.study_run.describe(description, values or {})

        drawn = list(plots)
        try:
            self._ask(add, failed="cannot put the table and its plots on record")
        finally:
            self._ask(end, failed="cannot end the study's record")

    def _ask(self, ask: Callable[[], Answer], *, failed: str) -> Answer:
        return ask_until_answered(ask, failed=failed, seconds=BUSY_SECONDS, say=self.say)

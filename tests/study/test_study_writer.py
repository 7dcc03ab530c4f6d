"""A launch that cannot begin leaves nothing behind, and takes nothing from another."""

from collections.abc import Iterator
from unittest.mock import create_autospec

import pytest

from study.record.errors import RecordError
from study.record.study_run import StudyRun
from study.record.study_writer import StudyWriter
from study.record.trial_runs import TrialRuns


def refused(rights: Iterator[str]) -> StudyRun:
    """The run that a refused launch has written to, whose right to write is checked by turns."""
    run = create_autospec(StudyRun, instance=True, run_id="")
    run.begin.side_effect = RecordError("the store takes no artifact")

    def check_right() -> None:
        if lost := next(rights):
            raise RecordError(lost)

    writer = StudyWriter(run, create_autospec(TrialRuns, instance=True), check_right=check_right)
    with pytest.raises(RecordError):
        writer.begin_study({})
    return run


def test_a_run_that_was_made_and_not_begun_is_taken_back():
    refused(iter(["", ""])).take_back.assert_called_once_with()


def test_a_run_of_a_study_that_another_launch_has_taken_over_is_left_alone():
    refused(iter(["", "another launch has it"])).take_back.assert_not_called()
    refused(iter(["another launch has it"] * 2)).take_back.assert_not_called()

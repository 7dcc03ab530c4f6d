"""What a launch says before it starts: what changed, what is on record, what of other code."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from analysis.counted import agreeing, count_text
from study.file.changes import describe_changes
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.record.errors import RecordError
from study.scheduling.reconcile import ReconciledStudy


def describe_start(launch: StudyLaunch) -> list[str]:
    """Return what changed since the last launch, and what is on record."""
    return [
        *describe_changes_since(launch),
        *describe_reconciliation(launch.found, in_doubt=bool(launch.code.groups)),
        *describe_code(launch),
    ]


def describe_changes_since(launch: StudyLaunch) -> list[str]:
    """Return what in the study has changed since its last launch.

    Raises:
        LaunchRefusedError: if the tracking server cannot be asked.
    """
    with _refused_in_words():
        before = launch.record.study_writer.resolved_before()
    changes = describe_changes(before, launch.study.as_dict()) if before else []
    return [f"Changed: {change}." for change in changes]


def describe_code(launch: StudyLaunch) -> list[str]:
    """Return what there is of other code, what has changed, and what becomes of it.

    Raises:
        LaunchRefusedError: if the tracking server cannot be asked.
    """
    with _refused_in_words():
        return launch.code.sentences()


@contextmanager
def _refused_in_words() -> Iterator[None]:
    try:
        yield
    except RecordError as error:
        raise LaunchRefusedError(str(error)) from error


def describe_reconciliation(found: ReconciledStudy, *, in_doubt: bool = False) -> list[str]:
    """Return what the user should know of the records before the study goes on.

    Args:
        found: the study as its records leave it.
        in_doubt: whether it is to be proved first that the present code computes the same.
    """
    done = ("is done", "are done") if in_doubt else ("is done and stays", "are done and stay")
    told = (
        (found.done, *done),
        (found.cut_off, "was cut off and goes on", "were cut off and go on"),
        (
            found.failed,
            "failed in an earlier launch and is tried again",
            "failed in an earlier launch and are tried again",
        ),
        (
            found.unfiled,
            "lacks files of its diagnostics and is trained again",
            "lack files of their diagnostics and are trained again",
        ),
    )
    return [*_counted(told), *describe_belonging(found)]


def describe_belonging(found: ReconciledStudy) -> list[str]:
    """Return how many trials on record leave the study, and how many belong to it again."""
    return _counted(
        (
            (
                len(found.retired),
                "on record no longer belongs to the study; it stays on record, out of its tables",
                "on record no longer belong to the study; they stay on record, out of its tables",
            ),
            (len(found.restored), "belongs to the study again", "belong to the study again"),
        )
    )


def _counted(told: Iterable[tuple[int, str, str]]) -> list[str]:
    return [
        f"{count_text(count, 'trial')} {agreeing(count, one, many)}."
        for count, one, many in told
        if count
    ]

"""What a launch says before it starts: what changed, what is on record, what of other code."""

from study.file.changes import describe_changes
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.record.errors import RecordError
from study.scheduling.reconcile import ReconciledStudy


def describe_start(launch: StudyLaunch) -> list[str]:
    """Return what changed since the last launch, and what is on record."""
    before = launch.record.study_writer.resolved_before()
    changes = describe_changes(before, launch.study.as_dict()) if before else []
    return [
        *(f"Changed: {change}" for change in changes),
        *describe_reconciliation(launch.found),
        *describe_code(launch),
    ]


def describe_code(launch: StudyLaunch) -> list[str]:
    """Return what there is of other code, what has changed, and what becomes of it.

    Raises:
        LaunchRefusedError: if the tracking server cannot be asked.
    """
    try:
        return launch.code.sentences()
    except RecordError as error:
        raise LaunchRefusedError(str(error)) from error


def describe_reconciliation(found: ReconciledStudy) -> list[str]:
    """Return what the user should know of the records before the study goes on."""
    said = []
    if found.done:
        said.append(f"{found.done} trials are done and stay.")
    if found.cut_off:
        said.append(f"{found.cut_off} trials were cut off and go on.")
    if found.failed:
        said.append(f"{found.failed} trials failed in an earlier launch and are tried again.")
    if found.unfiled:
        said.append(
            f"{found.unfiled} trials lack files of their diagnostics and are trained again."
        )
    if found.retired:
        said.append(
            f"{len(found.retired)} trials on record no longer belong to the study; they stay on "
            "record, out of its tables."
        )
    if found.restored:
        said.append(f"{len(found.restored)} trials belong to the study again.")
    return said

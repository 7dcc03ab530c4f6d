"""A SQLite record read without MLflow: which studies it has, and which runs of which state.

Commands that list studies, or find that a name is not on record, need a few columns of MLflow's
tables and wait for no import of MLflow. Where MLflow must be asked, None says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.record import credentials, sqlite_file
from analysis.record.location import no_record_message, tracking_uri
from analysis.record.names import ROLE, SCALE, STUDY_ROLE
from analysis.record.sqlite_tables import (
    StoredExperiment,
    StoredRun,
    familiar_tables,
    read_experiments,
    read_states,
)
from analysis.record.store_errors import UnknownStudyError, unknown_name_message


@dataclass(frozen=True)
class QuickReading:
    """A record as it was at one moment."""

    experiments: list[StoredExperiment]
    runs: list[StoredRun]


def read_quickly(tags: Iterable[str], *, of_experiment: str | None = None) -> QuickReading | None:
    """Return the record's experiments and runs, or None where MLflow must be asked.

    Args:
        tags: the names of the tags that a run comes with.
        of_experiment: take the runs of the experiment of this name alone.

    Raises:
        RecordError: if the SQLite file is locked or damaged.
    """
    with familiar_tables(tracking_uri()) as database:
        if database is None:
            return None
        return QuickReading(
            read_experiments(database), read_states(database, tuple(tags), of_experiment)
        )


def refuse_unknown_study(study: str, scale: str | None = None) -> None:
    """Refuse a study, or a scale of it, that a quick reading does not find.

    Where MLflow must be asked, nothing is refused: MLflow's reading will.

    Raises:
        UnknownStudyError: in the words of the whole reading.
        RecordError: if the SQLite file is locked or damaged.
    """
    uri = tracking_uri()
    file = sqlite_file.file_of(uri)
    if file is not None and not file.exists():
        raise UnknownStudyError(no_record_message(uri))
    reading = read_quickly((ROLE, SCALE), of_experiment=study)
    if reading is None:
        return
    names = sorted(one.name for one in reading.experiments if one.name != "Default")
    if study not in {one.name for one in reading.experiments}:
        where = f"at {credentials.hide_logins(uri)}"
        raise UnknownStudyError(unknown_name_message("study", study, names, where))
    parents = (run for run in reading.runs if run.data.tags.get(ROLE) == STUDY_ROLE)
    known = dict.fromkeys(run.data.tags.get(SCALE, "") for run in parents)
    if scale is not None and known and scale not in known:
        of = f"of the study `{study}`"
        raise UnknownStudyError(unknown_name_message("scale", scale, known, of))

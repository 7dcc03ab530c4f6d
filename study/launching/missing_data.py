"""What a plan knows of data sets that are not here: what the record says of them."""

from collections.abc import Iterable, Mapping

from analysis.record.names import DATA_FINGERPRINT
from study.file.resolved import ResolvedStudy
from study.trials import RecordedTrial
from trainables import datasets


def recorded_fingerprints(
    study: ResolvedStudy,
    missing: Iterable[datasets.AnySettings],
    recorded: Mapping[str, RecordedTrial],
) -> dict[datasets.AnySettings, str]:
    """Return the fingerprints that the record has of data sets that are not here.

    By them a plan finds the trials that are done. The newest trial of a data set tells.

    Args:
        study: whose points the trials have.
        missing: settings of the data sets.
        recorded: the study's trials on record, by key.
    """
    wanted, found = set(missing), {}
    for trial in sorted(recorded.values(), key=lambda trial: trial.number):
        point, fingerprint = trial.point, trial.tags.get(DATA_FINGERPRINT)
        if point is None or not fingerprint or not study.has_point(point):
            continue
        settings = study.configuration(point).dataset
        if settings in wanted:
            found[settings] = fingerprint
    return found

"""Trials on record that differ in their diagnostics alone, and so have the same metrics.

Such trials have other keys, for the keys hold the diagnostics. What a trial's diagnostics are is
read from its params, which records of all versions hold; the reading counts only if it leads to the
key that is on record.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow import MlflowClient
from pydantic import ValidationError

from analysis.record.client import search_all_runs, with_params, with_tags
from analysis.record.names import (
    DATA_FINGERPRINT,
    DIAGNOSTICS,
    ROLE,
    SEED,
    TRIAL_ROLE,
)
from analysis.record.values import nested_settings, param_text, typed_param
from study.record.trial_runs import recorded_trial
from study.trials import TRAINED_TO_THE_END, RecordedTrial, Trial
from trainables.configuration import (
    Configuration,
    changed_settings,
    hash_configuration,
    parse_configuration,
    without_diagnostics,
)

FINISHED = "attributes.status = 'FINISHED'"


@dataclass(frozen=True)
class SameMetrics:
    """A finished trial on record of the metrics that another trial would have."""

    recorded: RecordedTrial
    lacking: tuple[str, ...]
    """Files of diagnostics that the other trial is to leave and that are not on record with it."""


def trials_of_same_metrics(
    client: MlflowClient, experiment_ids: list[str], trial: Trial
) -> Iterator[SameMetrics]:
    """Yield the finished trials of other diagnostics, from the experiments, one after the other.

    Args:
        client: of the record.
        experiment_ids: where to look.
        trial: as it would be trained.
    """
    wanted = without_diagnostics(trial.configuration)
    params = {**changed_settings(wanted), SEED: trial.seed}
    texts = {path: param_text(value) for path, value in params.items()}
    tags = with_tags({ROLE: TRIAL_ROLE, DATA_FINGERPRINT: trial.data})
    where = " and ".join((FINISHED, tags, with_params(texts)))
    for run in search_all_runs(client, experiment_ids, where):
        recorded = recorded_trial(run)
        if recorded.key == trial.key or recorded.outcome not in TRAINED_TO_THE_END:
            continue
        configuration = configuration_on_record(recorded)
        if configuration is not None and without_diagnostics(configuration) == wanted:
            yield SameMetrics(recorded, _lacking(client, recorded, configuration, trial))


def configuration_on_record(recorded: RecordedTrial) -> Configuration | None:
    """Return the configuration that a trial's params stand for; None where they are damaged."""
    values = {path: typed_param(text) for path, text in recorded.params.items()}
    seed = values.pop(SEED, None)
    try:
        configuration = parse_configuration(nested_settings(values))
    except (ValidationError, TypeError):  # of another version, or of a component that is not here
        return None
    data = recorded.tags.get(DATA_FINGERPRINT, "")
    key = hash_configuration(configuration, data=data, seed=seed)
    return configuration if key == recorded.key else None


def is_diagnosed(recorded: RecordedTrial) -> bool:
    """Return whether a trial was asked for files beside its metrics."""
    return metrics_key_on_record(recorded) is not None


def metrics_key_on_record(recorded: RecordedTrial) -> str | None:
    """Return the `metrics_key` of a trial that was asked for files; None for all others."""
    diagnostics = (path for path in recorded.params if path.startswith("diagnostics."))
    if not any(typed_param(recorded.params[path]) for path in diagnostics):
        return None  # seen without parsing, for most trials are asked for none
    configuration = configuration_on_record(recorded)
    if configuration is None or not configuration.diagnostics.files:
        return None
    data = recorded.tags.get(DATA_FINGERPRINT, "")
    return metrics_key(configuration, data=data, seed=typed_param(recorded.params[SEED]))


def metrics_key(configuration: Configuration, *, data: str, seed: int) -> str:
    """Return the key of the trial of the same metrics that leaves no files."""
    return hash_configuration(without_diagnostics(configuration), data=data, seed=seed)


def _lacking(
    client: MlflowClient, recorded: RecordedTrial, configuration: Configuration, trial: Trial
) -> tuple[str, ...]:
    """Return which files the trial is to leave that are not on record as it would leave them."""
    wanted = trial.configuration.diagnostics
    if not wanted.files:
        return ()
    other = wanted.missing_from(configuration.diagnostics)
    found = {entry.path for entry in client.list_artifacts(recorded.run_id, DIAGNOSTICS)}
    return tuple(
        name for name in wanted.files if name in other or f"{DIAGNOSTICS}/{name}" not in found
    )

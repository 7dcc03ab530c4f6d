"""Trials on record that differ in their diagnostics alone, and so have the same metrics.

Such trials have other keys, for the keys hold the diagnostics. What a trial's diagnostics are is
read from its params, which records of all versions hold; the reading counts only if it leads to the
key that is on record.
"""

from dataclasses import dataclass

from mlflow import MlflowClient
from pydantic import ValidationError

from analysis.record.client import with_params, with_tags
from analysis.record.names import (
    DATA_FINGERPRINT,
    DIAGNOSTICS,
    SEED,
)
from analysis.record.values import nested_settings, param_text, typed_param
from study.trials import TRAINED_TO_THE_END, RecordedTrial, Trial
from trainables.configuration import (
    Configuration,
    changed_settings,
    parse_configuration,
    without_diagnostics,
)
from trainables.trial_key import hash_configuration


@dataclass(frozen=True)
class SameMetrics:
    """A finished trial on record of the metrics that another trial would have."""

    recorded: RecordedTrial
    lacking: tuple[str, ...]
    """Files of diagnostics that the other trial is to leave and that are not on record with it."""


def metrics_key(trial: Trial) -> str:
    """Return what decides a trial's metrics: its key without its diagnostics."""
    plain = without_diagnostics(trial.configuration)
    return hash_configuration(plain, data=trial.data, seed=trial.seed)


def keys_of(recorded: RecordedTrial) -> tuple[str, ...]:
    """Return a trial's key and, where it has diagnostics, what decides its metrics."""
    configuration = configuration_on_record(recorded) if is_diagnosed(recorded) else None
    if configuration is None:
        return (recorded.key,)
    plain, seed = without_diagnostics(configuration), typed_param(recorded.params[SEED])
    data = recorded.tags.get(DATA_FINGERPRINT, "")
    return recorded.key, hash_configuration(plain, data=data, seed=seed)


def same_metrics_filter(trial: Trial) -> str:
    """Return MLflow's filter for the runs that may have the trial's metrics."""
    params = {**changed_settings(without_diagnostics(trial.configuration)), SEED: trial.seed}
    texts = {path: param_text(value) for path, value in params.items()}
    return f"{with_tags({DATA_FINGERPRINT: trial.data})} and {with_params(texts)}"


def same_metrics(client: MlflowClient, recorded: RecordedTrial, trial: Trial) -> SameMetrics | None:
    """Return a trial on record as one that differs in its diagnostics alone; None if it is none.

    Args:
        client: of the record.
        recorded: trained to its end.
        trial: as it would be trained.
    """
    if recorded.key == trial.key or recorded.outcome not in TRAINED_TO_THE_END:
        return None
    if metrics_key(trial) not in keys_of(recorded):
        return None
    configuration = configuration_on_record(recorded)
    if configuration is None:
        return None
    return SameMetrics(recorded, _lacking(client, recorded, configuration, trial))


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
    asked = (text for path, text in recorded.params.items() if path.startswith(f"{DIAGNOSTICS}."))
    return any(text == "True" or text.startswith("[") and text != "[]" for text in asked)


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

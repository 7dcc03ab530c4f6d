"""Optuna's storage of one study at one scale, opened: made where there is none, and whole."""

from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from study.file.resolved import ResolvedStudy
from study.search.samplers import build_pruner
from study.search.storage_file import is_damage, set_aside, sqlite_url

QUESTION_ATTRIBUTE = "question"  # for whoever opens the study in Optuna's dashboard


class SearchError(Exception):
    """Optuna's storage cannot be used; nothing was started."""


@dataclass(frozen=True)
class OpenedStorage:
    """A storage with the Optuna study in it."""

    path: Path
    """The SQLite file."""
    storage: optuna.storages.RDBStorage
    found: optuna.Study
    notices: tuple[str, ...] = ()
    """What was odd about the storage, in sentences."""


def optuna_name(study: ResolvedStudy) -> str:
    """Return what Optuna calls a study at one scale."""
    return f"{study.name}-{study.scale}"


def open_whole_storage(study: ResolvedStudy, file: Path) -> OpenedStorage:
    """Open the storage; a damaged one is set aside, for the record holds all that matters.

    Raises:
        SearchError: if the storage can neither be opened nor be made.
    """
    try:
        return _open_or_set_aside(study, file)
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise SearchError(f"cannot use Optuna's storage {file}: {reason}") from error


def _open_or_set_aside(study: ResolvedStudy, file: Path) -> OpenedStorage:
    try:
        opened = open_optuna_storage(study, file)
        opened.found.get_trials(deepcopy=False)
    except (StorageInternalError, SQLAlchemyError) as error:
        if not is_damage(error):
            raise
        aside = set_aside(file)
        notice = (
            f"Optuna's storage {file} is damaged. It is kept as {aside.name}, and a new one is "
            "made from the record."
        )
        return replace(open_optuna_storage(study, file), notices=(notice,))
    return opened


def open_optuna_storage(study: ResolvedStudy, file: Path) -> OpenedStorage:
    """Open the storage, or create it, with what the Optuna study says of itself.

    Raises:
        StorageInternalError: if the file cannot be used.
        SQLAlchemyError: if the file cannot be used.
    """
    storage = optuna.storages.RDBStorage(sqlite_url(file))
    found = optuna.create_study(
        study_name=optuna_name(study),
        storage=storage,
        directions=["minimize"] * len(study.search.objectives),
        pruner=build_pruner(study),
        load_if_exists=True,
    )
    if not found.metric_names:
        found.set_metric_names(list(study.search.objectives))
    if found.user_attrs.get(QUESTION_ATTRIBUTE) != study.question:
        found.set_user_attr(QUESTION_ATTRIBUTE, study.question)
    return OpenedStorage(file, storage, found)

"""What one launch of a valid study holds, and how it is prepared: data checked, record opened."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from analysis.console import print_prose
from study.file.notify_targets import hide_targets
from study.file.resolved import ResolvedStudy
from study.launching import provenance
from study.launching.code_review import CodeReview
from study.launching.data_messages import tell_data_messages
from study.launching.found_elsewhere import look_elsewhere
from study.launching.missing_data import recorded_fingerprints
from study.launching.objectives import check_objectives
from study.lock import HeldLock
from study.record.code_history import CodeHistory
from study.record.errors import RecordError
from study.record.opening import open_record
from study.record.writer import StudyRecord
from study.scheduling.budget import BudgetMeter
from study.scheduling.code_rules import (
    CodePolicy,
    decide_by_code,
)
from study.scheduling.gpu_shares import GpuShares
from study.scheduling.proof_scheduler import PREFIX
from study.scheduling.reconcile import ReconciledStudy, reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.opened_storage import SearchError
from study.search.optuna_study import OptunaStudy, open_optuna_study
from study.state import StateFolder
from study.trials import RecordedTrial
from trainables import datasets
from trainables.checkpoints import TrialCheckpoints, open_checkpoints
from trainables.configuration import Configuration, check_last_batch
from trainables.datasets import DatasetError, Splits

if TYPE_CHECKING:  # it loads pyinstrument, which few launches need
    from study.launching.launch_profile import LaunchProfile


class LaunchRefusedError(Exception):
    """Something outside the study file is wrong; nothing was started."""


@dataclass(frozen=True)
class StudyLaunch:
    """One launch: a study, what is on record of it, and what decides about its trials."""

    study: ResolvedStudy
    console: Console
    folder: StateFolder
    data: Path
    command: str
    fingerprint_of: Callable[[datasets.AnySettings], str]
    """Returns the fingerprint of a data set, which is read once for it."""
    checkpoints: TrialCheckpoints
    record: StudyRecord
    search: OptunaStudy
    scheduler: StudyScheduler
    """Reconciled with the record."""
    recorded: Mapping[str, RecordedTrial]
    """What was on record before this launch, by trial key."""
    found: ReconciledStudy
    """What reconciling found."""
    code: CodeReview
    """What is known of the code that computed the results on record."""
    lock: HeldLock | None = None
    """The lock of the state directory; None for a plan."""
    profile: "LaunchProfile | None" = None
    """Where the time of the launch goes, if that is asked for."""

    @property
    def shares(self) -> GpuShares:
        """The shares of GPUs."""
        return self.scheduler.shares

    @cached_property
    def datasets(self) -> list[datasets.AnySettings]:
        """The data sets of the study, each once."""
        return list(dict.fromkeys(corner.dataset for corner in self.study.extremes()))

    def say(self, sentence: str) -> None:
        """Print sentences as they are, in lines that fit the terminal."""
        print_prose(self.console, sentence)

    def reason_to_stop(self) -> str:
        """Return why the study is no longer this launch's to run, in a sentence, or nothing."""
        if self.record.lost_to:
            return f"This launch ends and writes nothing more: {self.record.lost_to}."
        if self.lock is not None and not self.lock.is_in_place():
            return (
                f"This launch ends: its state directory {self.folder.folder} was deleted. The same "
                "command goes on with what is on record."
            )
        return ""

    def begin_record(self) -> None:
        """Put on record that the study is taken up, and which trials are its own.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        own = {f"plugins/{m.shown_name}": m.text for m in self.study.own_modules if m.text}
        # The changes that are not committed may be those of the study file.
        found = provenance.provenance_texts().items()
        texts = {
            **{name: hide_targets(text, self.study.notify) for name, text in found},
            **own,
            **self.digest_texts(),
            **self.code.proof_texts(),
        }
        self.record.study_writer.begin_study(provenance.provenance_tags(), texts)
        superseded = self.code.superseded_runs()
        for key in superseded:  # before a new run can begin, which would go on from it
            self.checkpoints.discard(key)
        self.record.supersede(superseded)
        self.record.tag_trials(self.code.tags())
        self.record.add_settings(self.settings_since())
        self.record.retire(self.found.retired)
        self.record.restore(self.found.restored)
        self.record.tag_trials(self.found.renumbered)

    def settings_since(self) -> dict[str, dict[str, Any]]:
        """Return the settings that are younger than a trial on record, values by path, by its key.

        The trial has them at their defaults; without them a table would tell it from others.
        """
        missing = {}
        for key, recorded in self.recorded.items():
            trial = self.scheduler.trials.get(key)
            if trial is not None and recorded.params and recorded.code != trial.code:
                settings = trial.settings()
                missing[key] = {p: settings[p] for p in settings if p not in recorded.params}
        return {key: found for key, found in missing.items() if found}

    def digest_texts(self) -> dict[str, str]:
        """Return the file that says what the digests of code stand for, by its name."""
        trained = [trial.configuration for trial in self.scheduler.trials.values()]
        return self.code.digest_texts([*self.study.extremes(), *trained])

    def discard_checkpoint(self, key: str) -> None:
        """Delete the checkpoint of an ended trial, unless its end could still be lost."""
        if self.record.spool.secure():
            self.checkpoints.discard(key)

    def sweep_checkpoints(self) -> None:
        """Delete the checkpoints of all ended trials, unless their ends could still be lost."""
        if self.record.spool.secure():
            trials = self.scheduler.trials.values()
            ended = {trial.key for trial in trials if trial.state == "done"}
            self.checkpoints.sweep(ended | {f"{PREFIX}{trial.key}" for trial in trials})


def prepare_launch(
    study: ResolvedStudy,
    console: Console,
    *,
    folder: StateFolder,
    data: Path,
    command: str,
    code: CodePolicy = "check",
    planning: bool = False,
    lock: HeldLock | None = None,
    profile: "LaunchProfile | None" = None,
) -> StudyLaunch:
    """Check the data, open the record and the search, and look up what is done already.

    Args:
        study: what is to become true.
        console: where the user reads.
        folder: the study's own files.
        data: the folder of the data sets, absolute.
        command: how this launch was called, to say how to go on.
        code: what becomes of results that other code computed.
        planning: whether nothing may be written to the record, nor downloaded: data that are not
            here are stood in for by their known shape.
        lock: of the state directory, held by this process.
        profile: under way, if one is asked for.

    Raises:
        LaunchRefusedError: if the state directory, the data or the tracking server cannot be used.
        StudyHeldError: if another launch runs the study, with whatever state directory.
    """
    meter = BudgetMeter(study.budget)  # before data are read: that takes of its hours
    try:
        checkpoints = open_checkpoints(folder.checkpoints)
    except (OSError, ValueError) as error:
        raise LaunchRefusedError(f"cannot use the state directory: {error}") from error

    def say(sentence: str) -> None:
        print_prose(console, sentence)

    lenient = datasets.stand_in_for_missing if planning else nullcontext
    try:
        with lenient():
            read = _read_data(study, data, console)
        record = open_record(
            study, folder.spool, read_only=planning, create=False, alone=not planning, say=say
        )
    except (DatasetError, RecordError) as error:
        raise LaunchRefusedError(str(error)) from error
    known = {settings: splits.fingerprint for settings, splits in read.items()}

    @cache
    def fingerprint_of(settings: datasets.AnySettings) -> str:
        if settings in known:
            return known[settings]
        with lenient():
            return datasets.load(settings, data).fingerprint

    def data_of(configuration: Configuration) -> str:
        return fingerprint_of(configuration.dataset)

    try:
        if missing := [settings for settings, splits in read.items() if splits.is_stand_in]:
            known |= recorded_fingerprints(study, missing, record.trials())
        search = open_optuna_study(study, folder.optuna)
        scheduler = StudyScheduler(
            study,
            search,
            record,
            data_of=data_of,
            provenance=provenance.provenance_tags(),
            shares=GpuShares(study.resources, folder.shares, data_of),
            meter=meter,
        )
        for notice in (*record.notices, *search.notices):
            say(notice)
        decision = decide_by_code(study, data_of, record.trials(), code)
        recorded = decision.remaining(record.trials())
        found = reconcile_study(scheduler, search, recorded)
        review = CodeReview(
            decision,
            look_elsewhere(scheduler, search, record),
            CodeHistory(record),
            frozenset(code for trial in record.trials().values() for code in trial.codes),
            log_file=folder.kept_log,
        )
        return StudyLaunch(
            study=study,
            console=console,
            folder=folder,
            data=data,
            command=command,
            fingerprint_of=fingerprint_of,
            checkpoints=checkpoints,
            record=record,
            search=search,
            scheduler=scheduler,
            recorded=recorded,
            found=found,
            code=review,
            lock=lock,
            profile=profile,
        )
    except BaseException as error:
        record.close(timeout=0)
        if isinstance(error, SearchError | RecordError):
            raise LaunchRefusedError(str(error)) from error
        raise


def _read_data(
    study: ResolvedStudy, data: Path, console: Console
) -> dict[datasets.AnySettings, Splits]:
    """Read the study's data sets, each once, check what depends on them and say what is odd.

    Raises:
        DatasetError: if the study cannot be trained on the data.
    """
    with tell_data_messages(lambda text: print_prose(console, text)):
        read = {
            settings: datasets.load(settings, data)
            for settings in dict.fromkeys(corner.dataset for corner in study.extremes())
        }
    for configuration in study.extremes():
        splits = read[configuration.dataset]
        check_last_batch(configuration, len(splits.train))
        measured = (*study.search.objectives, *study.search.bounded)
        check_objectives(measured, configuration.dataset, data)
        configuration.diagnostics.check_classes(splits.num_classes)
    # Settings may differ in what they take of the same files: a note is said once.
    for note in dict.fromkeys(note for splits in read.values() for note in splits.notes):
        print_prose(console, note)
    return read

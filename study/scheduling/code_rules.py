"""What is on record of other code: which trials these are, and what becomes of each.

A trial is of other code where neither the digest of the code that computed the trial, nor one that
was proven equal, is the digest of the code that would compute the trial now. A run from before
digests were recorded is of a code of its own, called `not recorded`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from analysis.record.names import (
    CODE_KEPT,
    COMPILED,
    COMPLETED,
    DEVICE,
    DIVERGED,
    POINT,
    STOPPED_EARLY,
)
from study.file import points
from study.file.resolved import ResolvedStudy
from study.file.space import Point
from study.scheduling.study_trials import StudyTrials
from study.trials import CostClass, RecordedTrial, Trial
from trainables.configuration import Configuration

CodePolicy = Literal["check", "keep", "retrain"]
"""What becomes of results that other code computed: proven equal or refused, kept as they are but
marked, or trained again."""
POLICIES: tuple[CodePolicy, ...] = get_args(CodePolicy)

RESULTS = (COMPLETED, DIVERGED, STOPPED_EARLY)
"""Outcomes of a trial that a table counts."""
ProofKey = tuple[CostClass, str, str, str, str]
"""What one proof decides on: the cost class, the digests then and now, whether the trial was
compiled (of one cost class some may be, some not), and the device."""


@dataclass(frozen=True)
class OtherCodeTrial:
    """A trial on record that other code computed."""

    trial: Trial
    """As the study would train it now."""
    recorded: RecordedTrial
    own: bool = True
    """Whether the run is of this study at this scale, and not of one to adopt from."""

    @property
    def is_result(self) -> bool:
        """Whether the trial has ended with numbers."""
        return self.recorded.outcome in RESULTS

    @property
    def goes_on(self) -> bool:
        """Whether the trial was cut off after an epoch that is on record."""
        return self.recorded.outcome is None and self.recorded.has_epochs

    @property
    def proof_key(self) -> ProofKey:
        """What a proof for this trial decides on."""
        return proof_key(self.trial, self.recorded)


def proof_key(trial: Trial, recorded: RecordedTrial) -> ProofKey:
    """Return what a proof decides on that trains this trial and compares it with the recorded."""
    device = recorded.tags.get(DEVICE, "")
    return trial.cost_class, recorded.code, trial.code, recorded.tags.get(COMPILED, ""), device


@dataclass(frozen=True)
class ProofGroup:
    """Trials that one proof decides on; the first is trained anew."""

    trials: tuple[OtherCodeTrial, ...]

    @property
    def sample(self) -> OtherCodeTrial:
        """The trial to be trained anew: a result of the study itself where there is one."""
        return self.trials[0]

    @property
    def own(self) -> tuple[OtherCodeTrial, ...]:
        """The trials of the study itself."""
        return tuple(each for each in self.trials if each.own)


def proof_groups(trials: Iterable[OtherCodeTrial]) -> tuple[ProofGroup, ...]:
    """Sort trials by what one proof decides on."""
    groups: dict[ProofKey, list[OtherCodeTrial]] = {}
    for each in sorted(trials, key=_sample_order):
        groups.setdefault(each.proof_key, []).append(each)
    return tuple(ProofGroup(tuple(group)) for group in groups.values())


def _sample_order(each: OtherCodeTrial) -> tuple[bool, bool, str]:
    return not each.own, not each.is_result, each.trial.key


@dataclass(frozen=True)
class CodeDecision:
    """What becomes of the study's own trials of other code."""

    policy: CodePolicy = "check"
    found: tuple[OtherCodeTrial, ...] = ()
    """All of them."""
    to_prove: tuple[OtherCodeTrial, ...] = ()
    """They stay if the proof holds; otherwise the launch is refused."""
    kept: tuple[OtherCodeTrial, ...] = ()
    """They stay without a proof, and are marked."""
    superseded: tuple[OtherCodeTrial, ...] = ()
    """They are trained from the start under a new run, and the old run is history."""
    unmarked: tuple[str, ...] = ()
    """Keys of trials of present or equal code that an earlier launch has marked as kept."""

    @property
    def results(self) -> tuple[OtherCodeTrial, ...]:
        """The found trials that have ended with numbers."""
        return tuple(each for each in self.found if each.is_result)

    def remaining(self, recorded: Mapping[str, RecordedTrial]) -> dict[str, RecordedTrial]:
        """Return what is on record without the trials that begin anew."""
        gone = {each.trial.key for each in self.superseded}
        return {key: trial for key, trial in recorded.items() if key not in gone}


def decide_by_code(
    study: ResolvedStudy,
    data_of: Callable[[Configuration], str],
    recorded: Mapping[str, RecordedTrial],
    policy: CodePolicy,
) -> CodeDecision:
    """Decide what becomes of the study's own trials of other code.

    A trial that failed, or was cut off before the end of its first epoch, has nothing to prove and
    nothing to lose, and begins anew. So does each that was cut off later, unless a proof is to
    show that its checkpoint may be gone on from: no trial is of two codes.

    Args:
        study: what is to become true.
        data_of: returns the fingerprint of a configuration's data set.
        recorded: the study's trials on record, by key.
        policy: what the launch asks for.
    """
    planned = _planned_trials(study, data_of, recorded)
    found = tuple(
        OtherCodeTrial(trial, recorded[key])
        for key, trial in planned.items()
        if trial.code not in recorded[key].codes
    )
    to_prove = tuple(each for each in found if each.is_result or each.goes_on)
    results = tuple(each for each in found if each.is_result)
    stay = {"check": to_prove, "keep": results, "retrain": ()}[policy]
    return CodeDecision(
        policy=policy,
        found=found,
        to_prove=to_prove if policy == "check" else (),
        kept=results if policy == "keep" else (),
        superseded=tuple(each for each in found if each not in stay),
        unmarked=tuple(
            key
            for key, trial in planned.items()
            if trial.code in recorded[key].codes and recorded[key].tags.get(CODE_KEPT)
        ),
    )


def _planned_trials(
    study: ResolvedStudy,
    data_of: Callable[[Configuration], str],
    recorded: Mapping[str, RecordedTrial],
) -> dict[str, Trial]:
    """Return the trials on record that belong to the study, as it would train them now."""
    planned = StudyTrials(study, data_of).planned_trials(_points_on_record(study, recorded))
    return {trial.key: trial for trial in planned if trial.key in recorded}


def _points_on_record(
    study: ResolvedStudy, recorded: Mapping[str, RecordedTrial]
) -> Iterator[Point]:
    texts = dict.fromkeys(trial.tags[POINT] for trial in recorded.values() if POINT in trial.tags)
    for point in map(json.loads, texts):
        if points.is_point_of(point, study.space):
            yield point


@dataclass(frozen=True)
class TrialsElsewhere:
    """What other studies have finished of the trials that are to do."""

    adoptable: Mapping[str, RecordedTrial] = field(default_factory=dict)
    """By trial key: of present code, or of code that was proven equal."""
    other_code: tuple[OtherCodeTrial, ...] = ()
    """Trials that other studies have finished by other code alone."""
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By key of a trial whose metrics are on record with other diagnostics: the files that are not,
    for which the trial is trained again."""


def sort_by_code(
    todo: Iterable[Trial],
    finished: Mapping[str, Iterable[RecordedTrial]],
    is_measured: Callable[[RecordedTrial], bool],
) -> TrialsElsewhere:
    """Return which trials may be adopted, and which are there of other code alone.

    Args:
        todo: the trials that are to do.
        finished: by trial key the runs in which other studies have finished it.
        is_measured: whether a run has what the study judges by.
    """
    adoptable: dict[str, RecordedTrial] = {}
    other: list[OtherCodeTrial] = []
    for trial in todo:
        runs = [run for run in finished.get(trial.key, ()) if is_measured(run)]
        fitting = next((run for run in runs if trial.code in run.codes), None)
        if fitting is not None:
            adoptable[trial.key] = fitting
        elif runs:
            other.append(OtherCodeTrial(trial, runs[0], own=False))
    return TrialsElsewhere(adoptable, tuple(other))

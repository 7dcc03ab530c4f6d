"""Results of other code: what a launch finds of them, says of them, and puts on record."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.counted import agreeing, count_text
from analysis.record.names import CODE_FILE, CODE_KEPT, CODE_PROVED, COMPILED, PROOFS_FILE
from analysis.record.values import digests_of, digests_text, flag_text
from study.record.code_history import CodeHistory
from study.scheduling.code_proof import PROOF_EPOCHS, ProofVerdict
from study.scheduling.code_rules import (
    CodeDecision,
    OtherCodeTrial,
    ProofGroup,
    TrialsElsewhere,
    proof_groups,
)
from study.scheduling.scheduler import StudyScheduler
from trainables.code_digest import TrialCode, trial_code
from trainables.configuration import Configuration

log = logging.getLogger(__name__)

SAID_BEFORE = "the same has changed as said above"


@dataclass
class CodeReview:
    """What one launch knows of the code that computed the results it finds."""

    decision: CodeDecision
    elsewhere: TrialsElsewhere
    history: CodeHistory
    on_record: frozenset[str] = frozenset()
    """All digests that trials of the study bear."""
    verdicts: list[ProofVerdict] = field(default_factory=list)
    """The proofs that this launch has made."""
    log_file: Path | None = None
    """Where the log of the launch is, to say so: it gets the whole list of what changed."""
    _told: set[str] = field(default_factory=set)
    """The lists of changes that were told."""
    _has_left_out: bool = False
    """Whether what was told leaves something out."""

    @property
    def groups(self) -> tuple[ProofGroup, ...]:
        """What is to be proved before anything else."""
        if self.decision.policy != "check":
            return ()
        return proof_groups((*self.decision.to_prove, *self.elsewhere.other_code))

    def sentences(self) -> list[str]:
        """Return what the user should know before the launch does anything.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        said = [*self._own_sentences(), *self._elsewhere_sentences()]
        if self._has_left_out:
            said.append(f"The whole list of what changed stands in {self.log_file or 'the log'}.")
        if groups := self.groups:
            said.append(
                f"The proof comes first: {count_text(len(groups), 'trial')} trained anew for up to "
                f"{PROOF_EPOCHS} epochs and compared with the record bit by bit."
            )
        return said

    def _own_sentences(self) -> Iterator[str]:
        decision = self.decision
        stay = {"check": "", "keep": " They stay, and are marked.", "retrain": ""}
        again = " They are trained again, and their runs stay as history."
        ending = again if decision.policy == "retrain" else stay[decision.policy]
        for change, trials in self._by_change(decision.results):
            yield (
                f"{count_text(len(trials), 'result')} on record of other code "
                f"({_digests_words(trials)}): {change}.{ending}"
            )
        anew = [each for each in decision.superseded if not each.is_result]
        if anew:
            yield (
                f"Begun anew: {count_text(len(anew), 'trial')} that other code has left "
                "unfinished. No "
                "trial is of two codes."
            )
        going_on = [each for each in decision.to_prove if each.goes_on]
        if going_on:
            yield (
                f"Going on if the code is proven equal: {count_text(len(going_on), 'trial')} that "
                f"other code has cut off ({_digests_words(going_on)})."
            )

    def _elsewhere_sentences(self) -> Iterator[str]:
        adoptable = self.elsewhere.adoptable
        if equal := sum(run.key == key for key, run in adoptable.items()):
            yield f"Adopted: {count_text(equal, 'trial')} that other studies have finished."
        if alike := len(adoptable) - equal:
            yield (
                f"Adopted: {count_text(alike, 'trial')} finished with other diagnostics, "
                "which change "
                "no metric."
            )
        if lacking := self.elsewhere.lacking:
            names = ", ".join(sorted({name for files in lacking.values() for name in files}))
            yield (
                f"Trained for their diagnostics: {count_text(len(lacking), 'trial')} whose "
                "metrics are "
                f"on record without {names}."
            )
        proved = self.decision.policy == "check"
        ending = "Adopted if a proof holds" if proved else "Not adopted but trained here"
        for change, trials in self._by_change(self.elsewhere.other_code):
            yield (
                f"{ending}: {count_text(len(trials), 'trial')} that other studies have finished by "
                f"other code ({_digests_words(trials)}): {change}."
            )

    def _by_change(
        self, trials: Iterable[OtherCodeTrial]
    ) -> Iterator[tuple[str, list[OtherCodeTrial]]]:
        """Yield what has changed, in words that a sentence holds, with the trials of which it did.

        A list that was told before is referred to. The log gets the whole list of each digest.
        """
        words: dict[tuple[str, str], str] = {}
        found: dict[str, list[OtherCodeTrial]] = {}
        for each in trials:
            pair = (each.recorded.code, each.trial.code)
            if pair not in words:
                words[pair] = self._change_of(each)
            found.setdefault(words[pair], []).append(each)
        for change, changed in found.items():
            yield (SAID_BEFORE if change in self._told else change), changed
            self._told.add(change)

    def _change_of(self, each: OtherCodeTrial) -> str:
        """Return what has changed of a trial's code; what that leaves out goes to the log."""
        now = trial_code(each.trial.configuration)
        brief = self.history.describe_change(each.recorded, now, brief=True)
        whole = self.history.describe_change(each.recorded, now)
        if brief != whole:
            self._has_left_out = True
            log.warning("code %s, now %s: %s", each.recorded.code, now.digest, whole)
        return brief

    def take_verdicts(self, verdicts: Iterable[ProofVerdict], scheduler: StudyScheduler) -> None:
        """Take proofs that hold: what they decide on counts as computed by the present code."""
        for verdict in verdicts:
            self.verdicts.append(verdict)
            for each in verdict.group.trials:
                scheduler.adoption.proofs.add(each.proof_key)
                if each.own and each.trial.key in scheduler.trials:
                    scheduler.trials[each.trial.key].proved = each.recorded.codes

    def tags(self) -> dict[str, dict[str, str]]:
        """Return what is to be said of the study's own trials: tags by trial key."""
        said = {key: {CODE_KEPT: ""} for key in self.decision.unmarked}
        said |= {each.trial.key: {CODE_KEPT: each.trial.code} for each in self.decision.kept}
        for verdict in self.verdicts:
            said |= {each.trial.key: _proof_tags(each) for each in verdict.group.own}
        return said

    def superseded_runs(self) -> dict[str, str]:
        """Return the runs that become history, by trial key."""
        return {each.trial.key: each.recorded.run_id for each in self.decision.superseded}

    def digest_texts(self, configurations: Iterable[Configuration]) -> dict[str, str]:
        """Return the file for the study's run that says what digests stand for, by its name.

        Args:
            configurations: whose present code is to be on record.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        codes = {code.digest: code for code in map(trial_code, configurations)}
        return {CODE_FILE: self.history.code_text(codes.values(), self.on_record)}

    def proof_texts(self) -> dict[str, str]:
        """Return the file of proofs with those of this launch, by its name, if there are any.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
        """
        if not self.verdicts:
            return {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        proofs = [_proof_entry(verdict, now) for verdict in self.verdicts]
        return {PROOFS_FILE: self.history.proofs_text(proofs)}


def refusal_of(failed: Iterable[ProofVerdict]) -> str:
    """Return why results of other code cannot stay as they are, and what the user may do."""
    verdicts = list(failed)
    trials = sum(len(verdict.group.own) for verdict in verdicts)
    lines = ["the present code does not compute what is on record:"]
    lines += [describe_failure(verdict) for verdict in verdicts]
    lines.append(
        f"--code keep keeps {count_text(trials, 'trial')} as they are, marked in tables and "
        "report; "
        "--code retrain trains them again, and their runs stay as history"
    )
    return "\n  ".join(lines)


def describe_failure(verdict: ProofVerdict) -> str:
    """Return why a proof does not hold, in a line."""
    sample, proven = verdict.sample, verdict.group.sample
    name, device = proven.trial.name, proven.proof_key[-1]
    if sample.failure:
        return f"{name} cannot be trained anew: {sample.failure}"
    if verdict.difference is None:
        return f"{name}: none of its epochs is on record to be compared"
    said = f"{name}, trained anew on {sample.device}: {verdict.difference}"
    if sample.device and device and device != sample.device:
        said += f" (from {device}, and two devices need not agree bit by bit)"
    was = proven.recorded.tags.get(COMPILED, "")
    if was and sample.compiled is not None and was != flag_text(sample.compiled):
        said += f" (compiled: {flag_text(sample.compiled)}, there {was}, which rounds differently)"
    return said


def describe_proofs(verdicts: Iterable[ProofVerdict]) -> str:
    """Return what was proven, in a sentence."""
    proven = list(verdicts)
    trials = sum(len(verdict.group.trials) for verdict in proven)
    epochs = max(len(verdict.epochs) for verdict in proven)
    metrics = len({name for verdict in proven for name in verdict.metrics})
    return (
        f"Proven: {count_text(metrics, 'metric')} of the first "
        f"{count_text(epochs, 'epoch')} {agreeing(metrics, 'is', 'are')} bitwise equal, and "
        f"{count_text(trials, 'trial')} of other code {agreeing(trials, 'stays', 'stay')} "
        f"as {agreeing(trials, 'a result', 'results')} of the present code."
    )


def _proof_tags(each: OtherCodeTrial) -> dict[str, str]:
    tags = each.recorded.tags
    digests = [*digests_of(tags.get(CODE_PROVED)), each.trial.code]
    if each.goes_on:  # its tag `code` will be the present code's: some epochs are of the other
        digests.append(each.recorded.code)
    marked = {CODE_KEPT: ""} if tags.get(CODE_KEPT) else {}
    return {CODE_PROVED: digests_text(digests), **marked}


def _proof_entry(verdict: ProofVerdict, time: str) -> dict[str, Any]:
    proven = verdict.group.sample
    code: TrialCode = trial_code(proven.trial.configuration)
    return {
        "time": time,
        "trial": proven.trial.key,
        "run": proven.recorded.run_id,
        "name": proven.trial.name,
        "before": proven.recorded.code,
        "now": code.digest,
        "versions": dict(code.versions),
        "device": verdict.sample.device,
        "precision": verdict.sample.precision,
        "epochs": list(verdict.epochs),
        "metrics": list(verdict.metrics),
        "trials": [each.trial.key for each in verdict.group.trials],
    }


def _digests_words(trials: Iterable[OtherCodeTrial]) -> str:
    pairs = list(dict.fromkeys((each.recorded.code, each.trial.code) for each in trials))
    if len(pairs) > 1:
        return f"{len(pairs)} digests"
    (was, now), *_ = pairs
    return f"digest {was}, now {now}"

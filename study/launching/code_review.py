"""Results of other code: what a launch finds of them, says of them, and puts on record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from analysis.record.names import CODE_FILE, CODE_KEPT, CODE_PROVED, PROOFS_FILE
from analysis.record.values import digests_of, digests_text
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
        if groups := self.groups:
            said.append(
                f"The proof comes first: {_count(len(groups), 'trial')} trained anew for up to "
                f"{PROOF_EPOCHS} epochs and compared with the record bit by bit."
            )
        return said

    def _own_sentences(self) -> Iterator[str]:
        decision = self.decision
        stay = {"check": "", "keep": " They stay, and are marked.", "retrain": ""}
        again = " They are trained again, and their runs stay as history."
        ending = again if decision.policy == "retrain" else stay[decision.policy]
        for change, trials in self._by_change(decision.results).items():
            yield (
                f"{_count(len(trials), 'result')} on record of other code "
                f"({_digests_words(trials)}): {change}.{ending}"
            )
        anew = [each for each in decision.superseded if not each.is_result]
        if anew:
            yield (
                f"Begun anew: {_count(len(anew), 'trial')} that other code has left unfinished. No "
                "trial is of two codes."
            )
        going_on = [each for each in decision.to_prove if each.goes_on]
        if going_on:
            yield (
                f"Going on if the code is proven equal: {_count(len(going_on), 'trial')} that "
                f"other code has cut off ({_digests_words(going_on)})."
            )

    def _elsewhere_sentences(self) -> Iterator[str]:
        adoptable = self.elsewhere.adoptable
        if equal := sum(run.key == key for key, run in adoptable.items()):
            yield f"Adopted: {_count(equal, 'trial')} that other studies have finished."
        if alike := len(adoptable) - equal:
            yield (
                f"Adopted: {_count(alike, 'trial')} finished with other diagnostics, which change "
                "no metric."
            )
        if lacking := self.elsewhere.lacking:
            names = ", ".join(sorted({name for files in lacking.values() for name in files}))
            yield (
                f"Trained for their diagnostics: {_count(len(lacking), 'trial')} whose metrics are "
                f"on record without {names}."
            )
        proved = self.decision.policy == "check"
        ending = "Adopted if a proof holds" if proved else "Not adopted but trained here"
        for change, trials in self._by_change(self.elsewhere.other_code).items():
            yield (
                f"{ending}: {_count(len(trials), 'trial')} that other studies have finished by "
                f"other code ({_digests_words(trials)}): {change}."
            )

    def _by_change(self, trials: Iterable[OtherCodeTrial]) -> dict[str, list[OtherCodeTrial]]:
        """Sort trials by what has changed, in words."""
        words: dict[tuple[str, str], str] = {}
        found: dict[str, list[OtherCodeTrial]] = {}
        for each in trials:
            pair = (each.recorded.code, each.trial.code)
            if pair not in words:
                now = trial_code(each.trial.configuration)
                words[pair] = self.history.describe_change(each.recorded, now)
            found.setdefault(words[pair], []).append(each)
        return found

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
        f"--code keep keeps {_count(trials, 'trial')} as they are, marked in tables and report; "
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
    return said


def describe_proofs(verdicts: Iterable[ProofVerdict]) -> str:
    """Return what was proven, in a sentence."""
    proven = list(verdicts)
    trials = sum(len(verdict.group.trials) for verdict in proven)
    epochs = max(len(verdict.epochs) for verdict in proven)
    metrics = len({name for verdict in proven for name in verdict.metrics})
    return (
        f"Proven: {metrics} metrics of the first {_count(epochs, 'epoch')} are bitwise equal, and "
        f"{_count(trials, 'trial')} of other code stay as results of the present code."
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


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""Whether another study's run of a trial is as good as training the trial here."""

from collections.abc import Callable

from analysis.record.names import CODE_PROVED
from analysis.record.values import digests_of, digests_text
from study.scheduling.code_rules import ProofKey, proof_key
from study.scheduling.protocols import RecordLike
from study.trials import RecordedTrial, Trial


class AdoptionRule:
    """A run is adopted if it has what the study judges by, and its code computes what ours does."""

    def __init__(self, is_measured: Callable[[RecordedTrial], bool]) -> None:
        """Start without a proof.

        Args:
            is_measured: whether a run has what the study judges by.
        """
        self.is_measured = is_measured
        self.proofs: set[ProofKey] = set()
        """The proofs of this launch that hold, beside those on record."""
        self.left_out: set[str] = set()
        """Keys of trials that another study has finished, by code of which that is not proven."""

    def find_source(self, trial: Trial, record: RecordLike) -> RecordedTrial | None:
        """Return the run to adopt: of the trial or, if there is none, of the same metrics."""

        def accept(found: RecordedTrial) -> bool:
            return self.is_adoptable(trial, found)

        return record.finished_elsewhere(trial.key, accept) or record.finished_alike(trial, accept)

    def is_adoptable(self, trial: Trial, found: RecordedTrial) -> bool:
        """Return whether a run of the trial may be adopted."""
        if not self.is_measured(found):
            return False
        if trial.code in found.codes or proof_key(trial, found) in self.proofs:
            self.left_out.discard(trial.key)
            return True
        self.left_out.add(trial.key)
        return False

    def proof_tags(self, trial: Trial, source: RecordedTrial) -> dict[str, str]:
        """Return the tag that names the present code beside the code of the run to adopt."""
        if trial.code in source.codes:
            return {}
        proved = digests_of(source.tags.get(CODE_PROVED))
        return {CODE_PROVED: digests_text([*proved, trial.code])}

"""A trial that leaves a profile of its own process, for a launch that asks for one.

No module of the training loop imports this one, so that the digest of a trial's code is the same
with a profile and without.
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from trainables.assignment import TrialAssignment
from trainables.trainable import TrialTrainable

if TYPE_CHECKING:
    from trainables.sampling import ThreadSampler

log = logging.getLogger(__name__)


class ProfiledAssignment(TrialAssignment):
    """What an actor is told of a trial, and whether the trial is to leave a profile."""

    profiles: str
    """The folder of the profiles, an absolute path or a URI; empty for a trial that leaves none."""


class ProfiledTrainable(TrialTrainable):
    """One trial, sampled in its preparation and in its steps, but for checkpoints.

    Sampling changes what is measured of time, and nothing else. The profile is written whenever the
    trial may leave its process: at its end, at a rung and with a checkpoint that Ray Tune asks for.
    """

    _sampler: "ThreadSampler | None" = None
    _profiles = ""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial, with a profile if one is asked for."""
        self._profiles = new_config["profiles"]
        self._sampler = _new_sampler() if self._profiles else None
        with self._sampled():
            return super().reset_config(new_config)

    def step(self) -> dict[str, Any]:
        """Train for one slice."""
        with self._sampled():
            result = super().step()
        if result["finished"] or result["at_rung"]:
            self._leave_profile()
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Save the trial, which may leave its process then."""
        saved = super().save_checkpoint(checkpoint_dir)
        self._leave_profile()
        return saved

    def _save(self) -> None:
        # Before Python 3.13 a function that is sampled keeps what it deletes, and a buffer that
        # somebody keeps cannot grow: the writing of a checkpoint would fail.
        with nullcontext() if self._sampler is None else self._sampler.gap():
            super()._save()

    def _sampled(self) -> AbstractContextManager[None]:
        return nullcontext() if self._sampler is None else self._sampler.stretch()

    def _leave_profile(self) -> None:
        if self._sampler is None or self._sampler.session is None:
            return
        # Late: a trial without a profile needs no pyinstrument.
        from trainables.trial_profiles import open_profiles

        try:
            open_profiles(self._profiles).save(self.key, self._sampler.session)
        except OSError as error:  # the trial is worth more than its profile
            log.warning("cannot keep the profile of %s: %s", self.assignment["name"], error)


def _new_sampler() -> "ThreadSampler | None":
    """Return a sampler, or None where the package is missing that samples."""
    try:
        # Late: a node of a cluster may lack the package, and its trials train all the same.
        from trainables.sampling import ThreadSampler
    except ImportError as error:
        log.warning("no profile of a trial is taken here: %s", error)
        return None
    return ThreadSampler()

"""Ray Tune as the runner uses it: its searcher, scheduler, callback and stopper, each thin."""

from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.result import DONE, TRIAL_ID
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from trainables.trainable import TrialTrainable

KEPT_RESULTS = {TRIAL_ID, DONE}
"""What Ray Tune looks up of a trial that has ended."""


class TuneListener(Protocol):
    """Whoever runs trials by Ray Tune, as the adapters see it. Trials go by Ray Tune's own ids."""

    @property
    def is_stopping(self) -> bool:
        """Whether no further trial may begin."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether memory has no room for another trial."""
        ...

    @property
    def is_at_rest(self) -> bool:
        """Whether no trial is under way."""
        ...

    def hand_out_config(self, tune_id: str) -> Any:
        """Hand out the next trial's config, None while there is none, or Ray Tune's last word."""
        ...

    def note_started(self, tune_id: str) -> None:
        """Take note that an actor has taken a trial up."""
        ...

    def note_result(self, tune_id: str, result: dict[str, Any]) -> str:
        """Take note of a result; return Ray Tune's word for what is to happen with the trial."""
        ...

    def note_ended(self, tune_id: str, result: dict[str, Any]) -> None:
        """Take note that a trial is trained to its end or stopped early."""
        ...

    def note_paused(self, tune_id: str) -> None:
        """Take note that a trial is saved and at rest."""
        ...

    def note_failed(self, tune_id: str, failure: str) -> None:
        """Take note that an attempt at a trial failed, with its traceback."""
        ...

    def look_for_news(self) -> list[str]:
        """Look what has become of the trials; return the ids of those to be ended by force."""
        ...


class TuneSearcher(Searcher):
    """Asks the runner for trials."""

    def __init__(self, listener: TuneListener) -> None:
        super().__init__(metric="done", mode="max")
        self.listener = listener

    def suggest(self, trial_id: str) -> Any:
        """Hand out the next trial's config, None while there is none, or Ray Tune's last word."""
        return self.listener.hand_out_config(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Leave it to the scheduler, which hears of each end with its cause."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study is rebuilt from the records."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: what there is to do follows from the records."""
        raise NotImplementedError("a study is resumed by launching it again")


class TuneScheduler(FIFOScheduler):
    """Tells the runner what happens to trials."""

    def __init__(self, listener: TuneListener) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own is without annotations
        self.listener = listener
        self._live: list[TuneTrial] = []

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Remember a trial that waits."""
        self._live.append(trial)

    def choose_trial_to_run(self, tune_controller: Any, **kwargs: Any) -> TuneTrial | None:
        """Choose the last that waits; Ray Tune's own would look at all that have ended as well.

        An actor that has become free goes to the trial that is chosen, and Ray Tune then ends the
        actor that it starts for the trial. The last one's is still to be started, since one more
        trial waits than there is room for. The first one's is about to be there: trials shorter
        than an actor's start would end each before its time, and all run on the actor that came
        up first.
        """
        for trial in self._live:
            if trial.is_finished():
                forget_trial(trial)
        self._live = [trial for trial in self._live if not trial.is_finished()]
        if self.listener.is_stopping or self.listener.is_full:
            return None  # or a trial that was saved and paused would go on
        return next((t for t in reversed(self._live) if t.status == TuneTrial.PENDING), None)

    def on_trial_result(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> str:
        """Pass a result on; return what is to happen with the trial."""
        return self.listener.note_result(trial.trial_id, result)

    def on_trial_complete(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> None:
        """Pass on that a trial has ended as it should."""
        self.listener.note_ended(trial.trial_id, result)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Pass on that a trial has failed, with its traceback."""
        # The file on this machine: where Ray Tune's own getter looks, it arrives only later.
        file = trial.error_file
        failure = Path(file).read_text() if file and Path(file).exists() else "its process died"
        self.listener.note_failed(trial.trial_id, failure)


def forget_trial(trial: TuneTrial) -> None:
    """Let go of what Ray Tune keeps of a trial that has ended, for analyses that nobody asks for.

    Of each metric it keeps the last ten values and six figures: more than all else of a trial. What
    the trial was told to train it keeps twice, and writes it out as text at the end of the launch.
    """
    trial.metric_analysis.clear()
    trial.metric_n_steps.clear()
    trial.config.clear()
    trial.evaluated_params.clear()
    if trial.has_reported_at_least_once:  # or Ray would ask the trial's process
        for name in trial.last_result.keys() - KEPT_RESULTS:
            del trial.last_result[name]


class TuneCallback(tune.Callback):
    """Hears what a scheduler does not: that a trial has an actor, that it is saved."""

    def __init__(self, listener: TuneListener) -> None:
        self.listener = listener

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        """Pass on that an actor has taken a trial up."""
        self.listener.note_started(trial.trial_id)

    def on_trial_save(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        """Pass on that a trial is saved."""
        self.listener.note_paused(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """End the processes of trials that are given up; Ray Tune then hears that they failed."""
        given_up = set(self.listener.look_for_news())
        for trial in trials if given_up else []:
            if trial.trial_id in given_up:
                end_process(trial)


def end_process(trial: TuneTrial) -> None:
    """End the process of a trial, whatever it is at.

    Ray Tune's own ways wait for the process to answer. The handle is private, so that a test names
    it; without it the trial goes on.
    """
    actor = getattr(trial.temporary_state, "ray_actor", None)
    if actor is not None:
        ray.kill(actor)


class TuneStopper(Stopper):
    """Ends Ray Tune's loop once the study was told to stop and every trial is at rest."""

    def __init__(self, listener: TuneListener) -> None:
        self.listener = listener

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial: the scheduler does."""
        return False

    def stop_all(self) -> bool:
        """Return whether the loop is to end."""
        return self.listener.is_stopping and self.listener.is_at_rest


def new_tuner(
    listener: TuneListener, scratch: str, *, trainable: type[TrialTrainable] = TrialTrainable
) -> tune.Tuner:
    """Return a run of Ray Tune.

    Args:
        listener: says which trials to run and hears what happens.
        scratch: a folder for Ray Tune's own files, or a URI.
        trainable: what the actors are of.
    """
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=TuneSearcher(listener),
            scheduler=TuneScheduler(listener),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.config["name"]),
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=scratch,
            stop=TuneStopper(listener),
            callbacks=[TuneCallback(listener)],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )

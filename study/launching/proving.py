"""The proof for results of other code: run on the cluster as trials are, before a study goes on."""

import logging
import os

from analysis.counted import count_text
from study.execution.admission import NodeAdmission
from study.execution.runner import TrialRunner, machine_megabytes
from study.launching import signals
from study.launching.code_review import describe_failure, describe_proofs, refusal_of
from study.launching.exit_status import INTERRUPTED
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.record.errors import RecordError
from study.scheduling.code_proof import ProofVerdict, TrainedSample, judge_sample
from study.scheduling.proof_scheduler import PREFIX, ProofScheduler

log = logging.getLogger(__name__)


def prove_code(launch: StudyLaunch, admission: NodeAdmission) -> None:
    """Prove that the present code computes what is on record of other code.

    Trials of other studies of which that does not hold are trained instead of adopted.

    Args:
        launch: with results of other code.
        admission: knows the nodes.

    Raises:
        LaunchRefusedError: if it does not hold of a trial of the study itself.
        KeyboardInterrupt: if the user ends the launch meanwhile.
    """
    verdicts = _made_proofs(launch, admission)
    failed = [verdict for verdict in verdicts if not verdict.holds]
    if own := [verdict for verdict in failed if verdict.group.own]:
        raise LaunchRefusedError(refusal_of(own))
    for verdict in failed:
        count = len(verdict.group.trials)
        trials = count_text(count, "trial")
        launch.say(f"Not adopted but trained here: {trials}. {describe_failure(verdict)}.")
    if held := [verdict for verdict in verdicts if verdict.holds]:
        launch.say(describe_proofs(held))
        launch.code.take_verdicts(held, launch.scheduler)


def _made_proofs(launch: StudyLaunch, admission: NodeAdmission) -> list[ProofVerdict]:
    groups = launch.code.groups
    try:
        recorded = [launch.code.history.epochs_of(group.sample.recorded) for group in groups]
    except RecordError as error:
        raise LaunchRefusedError(str(error)) from error
    samples = _train_samples(launch, admission)
    return [
        judge_sample(group, epochs, samples.get(group.sample.trial.key, TrainedSample()))
        for group, epochs in zip(groups, recorded, strict=True)
    ]


def _train_samples(launch: StudyLaunch, admission: NodeAdmission) -> dict[str, TrainedSample]:
    """Train one trial of each group for its first epochs; return what that came to, by key."""
    trials = {group.sample.trial.key: group.sample.trial for group in launch.code.groups}
    for key in trials:
        launch.checkpoints.discard(f"{PREFIX}{key}")  # of a proof that was killed
    scheduler = ProofScheduler(launch.study, launch.shares, trials.values())
    notices: dict[str, None] = {}
    runner = TrialRunner(
        scheduler,
        admission,
        scratch=launch.folder.scratch,
        granted_mb=machine_megabytes(admission.cluster),
        discard=launch.checkpoints.discard,
        on_change=lambda: None,
        on_notice=notices.setdefault,
    )
    told: list[bool] = []

    def stop_proof() -> None:
        told.append(True)
        scheduler.stopping = True
        runner.stop_between_epochs = False

    def leave() -> None:
        runner.abandon()
        os._exit(INTERRUPTED)

    try:
        with signals.handle_signals(finish_epochs=stop_proof, stop_soon=stop_proof, leave=leave):
            runner.run()
    except Exception as error:  # ours or Ray's: nothing was changed
        log.exception("the proof broke off")
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        message = f"the proof for results of other code broke off: {reason}"
        raise LaunchRefusedError(message) from error
    finally:
        runner.abandon()
        for key in trials:
            launch.checkpoints.discard(f"{PREFIX}{key}")
        for notice in notices:
            launch.say(notice)
    if told:
        raise KeyboardInterrupt
    if scheduler.stopping:
        raise LaunchRefusedError("the proof for results of other code could not be made")
    return scheduler.samples

"""The supervision of trials on a Ray cluster: admission of nodes, signals, loss of the head."""

import logging
import os
import secrets
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from textwrap import shorten
from typing import Any, NoReturn

from analysis.counted import agreeing, count_text
from analysis.record import location
from study.execution.admission import NodeAdmission
from study.execution.cluster import RayCluster, connect_cluster
from study.execution.runner import TrialRunner, machine_megabytes
from study.file.samplers import SAMPLERS
from study.launching import signals
from study.launching.closing import close_launch
from study.launching.display import LaunchDisplay
from study.launching.early_imports import EarlyImport, modules_at_end
from study.launching.exit_status import DONE, FAILED, INTERRUPTED
from study.launching.notifying import watch_news
from study.launching.ownership import watch_ownership
from study.launching.proving import prove_code
from study.launching.shell_commands import trials_place
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.record.spool import RecordSpool
from study.scheduling.asking import Asker, asking_aside
from study.scheduling.nodes import ClusterNode, describe_nodes
from study.scheduling.progress import describe_spent
from study.scratch import sweep_scratch
from trainables.datasets import AnySettings
from trainables.node_checks import NodeQuestion
from trainables.storage import PART

log = logging.getLogger(__name__)


def run_trials(launch: StudyLaunch) -> int:
    """Train what is missing and return the exit status.

    Raises:
        ClusterError: if no cluster answers, or none of its nodes has room for a trial.
        ShareError: if a trial cannot be measured.
        LaunchRefusedError: if a node cannot be used as it is, or results of other code are not
            what the present code computes.
    """
    launch.sweep_checkpoints()
    sweep_scratch()
    cpus, shares = launch.study.resources.cpus, launch.shares
    with connect_cluster(launch.folder.log) as cluster:
        bench = cluster.bench(launch.data, cpus=cpus) if shares.is_measured else None
        shares.measure_missing(launch.study.extremes(), bench, say=launch.say)
        budget = launch.study.budget
        if budget is not None and budget.gpu_hours is not None and not shares.largest:
            launch.say("The budget's gpu_hours bounds nothing: trials train on CPUs.")
        nodes = cluster.wait_for_room(cpus, shares.largest)
        fingerprints = [launch.fingerprint_of(dataset) for dataset in launch.datasets]
        share = (cpus, shares.largest)
        with NodeAdmission(cluster, share, _question_of(launch), fingerprints) as admission:
            _refuse_unfit(admission, nodes)
            if launch.code.groups:
                prove_code(launch, admission)
            launch.begin_record()
            if launch.scheduler.is_finished:
                launch.say("Nothing to do: every trial of the study is done.")
                return DONE
            return _run_under_display(launch, admission, _facts_of(launch, cluster, nodes))


def _question_of(launch: StudyLaunch) -> NodeQuestion:
    """Return what every node is asked before a trial runs on it."""
    return NodeQuestion(
        datasets=[_plain_settings(each) for each in launch.datasets],
        data=launch.data,
        checkpoints=launch.folder.checkpoints,
        token=f"{secrets.token_hex(8)}{PART}",
        own_modules=launch.study.own_modules,
    )


def _plain_settings(settings: AnySettings) -> dict[str, Any]:
    return asdict(settings)  # type: ignore[call-overload, no-any-return]  # a dataclass each


def _refuse_unfit(admission: NodeAdmission, nodes: list[ClusterNode]) -> None:
    reasons = admission.check_nodes()
    if len(nodes) > 1 and location.is_on_one_machine():
        reasons.append(
            f"records go to {location.shown_tracking_uri()}, a file of one machine: set "
            "MLFLOW_TRACKING_URI to an MLflow server"
        )
    if reasons:
        raise LaunchRefusedError("\n  ".join(["the cluster cannot be used as it is:", *reasons]))


def _facts_of(
    launch: StudyLaunch, cluster: RayCluster, nodes: list[ClusterNode]
) -> list[tuple[str, str]]:
    """Return label and text of what does not change while the study runs."""
    token = " (it asks for a token: ray get-auth-token)" if cluster.token else ""
    cpus, sizes = launch.study.resources.cpus, launch.shares.sizes
    budget = launch.scheduler.meter.describe_budget()
    return [
        *([("budget", budget)] if budget else []),
        ("nodes", describe_nodes(nodes, cpus, *sizes)),
        ("dashboard", f"{cluster.dashboard}{token}" if cluster.dashboard else "none"),
        ("trials", trials_place(launch.record.experiment_id, launch.study.scale)),
        ("records", location.shown_tracking_uri()),
        ("log", str(launch.folder.log)),
    ]


def _run_under_display(
    launch: StudyLaunch, admission: NodeAdmission, facts: list[tuple[str, str]]
) -> int:
    drawing = EarlyImport(modules_at_end(launch.study.search.space))
    with LaunchDisplay(
        launch.scheduler,
        launch.console,
        facts=facts,
        trouble=lambda: " · ".join(
            filter(None, [describe_trouble(launch.record.spool), describe_spent(launch.scheduler)])
        ),
    ) as display:

        def note_change() -> None:
            drawing.begin()  # a trial has begun: until it ends the driver has little to do
            if launch.profile is not None:
                launch.profile.note_running(len(launch.scheduler.running))
            display.note_change()

        runner = TrialRunner(
            launch.scheduler,
            admission,
            scratch=launch.folder.scratch,
            granted_mb=machine_megabytes(admission.cluster),
            discard=launch.discard_checkpoint,
            on_change=note_change,
            on_notice=display.say_once,
            profiles_of=None if launch.profile is None else launch.profile.profiles_of,
        )
        display.occupancy = runner.nodes.occupancy
        lost = "The head of the cluster is lost, and the launch ends."
        with admission.cluster.watched(lambda: _leave_process(launch, runner, display, lost)):
            status = _run_until_told(launch, runner, display)
        if launch.profile is not None:
            launch.profile.note_running(0)
        return status


def _run_until_told(launch: StudyLaunch, runner: TrialRunner, display: LaunchDisplay) -> int:
    """Run the trials until they are done or a signal stops them; return the exit status."""
    scheduler = launch.scheduler

    def finish_epochs() -> None:
        scheduler.stopping = True
        display.say_later("Stopping after the current epochs; Ctrl-C again stops at once.")

    def stop_soon() -> None:
        scheduler.stopping = True
        runner.stop_between_epochs = False
        display.say_later(
            "Told to end: saving what runs, in the middle of an epoch if need be. Told again, the "
            "launch ends at once."
        )

    def stop_for(reason: str) -> None:
        scheduler.stopping = True
        runner.stop_between_epochs = False
        display.say(reason)

    try:
        with (
            _asker_for(launch) as scheduler.asker,
            watch_ownership(launch, stop_for),
            watch_news(launch, display.say_later),
            signals.handle_signals(
                finish_epochs=finish_epochs,
                stop_soon=stop_soon,
                leave=lambda: _leave_process(launch, runner, display, "The launch ends at once."),
            ),
        ):
            runner.run()
    except KeyboardInterrupt:
        scheduler.stopping = True
        runner.abandon()
    except Exception as error:  # ours or Ray's: what is on record stays, the same command goes on
        log.exception("the launch broke off")
        cause = _first_cause(error)
        display.say(f"The launch broke off: {cause} (more in {launch.folder.log})")
        scheduler.stopping = True
        runner.abandon()
        return INTERRUPTED
    if not scheduler.is_finished and not scheduler.meter.is_hopeless:
        return INTERRUPTED
    return FAILED if scheduler.failures else DONE


def _asker_for(launch: StudyLaunch) -> AbstractContextManager[Asker]:
    """Return a context that lends what asks the search: aside, if its sampler learns from results.

    Other samplers answer at once.
    """
    if SAMPLERS[launch.study.search.sampler].learns:
        return asking_aside(launch.search.ask)
    return nullcontext(launch.scheduler.asker)


def _leave_process(
    launch: StudyLaunch, runner: TrialRunner, display: LaunchDisplay, sentence: str
) -> NoReturn:
    """End the launch in place of its main thread, which waits for what does not come."""
    try:
        display.stop()
        launch.say(sentence)
        launch.scheduler.stopping = True
        runner.abandon()
        close_launch(launch, INTERRUPTED, trained=True)
    except Exception:
        log.exception("the launch did not end in order")
    finally:
        launch.console.file.flush()
        os._exit(INTERRUPTED)


def describe_trouble(spool: RecordSpool) -> str:
    """Return what keeps records from being written, or nothing."""
    troubles = []
    if spool.away_since is not None:
        since = time.strftime("%H:%M:%S", time.localtime(spool.away_since))
        troubles.append(
            f"the tracking server is away since {since} ({shorten(spool.away_because, 80)}); "
            f"{count_text(len(spool), 'record')} {agreeing(len(spool), 'waits', 'wait')}"
        )
    if spool.unsaved:
        troubles.append(f"records wait in memory alone: {spool.unsaved}")
    return " · ".join(troubles)


def _first_cause(error: BaseException) -> str:
    """Return the first cause of an error in one line: libraries put a full disk in vaguer words."""
    seen = {error}
    while (cause := error.__cause__ or error.__context__) is not None and cause not in seen:
        seen.add(cause)
        error = cause
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]

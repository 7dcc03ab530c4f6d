"""The running of a study: what is missing is trained, and the launch is closed."""

from threadpoolctl import threadpool_limits

from study.launching.closing import close_interrupted, close_launch
from study.launching.exit_status import DONE
from study.launching.opening_words import describe_start
from study.launching.places import choose_cluster, is_cluster_chosen
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.record.errors import RecordError
from study.scheduling.gpu_shares import ShareError


def run_study(launch: StudyLaunch, address: str | None) -> int:
    """Run what is missing and return the exit status.

    Args:
        launch: prepared.
        address: of an existing Ray cluster; without one RAY_ADDRESS says which, or a local one.

    Raises:
        LaunchRefusedError: if the cluster or the record cannot be used, or a trial cannot be
            measured.
    """
    try:
        # The cores are the trials': the samplers' and tables' matrices are so small that further
        # threads only wait for each other, each on a core of its own.
        with threadpool_limits(limits=1):
            return _run_missing(launch, address)
    except KeyboardInterrupt:
        return close_interrupted(launch)
    except RecordError as error:
        raise LaunchRefusedError(str(error)) from error


def _run_missing(launch: StudyLaunch, address: str | None) -> int:
    for sentence in describe_start(launch):
        launch.say(sentence)
    if launch.scheduler.is_finished and not launch.code.groups:
        launch.say("Nothing to do: every trial of the study is done.")
        launch.begin_record()
        return close_launch(launch, DONE, trained=False)
    choose_cluster(address)
    # Said before Ray is imported: it takes seconds in which nothing else is to be seen.
    launch.say(
        "Connecting to the Ray cluster …"
        if is_cluster_chosen()
        else "Starting Ray on this machine, which takes 10 to 30 seconds …"
    )
    # Late: Ray takes 2 to 3 s, which a study with nothing to do need not wait for.
    from study.execution.cluster import ClusterError
    from study.launching.supervision import run_trials

    try:
        status = run_trials(launch)
        return close_launch(launch, status, trained=True)
    except (ClusterError, ShareError) as error:
        raise LaunchRefusedError(str(error)) from error

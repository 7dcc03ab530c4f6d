"""Ray and the record, each tried for a moment."""

from collections.abc import Callable, Iterator
from pathlib import Path

from study.doctoring.findings import Finding
from study.doctoring.machine import DoctorOptions
from study.execution.environment import prepare_environment
from study.scratch import lend_scratch


def check_ray(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether a local Ray starts and runs an actor."""
    prepare_environment()
    # Late: Ray reads the environment when it is imported.
    from study.execution.ray_check import try_local_ray

    remedy = "`--address` uses a Ray that is started by other means; RAY_TMPDIR moves its files"
    try:
        with lend_scratch("doctor") as folder:
            said = try_local_ray(folder)
    except Exception as error:  # Ray fails in many ways, and each is an answer
        yield Finding("ray", "failed", f"a local Ray does not work: {_one_line(error)}", remedy)
    else:
        yield Finding("ray", "ok", said)


def check_store(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether a run can be written, read and deleted where the records go."""
    # Late: MLflow takes seconds, which other checks need not wait for.
    from analysis.record.credentials import hide_logins
    from study.record.store_check import try_store

    try:
        with lend_scratch("doctor") as folder:
            said = try_store(Path(folder))
    except Exception as error:  # as above
        reason = hide_logins(_one_line(error))
        remedy = "MLFLOW_TRACKING_URI says where the records go; without it they go to ./mlflow.db"
        yield Finding("store", "failed", f"the record does not work: {reason}", remedy)
    else:
        yield Finding("store", "ok", said)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]


SERVICE_CHECKS: dict[str, Callable[[DoctorOptions], Iterator[Finding]]] = {
    "ray": check_ray,
    "store": check_store,
}

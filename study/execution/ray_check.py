"""A Ray for a moment: it starts, runs an actor that sees this code and its GPU, and ends."""

import logging
from typing import Any

import ray
import torch

from analysis.counted import count_text
from study.execution.local_ray import likely_cause
from study.scheduling.nodes import this_machine
from trainables.node_checks import code_versions

STORE_BYTES = 100 * 2**20
"""For objects; a check needs none to speak of."""
ACTOR_SECONDS = 60.0


class _Witness:
    """Says what an actor sees."""

    def versions(self) -> dict[str, str]:
        return code_versions()

    def gpus(self) -> int:
        return torch.cuda.device_count()


def try_local_ray(folder: str) -> str:
    """Start a Ray of its own, whatever others run here, and return what is to be said of it.

    Args:
        folder: empty, for its files.

    Raises:
        RuntimeError: if Ray does not start, or an actor sees other versions than this process, or
            not the GPU that it is given.
        Exception: whatever keeps an actor from answering.
    """
    _start_ray(folder)
    try:
        gpus = ray.cluster_resources().get("GPU", 0)
        given = min(1, int(gpus))
        actor: Any = ray.remote(num_cpus=1, num_gpus=given)(_Witness).remote()
        seen: dict[str, str] = ray.get(actor.versions.remote(), timeout=ACTOR_SECONDS)
        found: int = ray.get(actor.gpus.remote(), timeout=ACTOR_SECONDS)
    finally:
        ray.shutdown()
    if seen != code_versions():
        other = sorted(name for name in seen if seen[name] != code_versions()[name])
        raise RuntimeError(f"an actor sees other versions of {', '.join(other)}")
    if found != given:
        raise RuntimeError(
            f"an actor is given {given} of {count_text(gpus, 'GPU')} and finds {found}"
        )
    return (
        f"Ray {ray.__version__} started, ran an actor and ended; it counts "
        f"{count_text(gpus, 'GPU')}"
    )


def _start_ray(folder: str) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=1,
            num_gpus=int(this_machine().gpus) or None,  # as a launch tells it
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except Exception as error:  # a bare one
        raise RuntimeError(likely_cause(error)) from error

"""A Ray for a moment: it starts, runs an actor that sees this code, and ends."""

import logging
from typing import Any

import ray

from analysis.counted import count_text
from trainables.node_checks import code_versions

STORE_BYTES = 100 * 2**20
"""For objects; a check needs none to speak of."""
ACTOR_SECONDS = 60.0


class _Witness:
    """Says what an actor sees."""

    def versions(self) -> dict[str, str]:
        return code_versions()


def try_local_ray(folder: str) -> str:
    """Start a Ray of its own, whatever others run here, and return what is to be said of it.

    Args:
        folder: empty, for its files.

    Raises:
        RuntimeError: if an actor sees other versions than this process.
        Exception: whatever keeps Ray from starting or an actor from answering.
    """
    ray.init(
        address="local",
        num_cpus=1,
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )
    try:
        actor: Any = ray.remote(num_cpus=1)(_Witness).remote()
        seen: dict[str, str] = ray.get(actor.versions.remote(), timeout=ACTOR_SECONDS)
        gpus = ray.cluster_resources().get("GPU", 0)
    finally:
        ray.shutdown()
    if seen != code_versions():
        other = sorted(name for name in seen if seen[name] != code_versions()[name])
        raise RuntimeError(f"an actor sees other versions of {', '.join(other)}")
    return (
        f"Ray {ray.__version__} started, ran an actor and ended; it counts "
        f"{count_text(gpus, 'GPU')}"
    )

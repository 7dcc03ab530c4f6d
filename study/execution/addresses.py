"""Addresses of existing Ray clusters: which can be used, and whether anything answers there.

Ray itself would try again for minutes, or for ever.
"""

import socket
from pathlib import Path

from study.execution.local_ray import ray_folder

ANSWER_SECONDS = 10.0
"""How long an existing cluster is given to answer at all."""


def refuse_address(address: str) -> None:
    """Refuse an address where nothing listens, or that a process that drives trials cannot use.

    Raises:
        ValueError: if the address is for clients of a cluster.
        OSError: if nothing answers there.
    """
    if address.startswith(("ray://", "http://", "https://")):
        raise ValueError(
            "a launch drives the trials from a node of the cluster; from elsewhere, "
            "`ray job submit --working-dir . -- python -m study.launch …` takes it there"
        )
    if address == "auto":
        _refuse_stale_cluster(ray_folder() / "ray" / "ray_current_cluster")
    elif address.rpartition(":")[2].isdecimal():  # Ray itself would try again for minutes
        check_port(address)


def _refuse_stale_cluster(note: Path) -> None:
    """Refuse what Ray has noted of the last cluster on this machine, if that is gone.

    Raises:
        OSError: if the cluster does not answer, with what mends it.
    """
    try:
        last = note.read_text().strip()
    except OSError:
        return  # Ray itself looks for a cluster, and says at once if there is none
    try:
        check_port(last)
    except (OSError, ValueError) as error:
        raise OSError(
            f"the cluster that was started last on this machine, {last}, does not answer "
            f"({error}). Start one (`ray start --head`) or name another (--address HOST:PORT); "
            f"{note} is what is left of it"
        ) from error


def check_port(address: str) -> None:
    """Open a connection and close it.

    Raises:
        OSError: if nothing answers there.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS):
        pass

"""What of this machine the launch is granted: CPUs and memory, by whoever limits them.

A container, a batch system or a user may grant a process less than the machine has. Linux says so
in the process's CPU affinity and its control groups (version 1 or 2), Slurm in the environment.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

MEGABYTE = 2**20
SLURM_CPUS = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
SLURM_MEMORY = "SLURM_MEM_PER_NODE"
"""In megabytes; 0 means all of the node."""
UNLIMITED_BYTES = 2**60
"""Control groups of version 1 write a number like this one where there is no limit."""


def granted_cpus(environment: Mapping[str, str] | None = None, root: Path = Path("/")) -> int:
    """Return how many CPUs this process is granted, at least one: the least of all limits.

    Args:
        environment: the process's own by default.
        root: of the file system.
    """
    environment = os.environ if environment is None else environment
    limits = [float(len(os.sched_getaffinity(0))), *_cpu_quotas(root)]
    limits += [float(n) for name in SLURM_CPUS if (n := environment.get(name, "")).isdecimal()]
    return max(1, int(min(limit for limit in limits if limit > 0)))


def granted_megabytes(
    environment: Mapping[str, str] | None = None, root: Path = Path("/")
) -> float | None:
    """Return how much memory this process and its children are granted, or None if none says it.

    Args:
        environment: the process's own by default.
        root: of the file system.
    """
    environment = os.environ if environment is None else environment
    limits = [number / MEGABYTE for number in _memory_limits(root)]
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        total = next(line for line in lines if line.startswith("MemTotal:"))
        limits.append(int(total.split()[1]) * 1024 / MEGABYTE)
    if (slurm := environment.get(SLURM_MEMORY, "")).isdecimal() and int(slurm):
        limits.append(float(slurm))
    return min(limits, default=None)


def _cpu_quotas(root: Path) -> Iterator[float]:
    """Yield the CPUs that each control group of this process allows."""
    for folder in _group_folders(root, "cpu"):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota = (folder / "cpu.cfs_quota_us").read_text()
            yield int(quota) / int((folder / "cpu.cfs_period_us").read_text())


def _memory_limits(root: Path) -> Iterator[int]:
    """Yield the bytes that each control group of this process allows."""
    for folder in _group_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                limit = int((folder / name).read_text())  # `max` is no number
                if limit < UNLIMITED_BYTES:
                    yield limit


def _group_folders(root: Path, controller: str) -> list[Path]:
    """Return the folders of this process's control groups for a controller, with all above them.

    In a container the groups' own folder stands for the container's group.
    """
    top = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return [top]
    folders: dict[Path, None] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [top / controllers, top / controller] if controllers else [top]
        for mount in mounts:
            group = mount / path.lstrip("/")
            above = [each for each in group.parents if each.is_relative_to(mount)]
            folders |= dict.fromkeys([group, *above])
    return list(folders)

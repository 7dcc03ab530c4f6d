"""What of a machine a launch is granted, by affinity, control groups and Slurm."""

import os
from pathlib import Path

import pytest

from study.scheduling.granted import granted_cpus, granted_megabytes

ALL = len(os.sched_getaffinity(0))


def system(folder: Path, files: dict[str, str]) -> Path:
    """Write the files by which Linux tells limits; return their root."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def many_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))


def test_without_limits_all_cpus_of_the_affinity_are_granted(tmp_path, monkeypatch):
    assert granted_cpus({}, tmp_path) == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5})
    assert granted_cpus({}, tmp_path) == 2


@pytest.mark.parametrize(
    ("environment", "cpus"),
    [
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "16"}, 4),
        ({"SLURM_CPUS_ON_NODE": "16"}, 16),
        ({"SLURM_CPUS_PER_TASK": "100"}, 64),
        ({"SLURM_CPUS_PER_TASK": "", "SLURM_CPUS_ON_NODE": "many"}, 64),
        ({"SLURM_CPUS_PER_TASK": "0"}, 64),
    ],
)
def test_slurms_share_is_granted(tmp_path, environment, cpus):
    assert granted_cpus(environment, tmp_path) == cpus


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 64)],
)
def test_a_quota_of_version_2_is_granted_whole_cpus_and_at_least_one(tmp_path, quota, cpus):
    files = {"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/step/cpu.max": f"{quota}\n"}
    assert granted_cpus({}, system(tmp_path, files)) == cpus


def test_the_least_quota_of_all_groups_above_counts(tmp_path):
    files = {
        "proc/self/cgroup": "0::/job/step\n",
        "sys/fs/cgroup/job/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/job/step/cpu.max": "800000 100000\n",
    }
    assert granted_cpus({}, system(tmp_path, files)) == 3


def test_in_a_container_the_folder_of_the_groups_is_the_containers(tmp_path):
    files = {"proc/self/cgroup": "0::/../../else\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}
    assert granted_cpus({}, system(tmp_path, files)) == 4


def test_a_quota_of_version_1_is_granted(tmp_path):
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "600000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{8 * 2**30}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    root = system(tmp_path, files)
    assert granted_cpus({}, root) == 6
    assert granted_megabytes({}, root) == 8 * 1024
    unlimited = "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us"
    assert granted_cpus({}, system(tmp_path, {unlimited: "-1\n"})) == 64


def test_the_least_of_all_limits_of_memory_is_granted(tmp_path):
    assert granted_megabytes({}, tmp_path) is None
    root = system(tmp_path, {"proc/meminfo": "MemFree: 1 kB\nMemTotal: 16777216 kB\n"})
    assert granted_megabytes({}, root) == 16 * 1024
    assert granted_megabytes({"SLURM_MEM_PER_NODE": "4096"}, root) == 4096
    assert granted_megabytes({"SLURM_MEM_PER_NODE": "0"}, root) == 16 * 1024
    limits = {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/job/memory.max": f"{2**31}\n",
    }
    assert granted_megabytes({}, system(tmp_path, limits)) == 2048

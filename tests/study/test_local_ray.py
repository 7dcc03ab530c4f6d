"""A Ray of the launch's own: what it needs to start, and how its processes end."""

import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from ray._private import services

from study.execution import cluster, local_ray, ray_check
from study.execution.local_ray import (
    RayStartError,
    check_ray_folder,
    kept_handlers,
    likely_cause,
    shielded_processes,
)
from tests.study.services import wait_for
from trainables import probe

CHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"  # noqa: E501  # one line for `python -c`


def started(*command: str) -> "services.ConsolePopen":
    with shielded_processes():
        return services.ConsolePopen(command)


def test_a_process_of_rays_hears_no_sigterm_and_ends_with_its_children():
    process = started(sys.executable, "-c", CHILD)
    family = psutil.Process(process.pid)
    wait_for(lambda: family.children(), seconds=60)
    (child,) = family.children()
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    for pid in (process.pid, child.pid):
        os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None and child.is_running()
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGKILL
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, seconds=30)


def test_signals_of_the_launch_itself_stay_as_they_are():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    process = started(sys.executable, "-c", "pass")
    assert process.wait(timeout=60) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert services.ConsolePopen is not local_ray.ShieldedProcess


def test_a_start_that_fails_leaves_no_process():
    with pytest.raises(ZeroDivisionError), shielded_processes():
        process = services.ConsolePopen([sys.executable, "-c", CHILD])
        raise ZeroDivisionError
    assert process.wait(timeout=30) == -signal.SIGKILL


def test_the_handlers_of_signals_outlive_rays():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), kept_handlers():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("", "no absolute path.*set RAY_TMPDIR"),
        ("relative", "no absolute path"),
        ("/nowhere", "which is no folder; set RAY_TMPDIR"),
        ("/tmp/" + "x" * 90, "no folder"),
        ("/proc/self", "cannot write to /proc/self"),
    ],
)
def test_a_folder_that_ray_cannot_use_is_told_with_what_mends_it(monkeypatch, folder, said):
    monkeypatch.setenv("RAY_TMPDIR", folder)
    with pytest.raises(RayStartError, match=said):
        check_ray_folder()


def test_a_folder_whose_path_is_too_long_for_sockets_is_told(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(long))
    with pytest.raises(RayStartError, match="characters too long for the sockets.*RAY_TMPDIR"):
        check_ray_folder()


def test_a_usable_folder_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    before = set(Path("/tmp").glob("tmp*"))
    check_ray_folder()
    assert set(Path("/tmp").glob("tmp*")) - before == set()


def test_what_keeps_ray_from_starting_is_told_as_far_as_it_is_known(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert likely_cause(Exception("It timed out.\nmore")).startswith(
        "It timed out; the machine is loaded (1000 processes want"
    )
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert "session_latest/logs says more" in likely_cause(Exception())


def test_a_ray_that_is_slow_to_start_is_started_again(monkeypatch):
    calls = []

    def init(**options):
        calls.append(options)
        if len(calls) < 3:
            raise Exception(f"The current node {cluster.TOO_SLOW}.")
        return "context"

    monkeypatch.setattr(cluster.ray, "init", init)
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
    assert cluster._try_to_start_ray() == "context" and len(calls) == 3
    calls.clear()
    monkeypatch.setattr(cluster.ray, "init", lambda **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cluster._try_to_start_ray()


def fail_to_start(**options: object) -> None:
    raise Exception(f"The current node {cluster.TOO_SLOW}.")


def test_the_doctors_ray_that_does_not_start_is_told_with_its_likely_cause(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    monkeypatch.setattr(ray_check.ray, "init", fail_to_start)
    with pytest.raises(RuntimeError, match="timed out during startup; the machine is loaded"):
        ray_check.try_local_ray("folder")


@pytest.mark.parametrize(
    ("found", "said"), [(1, "it counts 2 GPUs"), (0, "1 of 2 GPUs and finds 0")]
)
def test_the_doctors_actor_must_find_the_gpu_that_it_is_given(monkeypatch, found, said):
    shares = []

    def actor(**share):
        shares.append(share)
        calls = {"versions": ray_check.code_versions, "gpus": lambda: found}
        methods = {name: SimpleNamespace(remote=call) for name, call in calls.items()}
        return lambda witness: SimpleNamespace(remote=lambda: SimpleNamespace(**methods))

    monkeypatch.setattr(ray_check.ray, "init", lambda **options: None)
    monkeypatch.setattr(ray_check.ray, "cluster_resources", lambda: {"GPU": 2.0})
    monkeypatch.setattr(ray_check.ray, "remote", actor)
    monkeypatch.setattr(ray_check.ray, "get", lambda answer, timeout: answer)
    if found:
        assert said in ray_check.try_local_ray("folder")
    else:
        with pytest.raises(RuntimeError, match=said):
            ray_check.try_local_ray("folder")
    assert {"num_cpus": 1, "num_gpus": 1} in shares  # Ray's own modules have actors too


@pytest.mark.parametrize(("found", "told"), [(3, 3), (0, None)])
def test_a_local_ray_is_told_of_the_gpus_that_pytorch_finds(monkeypatch, found, told):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    monkeypatch.setattr(cluster.ray, "init", lambda **options: options)
    assert cluster._try_to_start_ray()["num_gpus"] == told


def test_a_probe_leaves_an_interrupt_to_its_launch():
    before = signal.getsignal(signal.SIGINT)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        (asked,) = probe._begin(pool, partial(signal.getsignal, signal.SIGINT), 1)
        assert asked.result() == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before

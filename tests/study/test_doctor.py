"""The doctor: what it says, in which words, and what it leaves behind."""

import itertools
import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from study import doctor
from study.doctoring import checks, gpu, machine
from study.doctoring.findings import WIDTH, Finding, is_well, plain_findings
from study.doctoring.machine import DoctorOptions
from study.record import store_check
from tests.json_documents import checked
from tests.study import hung

OPTIONS = DoctorOptions(Path("data"), "state")


def found(name: str, options: DoctorOptions = OPTIONS) -> list[Finding]:
    return list(checks._found_by(name, options))


# The words


def test_a_finding_fits_80_columns_and_loses_no_word():
    said = " ".join(f"word{n}" for n in range(60))
    finding = Finding("throughput", "warning", said, said, (("side by side", "x"), ("1", "2.00")))
    lines = finding.lines()
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(lines).split().count("word59") == 2
    assert [line.split()[-1] for line in lines[-2:]] == ["x", "2.00"]


def test_lines_of_a_message_stay_beneath_its_beginning():
    lines = Finding("store", "failed", "no answer:\n  refused", "start\r\nit").lines()
    indent = " " * lines[0].index("no answer")
    assert lines == [f"{'failed':<8} {'store':<11} no answer: refused", f"{indent}→ start it"]


def test_the_status_is_1_if_a_check_has_failed_and_a_warning_is_none():
    warned = [Finding("cpus", "warning", "few"), Finding("gpu", "skipped", "none")]
    failed = [*warned, Finding("ray", "failed", "no")]
    assert is_well(warned) and not is_well(failed)
    plain = plain_findings(failed, {"python": "3.13"})
    assert (plain["schema"], plain["well"], len(plain["findings"])) == (1, False, 3)


def test_only_what_is_named_is_looked_at(capsys):
    assert doctor.main(["--only", "python", "--only", "packages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:2]] == ["python", "packages"]
    assert lines[-1] == "all is well"
    assert all(len(line) <= 80 for line in lines)


def test_json_is_one_object_with_the_versions(capsys):
    assert doctor.main(["--only", "shm", "--json"]) == 0
    told = checked(capsys.readouterr().out)
    assert told["schema"] == 1 and told["findings"][0]["name"] == "shm"
    assert {"python", "torch", "ray"} <= told["versions"].keys()


def test_a_check_of_no_name_is_bad_input(capsys):
    with pytest.raises(SystemExit) as end:
        doctor.main(["--only", "pythn"])
    assert end.value.code == 2


def test_a_failed_check_names_itself_at_the_end(monkeypatch, capsys):
    monkeypatch.setitem(machine.MACHINE_CHECKS, "python", lambda options: 1 / 0)
    assert doctor.main(["--only", "python"]) == 1
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said and said.endswith("failed: python\n")


# The machine


@pytest.mark.parametrize("name", machine.MACHINE_CHECKS)
def test_this_machine_is_told(name):
    findings = found(name)
    assert findings and all(each.said for each in findings)
    assert all(each.remedy for each in findings if each.state in ("failed", "warning"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("numpy>=99", "is outside >=99"),
        ("no-such-package-at-all>=1", "no-such-package-at-all is missing"),
        ("numpy>=1", ""),
        ("no-such-package-at-all; python_version < '3'", ""),
    ],
)
def test_a_package_outside_its_range_is_named(monkeypatch, wanted, said):
    metadata = machine.ProjectMetadata("", (wanted,))
    monkeypatch.setattr(machine, "_project_metadata", lambda: metadata)
    (finding,) = found("packages")
    assert (finding.state == "failed") == bool(said) and said in finding.said


def test_another_python_is_refused(monkeypatch):
    metadata = machine.ProjectMetadata(">=4", ())
    monkeypatch.setattr(machine, "_project_metadata", lambda: metadata)
    (finding,) = found("python")
    assert finding.state == "failed" and ">=4" in finding.said


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_share_of_a_cgroup_is_read(tmp_path, files, cpus):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.cgroup_cpus(tmp_path) == cpus


def test_fewer_cpus_than_are_counted_are_a_warning_with_the_way_out(monkeypatch):
    monkeypatch.setattr(machine, "cgroup_cpus", lambda root: 0.5)
    (finding,) = found("cpus")
    assert finding.state == "warning" and "--num-cpus 1" in finding.remedy


def test_a_place_that_may_not_be_written_is_named_with_its_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    first = found("disk", DoctorOptions(Path("data"), str(tmp_path / "state")))[0]
    assert (first.state, first.remedy) == ("failed", "`--state DIR` keeps it elsewhere")


def test_data_sets_are_found_and_none_is_fetched(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (finding,) = found("data", DoctorOptions(tmp_path, "state"))
    there, _, missing = finding.said.partition("; not below")
    assert "cifar10" in there and "digits" in there and "tiny_imagenet" in missing
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"]


# The record


def test_a_record_is_tried_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mine.db")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert "a new SQLite record" in store_check.try_store(scratch)
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
    mlflow.set_tracking_uri("sqlite:///mine.db")
    client = mlflow.MlflowClient()
    client.create_experiment("mine")
    assert store_check.try_store(scratch).endswith("run in sqlite:///mine.db")
    everything = client.search_experiments(view_type=mlflow.entities.ViewType.ALL)
    assert sorted(each.name for each in everything) == ["Default", "mine"]


def test_a_record_that_cannot_be_used_is_told_without_its_password(monkeypatch):
    monkeypatch.setattr(
        store_check, "try_store", lambda scratch: 1 / len("") or "http://me:secret@host"
    )
    (finding,) = found("store")
    assert finding.state == "failed" and "MLFLOW_TRACKING_URI" in finding.remedy


# Bounded time


def test_a_check_that_gives_no_answer_has_failed_and_those_after_it_are_skipped(monkeypatch):
    monkeypatch.setattr(checks, "END_SECONDS", 0.1)
    monkeypatch.setattr(checks, "_answer", hung.answer_never)
    findings = list(checks.run_apart(["ray", "store"], OPTIONS, seconds=1))
    assert [(each.name, each.state) for each in findings] == [
        ("ray", "failed"),
        ("store", "skipped"),
    ]
    assert "no answer within 1 s" in findings[0].said and "--only ray" in findings[0].remedy


def test_a_check_has_its_own_time_however_long_those_before_it_took(monkeypatch):
    monkeypatch.setattr(checks, "_answer", hung.answer_after_a_while)
    # On this clock a check takes 40 of the 60 seconds that each has.
    clock = SimpleNamespace(monotonic=itertools.count(0, 20).__next__)
    monkeypatch.setattr(checks, "time", clock)
    assert list(checks.run_apart(["gpu", "cap", "bf16", "resume"], OPTIONS, seconds=60)) == []


def test_what_a_hung_check_has_started_ends_with_it(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "END_SECONDS", 0.1)
    file = tmp_path / "child"
    process = multiprocessing.get_context("spawn").Process(target=hung.start_child, args=(file,))
    process.start()
    while not (file.exists() and file.read_text()):
        time.sleep(0.1)
    child = psutil.Process(int(file.read_text()))
    checks._end(process)
    psutil.wait_procs([child], timeout=10)
    assert not process.is_alive()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_check_whose_process_dies_has_failed(monkeypatch):
    monkeypatch.setattr(checks, "_answer", hung.die)
    (finding,) = checks.run_apart(["ray"], OPTIONS, seconds=60)
    assert (finding.state, finding.said) == ("failed", "its process ended")


# GPUs: without one, what the proofs say of a CPU


@pytest.mark.parametrize("name", [name for name in gpu.GPU_CHECKS])
def test_without_a_gpu_its_checks_are_skipped(monkeypatch, name):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    (finding,) = found(name)
    assert finding.state == "skipped" and gpu.NO_GPU in finding.said


def test_a_trial_resumed_on_this_cpu_equals_one_that_ran_through():
    (finding,) = gpu.check_resume(OPTIONS, "cpu")
    assert finding.state == "ok"


def test_a_resume_that_is_not_exact_is_found(monkeypatch):
    load = gpu.Trainer.load_state_dict

    def forgetful(self, state):
        load(self, state)
        for momentum in self.step.momentum:
            momentum.zero_()

    monkeypatch.setattr(gpu.Trainer, "load_state_dict", forgetful)
    (finding,) = gpu.check_resume(OPTIONS, "cpu")
    assert finding.state == "failed" and "training.graphs: false" in finding.remedy


def test_bf16_is_within_the_bound_on_this_cpu_and_a_wrong_one_is_found(monkeypatch):
    assert 0 < gpu.bf16_distance("cpu") < gpu.BF16_BOUND
    monkeypatch.setattr(gpu, "BF16_BOUND", 1e-9)
    (finding,) = gpu.check_bf16(OPTIONS, "cpu")
    assert finding.state == "failed" and "precision: fp32" in finding.remedy


def test_recorded_steps_that_compute_otherwise_are_found_by_regularizer(monkeypatch):
    monkeypatch.setattr(gpu, "_regularizer_names", lambda: ["vanilla", "mixup"])
    monkeypatch.setattr(gpu, "MIXTURES", ())
    (well,) = gpu.check_recorded(OPTIONS, "cpu")
    assert well.state == "ok" and "not recorded: vanilla, mixup" in well.said  # on a CPU
    digests = iter(range(4))
    monkeypatch.setattr(gpu, "trained_digest", lambda trainer: next(digests))
    (ill,) = gpu.check_recorded(OPTIONS, "cpu")
    assert ill.state == "failed" and "otherwise with vanilla, mixup" in ill.said
    assert "training.graphs: false" in ill.remedy


@pytest.mark.gpu
@pytest.mark.skipif(not gpu.torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", gpu.GPU_CHECKS)
def test_a_gpu_does_what_is_promised(name):
    assert all(each.state == "ok" for each in checks.run_apart([name], OPTIONS, seconds=240))

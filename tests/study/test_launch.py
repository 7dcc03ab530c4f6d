"""A launch from end to end: a real Ray, Optuna and MLflow, real digits."""

import os
import statistics
import time
from pathlib import Path

import pytest
import torch
import yaml
from optuna.trial import TrialState

from analysis.record.looks import read_looks
from tests.study.chaos import trial_processes
from tests.study.launching import SHORT_STUDY, Folder
from trainables.metrics import EpochMetrics, TrialSummary

TAGS = {
    "role": "trial",
    "scale": "quick",
    "precision": "fp32",
    "compiled": "false",
    "outcome": "completed",
}
AT_THE_END = ("test_calibration_error_tempered",)
"""Metrics of the last epoch alone."""


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Folder, str]:
    folder = Folder(tmp_path_factory.mktemp("done"))
    return folder, folder.launch()


def test_every_trial_has_one_finished_run_below_the_one_of_the_study(done):
    folder, _ = done
    (parent,) = folder.runs("study")
    runs = folder.runs()
    assert parent.info.status == "FINISHED"
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    assert len({run.data.tags["trial_key"] for run in runs}) == 4
    assert len({run.data.tags["configuration"] for run in runs}) == 2


def test_a_run_holds_every_param_metric_and_tag_of_the_contract(done):
    folder, _ = done
    for run in folder.runs():
        params, tags = run.data.params, run.data.tags
        assert params["regularizer.name"] == "lamix"
        assert params["regularizer.beta"] in ("0.3", "0.9")
        assert params["training.epochs"] == "3"
        assert params["training.momentum"] == "0.9"  # a default is spelled out
        assert params["training.milestones"] == "[]"
        assert params["seed"] in ("0", "1")
        assert tags.items() >= TAGS.items()
        for name in ("git_commit", "git_dirty", "python", "torch", "ray", "optuna", "device"):
            assert tags[name], name
        assert len(tags["data_fingerprint"]) == 16
        by_epoch = {name for name in EpochMetrics.__annotations__ if name != "epoch"}
        assert set(run.data.metrics) == by_epoch | set(TrialSummary.__annotations__)
        for name in by_epoch:
            history = folder.client.get_metric_history(run.info.run_id, name)
            steps = [3] if name in AT_THE_END else [1, 2, 3]
            assert [point.step for point in history] == steps, name


def test_optuna_holds_one_complete_trial_per_configuration_with_the_mean_over_seeds(done):
    folder, _ = done
    trials = folder.optuna().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    for trial in trials:
        errors = [
            run.data.metrics["validation_error"]
            for run in folder.runs()
            if float(run.data.params["regularizer.beta"]) == trial.params["regularizer.beta"]
        ]
        assert len(errors) == 2
        assert trial.value == pytest.approx(statistics.fmean(errors), abs=1e-12)


def test_the_study_run_carries_the_file_as_written_and_as_resolved_and_the_table(done, tmp_path):
    folder, _ = done
    (parent,) = folder.runs("study")
    names = {file.path for file in folder.client.list_artifacts(parent.info.run_id)}
    assert names >= {"study.yaml", "resolved.yaml", "configurations.csv", "configurations.md"}
    plots = {file.path for file in folder.client.list_artifacts(parent.info.run_id, "plots")}
    assert {Path(path).suffix for path in plots} == {".png", ".pdf"}
    path = folder.client.download_artifacts(parent.info.run_id, "resolved.yaml", str(tmp_path))
    with open(path, encoding="utf-8") as file:
        resolved = yaml.safe_load(file)
    assert resolved["search"]["seeds"] == [0, 1]


def test_the_output_ends_with_the_table_and_the_next_commands(done):
    _, output = done
    table = output[output.index("regularizer.beta") :]
    assert "0.3" in table and "0.9" in table and "±" in table
    assert "mlflow ui" in table and "more seeds" in table


def test_a_second_launch_trains_nothing_says_so_and_is_quick(done):
    folder, first = done
    before = [run.info.end_time for run in folder.runs()]
    started = time.monotonic()
    output = folder.launch()
    assert time.monotonic() - started < 15
    assert "Nothing to do" in output
    assert [run.info.end_time for run in folder.runs()] == before
    assert answer_in(output) == answer_in(first) != ""
    assert "\n\n\n" not in output


def answer_in(output: str) -> str:
    """The table of what a launch printed, and all that is said below it."""
    return output.partition("95% interval")[2].partition("Next:")[0]


def test_more_seeds_and_configurations_train_only_the_difference(done):
    folder, _ = done
    before = {run.info.run_id: run.info.end_time for run in folder.runs()}
    output = folder.launch(
        "--set", "search.seeds=3", "--set", "search.space.regularizer.beta=[0.3,0.6,0.9]"
    )
    assert "more seeds" in output and "--set search.seeds=3" not in output
    (parent,) = folder.runs("study")
    assert [look.seeds for look in read_looks(folder.client, parent.info.run_id)] == [2, 3]
    after = {run.info.run_id: run.info.end_time for run in folder.runs()}
    assert len(after) == 9
    assert before.items() <= after.items()
    trials = folder.optuna().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert [trial.params["regularizer.beta"] for trial in trials] == [0.3, 0.9, 0.6]


def test_bad_input_leaves_with_status_2_before_anything_starts(tmp_path):
    folder = Folder(tmp_path)
    output = folder.launch("--set", "trial.regularizer.betta=0.5", status=2)
    assert "small.yaml (--set): trial.regularizer.betta: there is no setting `betta`" in output
    assert "did you mean `beta`?" in output
    assert not (tmp_path / "mlflow.db").exists() and not (tmp_path / "state").exists()


def test_more_gpus_than_there_are_leave_with_status_2(tmp_path):
    folder = Folder(tmp_path)
    output = folder.launch("--set", "resources.gpus=1", status=2)
    assert "a trial asks for 1 CPU and 1 GPU" in output
    assert folder.runs() == []
    assert folder.runs("study") == []


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1:9", "refused"), ("ray://127.0.0.1:10001", "ray job submit")],
)
def test_a_cluster_that_cannot_be_used_leaves_with_status_2(tmp_path, address, said):
    folder = Folder(tmp_path)
    output = folder.launch("--address", address, status=2)
    assert f"cannot use the Ray cluster at {address}" in output and said in output
    assert folder.runs() == []


def test_a_missing_data_set_leaves_with_status_2_and_says_what_to_put_where(tmp_path):
    folder = Folder(tmp_path)
    flag = "trial.dataset={name: image_folder, path: nowhere}"
    output = folder.launch("--set", flag, status=2)
    assert "image_folder" in output and "nowhere" in output
    assert not (tmp_path / "mlflow.db").exists()


def test_a_plan_says_what_there_is_to_do_and_leaves_nothing_behind(tmp_path):
    folder = Folder(tmp_path)
    output = folder.launch("--plan")
    assert "4: 0 done, 0 cut off, 4 to do" in output
    assert "CPU-hours" in output and "wall time" in output and "a probe of a few seconds" in output
    assert {each.name for each in tmp_path.iterdir()} == {"small.yaml", "output.txt"}


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_measured_shares_are_the_cpus(tmp_path):
    folder = Folder(tmp_path)
    flags = ("--set", "resources.gpus=auto", "--set", "search.seeds=1")
    for output in (folder.launch("--plan", *flags), folder.launch(*flags)):
        assert output.count("There is no GPU here: with `gpus: auto` trials train on CPUs.") == 1
        assert "1 CPU each" in output
    assert [run.data.tags["outcome"] for run in folder.runs()] == ["completed"] * 2


@pytest.mark.slow
def test_a_launch_ends_within_its_budget_and_the_next_goes_on(tmp_path):
    folder = Folder(tmp_path)
    said = folder.launch("--budget", "trials=1", status=130)
    assert "The budget is spent: 1 of 1 trial begun. 1 of 4 trials are done; 3 are left." in said
    assert "--budget trials=1  # go on" in said
    assert [run.data.tags["outcome"] for run in folder.runs()] == ["completed"]
    assert [run.info.status for run in folder.runs("study")] == ["KILLED"]
    said = folder.launch("--budget", "1h")
    assert "1 trial is done and stays." in said
    assert "budget    1 hour" in said
    assert len(folder.runs()) == 4


def test_fewer_seeds_retire_trials_without_training_any(done):
    folder, _ = done
    flags = ("--set", "search.seeds=1")
    assert "no longer belong" in folder.launch("--plan", *flags)
    output = folder.launch(*flags)
    assert "Nothing to do" in output and "no longer belong" in output
    retired = [run.data.tags.get("retired") == "true" for run in folder.runs()]
    assert sum(retired) == len(retired) - 2
    assert "no longer belong" not in folder.launch(*flags)


def test_trials_shorter_than_an_actors_start_leave_every_actor_its_time_to_start(tmp_path):
    betas = [round(0.1 + 0.02 * number, 2) for number in range(40)]
    folder = Folder(tmp_path, SHORT_STUDY.replace("[0.3, 0.9]", str(betas)))
    process, actors = folder.start(), set()
    while process.poll() is None:
        actors.update(trial_processes(process.pid))
        time.sleep(0.1)
    assert process.returncode == 0, folder.output.read_text()
    assert len(folder.runs()) == 40
    assert len(actors) <= len(os.sched_getaffinity(0))

import math
from contextlib import nullcontext

import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis import trials
from analysis.record import client, whole_runs
from analysis.record.values import typed_param
from analysis.report_page.gather import gather_material
from analysis.tables.configurations import over_configurations
from tests.analysis.record_writer import BASE, TAGS, start_study


@pytest.fixture(scope="module")
def mixed(store):
    """Two scales; at `quick` one trial of each outcome, a retired and a running one."""
    quick = store.start("mixed", scale="quick", space={"regularizer.beta": {"low": 0, "high": 1}})
    quick.add(BASE, 0, tags={"git_dirty": "true"})
    quick.add(BASE, 1, outcome="diverged", error=math.inf)
    quick.add(BASE, 2, outcome="failed", epochs=0)
    quick.add({**BASE, "regularizer.beta": 1}, 0, outcome="stopped_early", epochs=2)
    quick.add({**BASE, "regularizer.beta": 0.9}, 0, tags={"retired": "true"})
    quick.add({**BASE, "regularizer.beta": 0.8}, 0, outcome=None, epochs=1)
    paper = store.start("mixed", scale="paper", state="running", seeds=(7,))
    paper.add({**BASE, "dataset.name": "cifar100"}, 7)
    return store


def test_a_trial_is_a_row_with_params_of_their_types(store):
    frame = trials.load("beta", tracking_uri=store.uri)
    assert len(frame) == 15
    row = frame.iloc[0]
    assert row["regularizer.beta"] == 0.1
    assert row["training.epochs"] == 4
    assert row["training.milestones"] == [2, 3]
    assert row["training.clip"] is None
    assert row["regularizer.original_batches"] is True or row["regularizer.original_batches"]
    assert frame["regularizer.original_batches"].dtype == bool
    assert frame["seed"].dtype == "int64"
    assert row["regularizer.global_label"] == "learned"


def test_metrics_hold_the_last_epoch_and_tags_stay_text(store):
    row = trials.load("beta", tracking_uri=store.uri).iloc[0]
    assert row["test_error_last"] == pytest.approx(row["validation_error"] + 0.5)
    assert row["test_error"] == pytest.approx(row["test_error_last"])
    assert row["git_commit"] == TAGS["git_commit"]
    assert row["git_dirty"] == False  # noqa: E712 (a numpy bool)
    assert (row["study"], row["scale"], row["outcome"]) == ("beta", "quick", "completed")
    assert row["status"] == "FINISHED"
    assert row["start_time"] < row["end_time"]


def test_all_scales_are_loaded_unless_one_is_named(mixed):
    assert set(trials.load("mixed", tracking_uri=mixed.uri)["scale"]) == {"quick", "paper"}
    paper = trials.load("mixed", "paper", mixed.uri)
    assert list(paper["dataset.name"]) == ["cifar100"]


def test_retired_trials_are_left_out_unless_asked_for(mixed):
    assert not trials.load("mixed", "quick", mixed.uri)["retired"].any()
    assert trials.load("mixed", "quick", mixed.uri, retired=True)["retired"].sum() == 1


def test_outcomes_and_infinite_metrics_survive(mixed):
    frame = trials.load("mixed", "quick", mixed.uri).set_index("seed")
    first = frame[frame["regularizer.beta"] == 0.5]
    assert list(first["outcome"]) == ["completed", "diverged", "failed"]
    assert math.isinf(first.loc[1, "validation_error"])
    assert pd.isna(first.loc[2, "validation_error"])
    running = frame[frame["status"] == "RUNNING"]
    assert len(running) == 1 and pd.isna(running.iloc[0]["outcome"])


def test_history_counts_epochs_from_one(store):
    frame = trials.load("beta", tracking_uri=store.uri).head(2)
    curves = trials.history(frame, ["test_error", "train_loss"], store.uri)
    assert len(curves) == 2 * 2 * 4
    one = curves[(curves["run_id"] == frame["run_id"][0]) & (curves["metric"] == "test_error")]
    assert list(one["epoch"]) == [1, 2, 3, 4]
    assert one["value"].iloc[-1] == pytest.approx(frame["test_error_last"][0])


def test_history_of_a_metric_that_is_not_there_is_empty(store):
    frame = trials.load("beta", tracking_uri=store.uri).head(1)
    assert trials.history(frame, ["nonesuch"], store.uri).empty


def test_a_trial_whose_settings_are_not_on_record_yet_is_a_row(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    made = MlflowClient(uri)
    study = start_study(made, "begun", folder=tmp_path)
    tags = {"role": "trial", "scale": "quick", "trial_key": "k", "configuration": "c", **TAGS}
    made.create_run(study.experiment_id, tags=tags)
    frame = trials.load("begun", tracking_uri=uri)
    assert frame["seed"].isna().all() and len(frame) == 1
    assert len(over_configurations(frame, [])) == 1
    assert gather_material("begun", tracking_uri=uri).frame.equals(frame)


def test_study_info_reads_the_resolved_file(store):
    info = trials.study_info("beta", tracking_uri=store.uri)
    assert info.question.startswith("How much")
    assert info.space == {"regularizer.beta": [0.1, 0.3, 0.5, 0.7, 0.9]}
    assert (info.scale, info.state, info.seeds) == ("quick", "done", [0, 1, 2])
    assert info.objectives == ["validation_error"]


def test_study_info_asks_for_a_scale_where_there_are_several(mixed):
    with pytest.raises(trials.UnknownStudyError, match="`quick`, `paper`"):
        trials.study_info("mixed", tracking_uri=mixed.uri)
    assert trials.study_info("mixed", "paper", mixed.uri).state == "running"


def test_an_unknown_study_is_answered_with_the_nearest(store):
    with pytest.raises(trials.UnknownStudyError, match="did you mean `beta`"):
        trials.load("betta", tracking_uri=store.uri)


def test_an_unknown_scale_is_answered_with_the_nearest(mixed):
    with pytest.raises(trials.UnknownStudyError, match="did you mean `quick`"):
        trials.load("mixed", "quik", mixed.uri)


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(trials.UnknownStudyError, match="nothing is on record"):
        trials.load("beta", tracking_uri=f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


def test_the_tracking_uri_defaults_to_mlflows_own(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert len(trials.load("beta")) == 15
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(store.folder)  # holds mlflow.db
    assert len(trials.load("beta")) == 15


def test_many_trials_come_in_pages(store, monkeypatch):
    monkeypatch.setattr(client, "PAGE", 4)
    monkeypatch.setattr(whole_runs, "familiar_tables", lambda uri: nullcontext())
    assert trials.load("beta", tracking_uri=store.uri)["run_id"].nunique() == 15


def test_an_artifact_of_an_adopted_trial_is_found_where_it_comes_from(store):
    study = store.start("adopting")
    files = {"diagnostics/note.txt": lambda path: path.write_text("here")}
    source = study.add(BASE, 0, artifacts=files, folder=store.folder)
    study.add(BASE, 1, tags={"adopted_from": source})
    frame = trials.load("adopting", tracking_uri=store.uri)
    for _, trial in frame.iterrows():
        path = trials.artifact(trial, "diagnostics/note.txt", store.uri)
        assert path is not None and path.read_text() == "here"
    assert trials.artifact(frame.iloc[0], "diagnostics/cam.npz", store.uri) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1e-05", 1e-5), ("true", True), ("none", "none"), ("cifar10", "cifar10"),
     ("[]", []), ('["a"]', ["a"]), ("-0.5", -0.5), ("null", None), ("", "")],
)  # fmt: skip
def test_text_of_a_param_gets_its_type_back(text, value):
    assert typed_param(text) == value


def test_links_point_to_the_run_and_to_the_comparison():
    info = trials.StudyInfo("beta", "quick", "p", "7", "http://host:5000/", "done")
    assert info.url("abc") == "http://host:5000/#/experiments/7/runs/abc"
    assert info.comparison_url(["abc"]) == info.url("abc")
    assert "compare-runs?runs=%5B%22a%22" in info.comparison_url(["a", "b"])

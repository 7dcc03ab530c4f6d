"""What a study puts into MLflow for its UI: the view of the trials, descriptions, who ran what."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import mlflow
import pytest

from analysis import trials
from analysis.record import sqlite_file
from analysis.tables.configurations import factors_of, over_configurations
from study import list as list_studies
from study.launching import shell_commands
from study.launching.result_note import best_values, result_note
from study.record.entries import TrialBegun, line_of
from study.record.trials_view import searched_params, trials_view
from tests.study.sample import epochs_of
from trainables.metrics import summarise_trial

ALTERNATIVES = {
    "regularizer": [
        {"name": "vanilla"},
        {"name": "mixup", "alpha": {"low": 0.2, "high": 2.0}},
        {"name": "lamix", "beta": {"low": 0.1, "high": 0.9}},
    ],
    "training.learning_rate": [0.05, 0.1],
}


def train(record, beta, seed, errors):
    """Record a trial of the study `sample`."""
    key, epochs = f"{beta}-{seed}", epochs_of(errors)
    params = {"dataset.name": "digits", "regularizer.beta": beta, "seed": seed}
    tags = {"configuration": str(beta), "data_fingerprint": "feed", "git_commit": "abc"}
    record.begin(key, name=f"beta={beta} seed={seed}", params=params, tags=tags)
    record.add_epochs(key, epochs, device="cpu")
    record.end(key, "completed", summarise_trial(epochs))


def test_the_view_has_the_searched_settings_the_seed_errors_and_outcome_as_columns(make):
    view = json.loads(trials_view(make()))
    assert view["selectedColumns"] == [
        "params.`regularizer.beta`",
        "params.`seed`",
        "metrics.`validation_error`",
        "metrics.`test_error_last`",
        "tags.`outcome`",
        "tags.`device`",
    ]
    assert view["searchFilter"] == "tags.role = 'trial' and tags.scale = 'quick'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`validation_error`", True)


def test_of_alternatives_the_settings_that_differ_are_columns_and_no_constants(make):
    assert set(searched_params(make(space=ALTERNATIVES))) == {
        "regularizer.name",
        "regularizer.alpha",
        "regularizer.beta",
        "training.learning_rate",
    }


def test_a_study_that_selects_nothing_is_ordered_by_its_test_error(make):
    view = json.loads(trials_view(make(objective="train_loss")))
    assert view["orderByKey"] == "metrics.`test_error_last`"


def test_each_launch_renews_the_view_and_the_experiment_says_what_it_is(client, opened):
    opened().study_writer.begin_study({})
    opened(space={"regularizer.smoothing": [0.0, 0.1]}).study_writer.begin_study({})
    tags = client.get_experiment_by_name("sample").tags
    assert "regularizer.smoothing" in tags["mlflow.sharedViewState.quick"]
    assert "regularizer.beta" not in tags["mlflow.sharedViewState.quick"]
    assert tags["mlflow.note.content"].startswith("How much of the target")


def test_the_address_names_the_view_that_is_stored(client, opened):
    opened().study_writer.begin_study({})
    info = trials.study_info("sample")
    base, _, query = info.trials_url.partition("?")
    assert base == f"http://127.0.0.1:5000/#/experiments/{info.experiment_id}/runs"
    assert query == "workflowType=machine_learning&viewStateShareKey=quick"
    assert "mlflow.sharedViewState.quick" in client.get_experiment(info.experiment_id).tags


def test_runs_say_who_ran_what_from_which_file_at_which_commit_on_which_data(client, opened):
    record = opened()
    record.study_writer.begin_study({"git_commit": "abc"})
    train(record, 0.3, 0, [9.0, 7.0])
    assert record.spool.drain(20)
    found = client.search_runs([record.experiment_id])
    assert len(found) == 2
    for run in found:
        assert run.data.tags["mlflow.source.name"] == record.study.source
        assert run.data.tags["mlflow.source.git.commit"] == "abc"
        assert run.data.tags["mlflow.user"]
    (trial,) = [run for run in found if run.data.tags["role"] == "trial"]
    (given,) = trial.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", "feed")


def test_a_record_that_is_opened_and_not_begun_leaves_nothing(client, opened):
    record = opened(create=False)
    assert client.get_experiment_by_name("sample") is None
    record.study_writer.begin_study({})
    (run,) = client.search_runs([record.experiment_id])
    assert (run.info.run_id, run.info.status) == (record.parent_id, "RUNNING")


def test_entries_that_wait_have_the_run_made_that_they_belong_to(client, opened, tmp_path):
    begun = TrialBegun(key="left", name="beta=0.3 seed=0", params={"seed": "0"}, tags={})
    (tmp_path / "waiting.jsonl").write_text(f"{json.dumps(line_of(begun))}\n")
    record = opened("waiting.jsonl", create=False)
    roles = [run.data.tags["role"] for run in client.search_runs([record.experiment_id])]
    assert sorted(roles) == ["study", "trial"]


def test_the_studys_run_holds_the_answer_the_table_and_the_best_values(client, opened):
    record = opened()
    record.study_writer.begin_study({})
    for beta, error in ((0.3, 7.0), (0.5, 5.0)):
        for seed in (0, 1):
            train(record, beta, seed, [9.0, error + seed])
    assert record.spool.drain(20)
    frame = trials.load("sample", "quick")
    factors = factors_of(frame, record.study.search.space)
    table = over_configurations(frame, factors, ["validation_error"])
    note = result_note(record.study, frame, table, factors, ["validation_error"])
    values = best_values(table, factors, ["validation_error"])
    record.study_writer.publish(
        texts={}, plots=[], status="FINISHED", description=note, values=values
    )
    run = client.get_run(record.parent_id)
    note = run.data.tags["mlflow.note.content"]
    assert "Lowest validation error" in note and "5.50" in note and "| **0.5** |" in note
    assert run.data.metrics["best.regularizer.beta"] == 0.5
    assert run.data.metrics["best.validation_error"] == pytest.approx(5.5)
    assert run.data.metrics["best.validation_error.sd"] == pytest.approx(0.7071, abs=1e-4)
    assert run.data.metrics["best.test_error_last"] == pytest.approx(6.5)


def test_where_nothing_is_best_no_value_is_called_so(make):
    frame = trials.pd.DataFrame(columns=["configuration", "outcome", "seed"])
    table = over_configurations(frame, [], ["validation_error"])
    assert best_values(table, [], ["validation_error"]) == {}
    note = result_note(make(), frame, table, [], ["validation_error"])
    assert "No answer yet" in note


def test_with_the_environment_active_commands_are_plain(client, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    printed = shell_commands.shell_command("analysis.report", ["a b", "--scale", "quick"])
    assert printed == "python -m analysis.report 'a b' --scale quick"
    command, said = shell_commands.trials_command("7", "quick")
    assert command == "mlflow ui"
    assert said.startswith("every trial, at http://127.0.0.1:5000/#/experiments/7/runs?workflow")


def test_without_the_environment_commands_name_its_programs(client, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    own = tmp_path / "an env" / "bin"
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    printed = shell_commands.shell_command("study.list")
    assert shlex.split(printed) == ["an env/bin/python", "-m", "study.list"]
    own.mkdir(parents=True)
    monkeypatch.chdir(own)
    assert shell_commands.shell_command("study.list") == "./python -m study.list"


def test_a_store_that_is_not_mlflows_default_is_named_to_its_ui(client, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    words = shlex.split(shell_commands.trials_command("7", "quick")[0])
    assert words[-3:] == ["ui", "--backend-store-uri", f"sqlite:///{tmp_path}/other.db"]


def test_with_a_server_the_address_is_all_that_is_needed(client, monkeypatch):
    monkeypatch.setattr(shell_commands.location, "tracking_uri", lambda: "http://host:5000/")
    place = shell_commands.trials_place("7", "quick")
    assert place.startswith("http://host:5000/#/experiments/7/runs?") and "mlflow ui" not in place


def test_the_list_in_an_empty_folder_makes_no_record_and_says_how_to_begin(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    utils = mlflow.tracking._tracking_service.utils
    monkeypatch.setattr(utils, "_tracking_uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert list_studies.main([]) == 0
    said = capsys.readouterr().out
    assert "No studies on record" in said and "-m study.launch beta" in said
    assert list(tmp_path.iterdir()) == []


def test_a_record_in_a_folder_with_a_space_is_found(tmp_path, blank):
    folder = tmp_path / "a folder"
    folder.mkdir()
    shutil.copy(blank, folder / "mlflow.db")
    written = f"sqlite:///{tmp_path}/a%20folder/mlflow.db"  # as MLflow writes its default
    assert sqlite_file.file_of(written) == folder / "mlflow.db"


def test_the_report_and_the_list_have_one_word_for_an_interrupted_study(client, opened, capsys):
    record = opened()
    record.study_writer.begin_study({})
    record.study_writer.publish(texts={}, plots=[], status="KILLED")
    assert trials.study_info("sample").state == "interrupted"
    assert list_studies.main([]) == 0
    assert "interrupted" in capsys.readouterr().out

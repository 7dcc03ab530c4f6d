import json
import math
import socket
import sqlite3
import time
from dataclasses import asdict
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from analysis import trials
from analysis.record.names import TABLE_CSV
from study.record.elsewhere import OtherStudies
from study.record.errors import RecordError, store_errors_told
from study.record.opening import open_record
from study.record.spool import RecordSpool
from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from tests.study.records import KEY, PARAMS, TAGS, history, runs, trial_runs, write
from tests.study.sample import epochs_of
from trainables.metrics import EpochMetrics, summarise_trial

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SUMMARY = ("best_validation_error", "test_error_at_best_validation", "test_error_last",
           "test_error_last10_median", "test_error_best")  # fmt: skip


def contents(client, record):
    """Everything that is on record, but for the times of updates."""
    return [
        (
            run.info.run_id,
            run.info.status,
            run.info.end_time,
            run.data.params,
            run.data.tags,
            {name: history(client, run, name) for name in run.data.metrics},
        )
        for run in sorted(runs(client, record), key=lambda run: run.info.run_id)
    ]


# A trial


def test_a_trial_has_the_params_metrics_and_tags_of_the_design(client, opened):
    record = opened()
    write(record)
    (run,) = trial_runs(client, record)
    assert run.data.params == {
        "dataset.name": "digits",
        "regularizer.beta": "0.3",
        "training.milestones": "[100, 150]",
        "training.nesterov": "False",
        "training.clip": "None",
        "seed": "1",
    }
    per_epoch = {name for name in EpochMetrics.__dataclass_fields__ if name != "epoch"}
    assert set(run.data.metrics) == per_epoch | set(SUMMARY)
    assert history(client, run, "validation_error") == [(1, 9.0), (2, 7.0), (3, 8.0)]
    assert history(client, run, "test_error") == [(1, 10.0), (2, 8.0), (3, 9.0)]
    assert history(client, run, "images_per_second") == [(1, 900.0), (2, 900.0), (3, 900.0)]
    assert history(client, run, "best_validation_error") == [(0, 7.0)]
    assert {name: run.data.metrics[name] for name in SUMMARY} == {
        "best_validation_error": 7.0,
        "test_error_at_best_validation": 8.0,
        "test_error_last": 9.0,
        "test_error_last10_median": 9.0,
        "test_error_best": 8.0,
    }
    tags = {name: value for name, value in run.data.tags.items() if "mlflow." not in name}
    assert tags == {
        **TAGS,
        "role": "trial",
        "scale": "quick",
        "trial_key": KEY,
        "device": "cpu",
        "precision": "fp32",
        "outcome": "completed",
    }
    assert run.data.tags["mlflow.parentRunId"] == record.parent_id
    assert run.info.run_name == "beta=0.3 seed=1"
    assert run.info.status == "FINISHED"
    assert run.info.start_time <= run.info.end_time


@pytest.mark.parametrize(("compiled", "tag"), [(True, "true"), (False, "false"), (None, None)])
def test_a_trial_says_whether_it_was_compiled_where_that_is_known(client, opened, compiled, tag):
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.add_epochs(KEY, epochs_of([9.0]), device="cpu", precision="bf16", compiled=compiled)
    assert record.spool.drain(20)
    (run,) = trial_runs(client, record)
    assert (run.data.tags["precision"], run.data.tags.get("compiled")) == ("bf16", tag)


def test_without_a_validation_share_nothing_is_made_up(client, opened):
    record = opened()
    epochs = [EpochMetrics(**{**vars(e), "validation_error": None}) for e in epochs_of([9.0, 8.0])]
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.add_epochs(KEY, epochs, device="cpu")
    record.end(KEY, "completed", summarise_trial(epochs))
    assert record.spool.drain(20)
    (run,) = trial_runs(client, record)
    assert "validation_error" not in run.data.metrics
    assert "best_validation_error" not in run.data.metrics
    assert run.data.metrics["test_error_last"] == 9.0


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("completed", "FINISHED"),
        ("stopped_early", "FINISHED"),
        ("diverged", "FINISHED"),
        ("failed", "FAILED"),
    ],
)
def test_each_outcome_has_its_status(client, opened, outcome, status):
    record = opened()
    write(record, outcome=outcome)
    (run,) = trial_runs(client, record)
    assert (run.data.tags["outcome"], run.info.status) == (outcome, status)
    trial = record.trials()[KEY]
    assert trial.is_finished == (outcome in ("completed", "diverged"))


def test_a_failure_is_kept_with_its_last_line_as_a_tag(client, opened):
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.end(KEY, "failed", None, failure="Traceback:\n  here\nValueError: no\n")
    assert record.spool.drain(20)
    (run,) = trial_runs(client, record)
    assert run.data.tags["failure"] == "ValueError: no"
    path = client.download_artifacts(run.info.run_id, "failure.txt")
    assert Path(path).read_text().startswith("Traceback:")


def test_a_loss_that_is_not_a_number_is_on_record(client, opened):
    record = opened()
    epochs = epochs_of([9.0, 90.0], losses=[1.0, math.nan])
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.add_epochs(KEY, epochs, device="cpu")
    record.end(KEY, "diverged", summarise_trial(epochs))
    assert record.spool.drain(20)
    assert record.spool.refused == []
    (run,) = trial_runs(client, record)
    assert math.isnan(history(client, run, "train_loss")[1][1])


def test_a_long_trial_is_on_record_epoch_by_epoch(client, opened):
    record = opened()
    epochs = epochs_of([float(n) for n in range(400)])
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.add_epochs(KEY, epochs, device="cpu")
    assert record.spool.drain(20)
    assert record.spool.refused == []
    (run,) = trial_runs(client, record)
    for name in ("validation_error", "peak_memory_mb"):
        assert [step for step, _ in history(client, run, name)] == list(range(1, 401))


# Twice


def entries(record, key=KEY, **content):
    """What `write` puts into the spool, as a dead process leaves it."""
    listed = []
    record.spool.append = listed.append  # a spool that only keeps
    epochs = epochs_of([9.0, 7.0, 8.0])
    record.begin(key, name="beta=0.3 seed=1", params=PARAMS, tags=TAGS)
    record.add_epochs(key, epochs[:2], device="cpu")
    record.add_epochs(key, epochs[2:], device="cpu")
    record.end(key, "completed", summarise_trial(epochs))
    del record.spool.append
    return listed


def test_the_same_records_written_twice_change_nothing(client, opened, tmp_path):
    first = opened()
    listed = entries(first)
    for entry in listed:
        first.spool.append(entry)
    assert first.spool.drain(20)
    before = contents(client, first)
    (tmp_path / "again.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in listed))
    second = opened("again.jsonl")
    assert second.spool.refused == []
    assert contents(client, second) == before
    assert (tmp_path / "again.jsonl").read_text() == ""


@pytest.mark.parametrize("written", range(5))
def test_a_process_killed_between_two_writes_loses_and_repeats_nothing(
    client, opened, tmp_path, written
):
    first = opened()
    listed = entries(first)
    for entry in listed[:written]:
        first.spool.append(entry)
    assert first.spool.drain(20)
    # All are still on file: the file is emptied once nothing waits.
    (tmp_path / "left.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in listed))
    second = opened("left.jsonl")
    (run,) = trial_runs(client, second)
    assert run.info.status == "FINISHED"
    assert history(client, run, "validation_error") == [(1, 9.0), (2, 7.0), (3, 8.0)]
    assert history(client, run, "test_error_last") == [(0, 9.0)]
    assert run.data.params["regularizer.beta"] == "0.3"
    assert run.data.tags["device"] == "cpu"


def test_a_run_without_its_params_gets_them_when_the_beginning_is_written_again(client, opened):
    first = opened()
    tags = {
        "role": "trial",
        "scale": "quick",
        "trial_key": KEY,
        "mlflow.parentRunId": first.parent_id,
    }
    client.create_run(first.experiment_id, tags=tags)  # killed before the params
    write(opened("second.jsonl"))
    (run,) = trial_runs(client, first)
    assert run.data.params["seed"] == "1"
    assert run.data.tags["configuration"] == "c0ffee"


# What a server does not take


@pytest.fixture
def broken(tmp_path):
    """Have the store fail at rows of a table: an error of the kind that may pass."""

    def broken(table, when="true"):
        name = f"refuse_{table}"
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            database.execute(
                f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN {when} "
                "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # an overflow
            )

    return broken


def mended(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            database.execute(f"DROP TRIGGER {name}")


def begun(record, *keys):
    """Record two epochs of each trial, and its end."""
    for key in keys:
        record.begin(key, name="x", params=PARAMS, tags=TAGS)
        for epoch in epochs_of([9.0, 8.0]):
            record.add_epochs(key, [epoch], device="cpu")
        record.end(key, "completed", summarise_trial(epochs_of([9.0, 8.0])))


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.01,))


def test_a_record_that_the_server_never_takes_is_given_up_and_holds_up_no_other(
    client, opened, broken, short_waits
):
    record = opened()
    broken("metrics", "NEW.step = 2 AND NEW.key = 'train_loss'")
    begun(record, "a" * 16, "b" * 16)
    assert record.spool.drain(60)
    assert len(record.spool.refused) == 2
    assert "epochs of trial aaaaaaaaaaaaaaaa: " in record.spool.refused[0]
    for run in trial_runs(client, record):
        assert run.info.status == "FINISHED"
        assert history(client, run, "train_error") == [(1, 4.5)]
    parent = client.get_run(record.parent_id)
    assert "writable" not in parent.data.tags


@pytest.mark.parametrize("tables", [("tags",), ("tags", "metrics")])
def test_nothing_is_given_up_while_the_server_takes_no_record_at_all(
    client, opened, broken, tmp_path, short_waits, tables
):
    record = opened()
    for table in tables:
        broken(table)
    begun(record, KEY)
    assert not record.spool.drain(3)
    assert record.spool.away_since is not None
    assert record.spool.refused == []
    mended(tmp_path)
    assert record.spool.drain(20)
    assert record.spool.refused == []
    (run,) = trial_runs(client, record)
    assert history(client, run, "validation_error") == [(1, 9.0), (2, 8.0)]


def test_a_record_that_is_wrong_is_refused_at_once(client, opened, monkeypatch):
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (1e9,))
    record = opened()
    record.begin(KEY, name="x", params={"a//b": 1}, tags=TAGS)  # no name that MLflow takes
    record.interrupt(KEY)
    assert record.spool.drain(20)
    (refused,) = record.spool.refused
    assert f"begin of trial {KEY}: " in refused and "a//b" in refused


def test_a_line_of_a_kind_that_nobody_knows_is_refused_and_holds_up_no_other(client, opened):
    record = opened()
    record.spool.append({"kind": "deleted", "key": KEY})
    other = "f" * 16
    record.begin(other, name="x", params=PARAMS, tags=TAGS)
    assert record.spool.drain(20)
    (refused,) = record.spool.refused
    assert "no kind of entry is called 'deleted'" in refused
    assert set(record.trials()) == {other}


# Further processes


def test_a_second_process_takes_up_the_same_runs(client, opened):
    first = opened()
    first.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    first.add_epochs(KEY, epochs_of([9.0, 8.0]), device="cpu")
    first.interrupt(KEY)
    assert first.close(20)
    (run,) = trial_runs(client, first)
    assert run.info.status == "KILLED"
    second = opened()
    assert second.parent_id == first.parent_id
    assert second.trials()[KEY].run_id == run.info.run_id
    assert second.trials()[KEY].metrics["validation_error"] == 8.0
    second.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    second.add_epochs(KEY, epochs_of([9.0, 8.0, 7.0, 6.0]), device="cpu")  # all, after a restore
    second.end(KEY, "completed", summarise_trial(epochs_of([9.0, 8.0, 7.0, 6.0])))
    assert second.spool.drain(20)
    (again,) = trial_runs(client, second)
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    assert history(client, again, "validation_error") == [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0)]


def test_a_trial_begun_again_has_not_the_outcome_of_its_last_attempt(client, opened):
    first = opened()
    first.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    first.end(KEY, "failed", None, failure="ValueError: no")
    assert first.close(20)
    second = opened()
    assert second.trials()[KEY].outcome == "failed"
    second.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    second.interrupt(KEY)
    assert second.spool.drain(20)
    (run,) = trial_runs(client, second)
    assert run.info.status == "KILLED"
    assert "outcome" not in run.data.tags
    assert "failure" not in run.data.tags


def test_there_is_one_parent_run_for_each_study_and_scale(client, opened):
    first, second = opened(), opened("b.jsonl")
    other = opened("c.jsonl", name="other")
    assert first.parent_id == second.parent_id != other.parent_id
    (parent,) = runs(client, first)
    assert parent.data.tags["role"] == "study"
    assert parent.data.tags["scale"] == "quick"
    assert parent.info.run_name == "sample quick"
    assert client.get_experiment(first.experiment_id).name == "sample"


def test_the_scales_of_a_study_do_not_see_each_others_trials(opened, make, tmp_path):
    quick = opened()
    write(quick)
    study = make()
    study.scale = "paper"
    paper = open_record(study, tmp_path / "paper.jsonl")
    assert paper.parent_id != quick.parent_id
    assert paper.experiment_id == quick.experiment_id
    assert paper.trials() == {}
    assert paper.finished_elsewhere(KEY).key == KEY
    paper.close(0)


def test_a_retired_trial_is_marked_and_marked_back(client, opened):
    record = opened()
    write(record)
    for retired in (True, False):
        (record.retire if retired else record.restore)([KEY])
        assert record.spool.drain(20)
        assert record.trials()[KEY].tags["retired"] == str(retired).lower()


def test_a_retired_trial_that_goes_on_is_retired_no_more(opened):
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.retire([KEY])
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    assert record.spool.drain(20)
    assert record.trials()[KEY].tags["retired"] == "false"


def test_runs_that_somebody_else_put_below_the_parent_are_left_alone(client, opened):
    record = opened()
    tags = {"mlflow.parentRunId": record.parent_id}
    client.create_run(record.experiment_id, tags=tags)
    assert opened("b.jsonl").trials() == {}


# The study's own run


def test_the_parent_run_holds_the_study_file_as_written_and_as_resolved(client, opened):
    record = opened()
    assert record.study_writer.resolved_before() is None
    record.study_writer.begin_study({"git_commit": "abc"})
    assert client.get_run(record.parent_id).info.status == "RUNNING"
    assert record.study_writer.resolved_before() == record.study.as_dict()
    path = client.download_artifacts(record.parent_id, "study.yaml")
    assert yaml.safe_load(Path(path).read_text())["study"] == "sample"
    record.study_writer.publish(texts={}, plots=[], status="FINISHED")
    parent = client.get_run(record.parent_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["git_commit"] == "abc"


def test_plots_count_once_all_are_there_and_only_for_the_table_that_they_show(
    client, opened, tmp_path, monkeypatch
):
    record = opened()
    plots = [tmp_path / "error.png", tmp_path / "error.pdf"]
    for plot in plots:
        plot.write_text("drawn")
    table = "beta,mean\n0.3,8.5\n"

    def publish():
        record.study_writer.publish(texts={TABLE_CSV: table}, plots=plots, status="FINISHED")

    def die(run_id, file, folder):
        raise KeyboardInterrupt

    assert not record.study_writer.has_plots_of(table)
    log_artifact = record.client.log_artifact
    for survived in range(len(plots)):
        left = iter([log_artifact] * survived)
        monkeypatch.setattr(record.client, "log_artifact", lambda *a, n=left: next(n, die)(*a))
        with pytest.raises(KeyboardInterrupt):
            publish()
        assert not record.study_writer.has_plots_of(table)
    monkeypatch.setattr(record.client, "log_artifact", log_artifact)
    publish()
    assert record.study_writer.has_plots_of(table)
    assert not record.study_writer.has_plots_of(f"{table}0.9,8.1\n")


@pytest.mark.parametrize("step", ["begin_study", "publish"])
def test_no_run_stays_running_that_a_dead_process_left(client, opened, step):
    first = opened()
    first.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    assert first.spool.drain(20)
    write(first, "f" * 16)
    second = opened("second.jsonl")
    assert second.trials()[KEY].status == "RUNNING"
    if step == "begin_study":
        second.study_writer.begin_study({})
    else:
        second.study_writer.publish(texts={}, plots=[], status="KILLED")
    assert second.trials()[KEY].status == "KILLED"
    assert second.trials()["f" * 16].status == "FINISHED"
    assert not second.trials()[KEY].is_finished


def test_a_deleted_experiment_is_said_to_be_deleted(client, opened):
    client.delete_experiment(opened().experiment_id)
    with pytest.raises(RecordError, match="`sample` is deleted; restore it with `mlflow exp"):
        opened("b.jsonl")


def test_a_server_that_does_not_answer_is_named(make, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    with pytest.raises(RecordError, match="cannot use the tracking server http://127.0.0.1:9"):
        open_record(make(), tmp_path / "records.jsonl")


# Adoption


YOUNGER = {"regularizer.beta": 7, "training.younger": False}


def test_an_adopted_trial_is_a_copy_that_says_where_it_comes_from(client, opened):
    source = opened("a.jsonl", name="first")
    write(source)
    record = opened("b.jsonl", name="second")
    found = record.finished_elsewhere(KEY)
    assert found.run_id == source.trials()[KEY].run_id
    assert found.is_finished
    tags = {**TAGS, "configuration_number": "0"}
    record.adopt(KEY, found, name="beta=0.3 seed=1", settings=YOUNGER, tags=tags)
    assert record.spool.drain(20)
    assert record.spool.refused == []
    (original,), (copy,) = trial_runs(client, source), trial_runs(client, record)
    added = {"training.younger": "False"}  # the setting that was there then stays as it was
    assert copy.data.params == {**original.data.params, **added}
    assert copy.data.metrics == original.data.metrics
    for name in original.data.metrics:
        assert history(client, copy, name) == history(client, original, name)
    own = {"mlflow.parentRunId", "mlflow.runName", "mlflow.user", "configuration_number"}
    expected = {**original.data.tags, "adopted_from": original.info.run_id}
    assert {k: v for k, v in copy.data.tags.items() if k not in own} == {
        k: v for k, v in expected.items() if k not in own
    }
    assert copy.data.tags["configuration_number"] == "0"
    assert copy.data.tags["mlflow.parentRunId"] == record.parent_id
    assert copy.info.status == "FINISHED"


def test_an_adopted_trial_that_is_adopted_again_names_the_first(client, opened):
    source = opened("a.jsonl", name="first")
    write(source)
    for name in ("second", "third"):
        record = opened(f"{name}.jsonl", name=name)
        record.adopt(KEY, record.finished_elsewhere(KEY), name="x", settings={}, tags=TAGS)
        assert record.spool.drain(20)
        assert record.trials()[KEY].tags["adopted_from"] == source.trials()[KEY].run_id


@pytest.mark.parametrize("outcome", ["stopped_early", "failed"])
def test_only_a_trial_trained_to_its_end_is_adopted(opened, outcome):
    write(opened("a.jsonl", name="first"), outcome=outcome)
    record = opened("b.jsonl", name="second")
    assert record.finished_elsewhere(KEY) is None
    assert record.finished_elsewhere("f" * 16) is None


def test_a_study_does_not_adopt_from_itself(opened):
    record = opened()
    write(record)
    assert record.finished_elsewhere(KEY) is None


def test_a_server_that_is_away_has_nothing_to_adopt(opened, monkeypatch):
    record = opened()
    write(opened("b.jsonl", name="other"))
    assert record.finished_elsewhere(KEY) is not None
    record.spool.away_since = 1.0
    assert record.finished_elsewhere(KEY) is None
    record.spool.away_since = None
    record.others.client = MlflowClient(tracking_uri="http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert record.finished_elsewhere(KEY) is None


def test_a_server_that_hangs_holds_a_study_up_once_and_not_for_long(opened, monkeypatch):
    record = opened()
    monkeypatch.setattr("study.record.elsewhere.ANSWER_SECONDS", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        record.study_run.client = MlflowClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
        record.others = OtherStudies(record.study_run)
        started = time.monotonic()
        assert [record.finished_elsewhere(key * 16) for key in "abcdef"] == [None] * 6
        assert time.monotonic() - started < 1
        record.others.close()


def test_all_trials_are_read_once_until_something_is_written(opened, monkeypatch):
    write(opened())
    record = opened("b.jsonl")
    with monkeypatch.context() as patched:
        patched.delattr(MlflowClient, "search_runs")
        assert set(record.trials()) == {KEY}
    write(record, "f" * 16)
    assert set(record.trials()) == {KEY, "f" * 16}


# All parts together


def test_a_study_on_mlflow_and_optuna_is_done_once(client, opened, storage):
    path = storage()

    def launch(spool, **options):
        record = opened(spool, configurations=2, seeds=2, **options)
        search = open_optuna_study(record.study, path)
        scheduler = StudyScheduler(
            record.study, search, record, data_of=lambda c: "feed", provenance={}
        )
        return scheduler, reconcile_study(scheduler, search, record.trials())

    def train(scheduler, most):
        for _ in range(most):
            trial = scheduler.hand_out_trial()
            scheduler.note_begun(trial)
            scheduler.note_epochs(trial, epochs_of([9.0, 8.0, 7.0, 5.0 + trial.seed]), device="cpu")
            scheduler.note_completed(trial)

    scheduler, found = launch("a.jsonl")
    assert found.done == 0
    train(scheduler, 3)
    assert scheduler.record.close(20)
    scheduler, found = launch("b.jsonl")
    assert found.done == 3
    train(scheduler, 1)
    assert scheduler.is_finished
    assert scheduler.record.close(20)
    scheduler, found = launch("c.jsonl")
    assert scheduler.is_finished
    assert found.done == 4
    assert [a.judgement.values for a in scheduler.search.asked()] == [(5.5,), (5.5,)]
    assert len(trial_runs(client, scheduler.record)) == 4
    for run in trial_runs(client, scheduler.record):
        configuration = scheduler.trials[run.data.tags["trial_key"]].configuration
        assert run.data.params["regularizer.beta"] == str(
            asdict(configuration)["regularizer"]["beta"]
        )


# Records of an older version, which measured less


def older(errors):
    """Epochs as a version without scores measured them."""
    names = ("epoch", "train_loss", "train_error", "validation_error", "test_error",
             "learning_rate", "epoch_seconds", "images_per_second", "peak_memory_mb")  # fmt: skip
    return [EpochMetrics(**{name: vars(e)[name] for name in names}) for e in epochs_of(errors)]


def test_a_trial_trained_again_gains_the_metrics_that_its_run_lacks_and_no_other(client, opened):
    errors = (9.0, 7.0, 8.0)
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    record.add_epochs(KEY, older(errors), device="cpu")
    record.end(KEY, "completed", summarise_trial(older(errors)))
    record.close(timeout=20)
    before = trial_runs(client, record)[0]
    assert "validation_loss" not in before.data.metrics
    for upto in (2, 3):  # the second launch is cut off, the third goes on
        record = opened()
        record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
        record.add_epochs(KEY, epochs_of(errors)[:upto], device="cpu")
        record.close(timeout=20)
    (run,) = trial_runs(client, record)
    assert history(client, run, "validation_loss") == [(1, 0.45), (2, 0.35), (3, 0.4)]
    assert history(client, run, "validation_error") == [(1, 9.0), (2, 7.0), (3, 8.0)]


def test_a_last_metric_that_an_older_version_put_at_a_later_step_is_overtaken(client, opened):
    record = opened()
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)
    assert record.spool.drain(20)
    (run,) = trial_runs(client, record)
    client.log_metric(run.info.run_id, "test_error_last", 77.0, timestamp=1, step=2)
    record.close(timeout=20)
    record = opened()
    write(record)
    (run,) = trial_runs(client, record)
    assert run.data.metrics["test_error_last"] == 9.0
    assert history(client, run, "test_error_best") == [(0, 8.0)]


def test_a_server_that_does_not_know_its_own_name_is_told_with_what_mends_it():
    with pytest.raises(RecordError, match="allowed-hosts"), store_errors_told("cannot use it"):
        raise MlflowException("403: Invalid Host header - possible DNS rebinding attack detected")
    with pytest.raises(RecordError) as raised, store_errors_told("cannot use it"):
        raise MlflowException("403: Permission denied")
    assert "allowed-hosts" not in str(raised.value)


# Read once


def test_what_was_read_of_the_trials_stands_until_something_is_written(client, opened):
    first = opened()
    first.study_writer.begin_study({})
    write(first)
    write(first, "fedcba9876543210")
    first.close(timeout=0)

    record = opened(alone=True)
    assert len(record.trials()) == 2
    record.study_writer.begin_study({})
    known = record.runs.known_runs()
    assert known is not None
    name, scale = record.runs.study_run.study.name, record.runs.scale
    pd.testing.assert_frame_equal(trials.frame_of(name, known), trials.load(name, scale))

    write(record, "0011223344556677")
    assert record.runs.known_runs() is None
    assert len(record.trials()) == 3


def test_a_run_that_a_dead_process_has_left_running_is_read_again_once_it_is_ended(client, opened):
    first = opened()
    first.study_writer.begin_study({})
    first.begin(KEY, name="beta=0.3 seed=1", params=PARAMS, tags=TAGS)
    assert first.spool.drain(20)
    first.close(timeout=0)

    record = opened()
    assert [trial.status for trial in record.trials().values()] == ["RUNNING"]
    record.study_writer.begin_study({})
    assert record.runs.known_runs() is None
    assert [trial.status for trial in record.trials().values()] == ["KILLED"]

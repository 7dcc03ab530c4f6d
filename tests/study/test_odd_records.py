"""Records that something else than a launch has changed: doubled, deleted, restored, damaged."""

import json
import shutil

import pytest

from analysis import trials
from analysis.record.study_info import study_info
from study.record.overview import read_overview
from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from tests.study.records import KEY, PARAMS, TAGS, trial_runs, write
from tests.study.sample import epochs_of

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
OTHER = "f" * 16


def double(client, record, key=KEY, *, status="RUNNING", **tags):
    """Give a trial another run, as a launch under an older version would."""
    own = {
        "role": "trial",
        "scale": "quick",
        "trial_key": key,
        "mlflow.parentRunId": record.parent_id,
    }
    run = client.create_run(record.experiment_id, tags={**own, **TAGS, **tags}, start_time=1)
    client.update_run(run.info.run_id, status=status)
    return run.info.run_id


def active_keys(client, record):
    found = client.search_runs([record.experiment_id], "tags.role = 'trial'")
    return sorted(run.data.tags.get("trial_key", "") for run in found)


def test_of_two_runs_of_a_trial_the_finished_one_is_kept_and_the_other_deleted(client, opened):
    first = opened()
    write(first)
    kept = first.trials()[KEY].run_id
    away = double(client, first)
    frame = trials.load("sample")
    assert list(frame["run_id"]) == [kept]
    (overview,) = read_overview()
    assert (overview.done, overview.cut_off) == (1, 0)
    second = opened("b.jsonl")
    assert second.trials()[KEY].run_id == kept
    (said,) = second.notices
    assert said.startswith(f"Run {away} is deleted, for its trial has another one")
    run = client.get_run(away)
    assert (run.info.lifecycle_stage, run.info.status) == ("deleted", "KILLED")
    assert run.data.tags["superseded_by"] == kept
    assert opened("c.jsonl").notices == []


def test_of_two_finished_runs_of_a_trial_the_older_is_kept(client, opened):
    first = opened()
    write(first)
    older = double(client, first, status="FINISHED", outcome="completed")
    assert list(trials.load("sample")["run_id"]) == [older]
    assert opened("b.jsonl").trials()[KEY].run_id == older
    assert active_keys(client, first) == [KEY]


def test_a_trial_that_was_deleted_trained_again_and_restored_has_one_run(client, opened):
    first = opened()
    write(first)
    deleted = first.trials()[KEY].run_id
    first.close(20)
    client.delete_run(deleted)
    second = opened("b.jsonl")
    write(second)
    second.close(20)
    client.restore_run(deleted)
    assert len(trials.load("sample")) == 1
    assert opened("c.jsonl").trials()[KEY].run_id == deleted
    assert active_keys(client, first) == [KEY]


def test_of_two_runs_of_a_study_the_older_is_kept_with_the_trials_of_both(client, opened):
    first = opened()
    write(first)
    parent = client.get_run(first.parent_id)
    tags = {"role": "study", "scale": "quick"}
    later = parent.info.start_time + 1000
    second = client.create_run(first.experiment_id, tags=tags, start_time=later).info.run_id
    moved = double(client, first, OTHER, **{"mlflow.parentRunId": second})
    double(client, first, KEY, **{"mlflow.parentRunId": second})
    assert study_info("sample").run_id == first.parent_id
    assert len(read_overview()) == 1
    record = opened("b.jsonl")
    assert record.parent_id == first.parent_id
    assert client.get_run(second).info.lifecycle_stage == "deleted"
    assert active_keys(client, record) == [KEY, OTHER]
    assert client.get_run(moved).data.tags["mlflow.parentRunId"] == first.parent_id
    assert f"The study had a second run on record, {second}." in record.notices[0]


def test_the_trials_of_a_study_whose_run_was_deleted_are_taken_up(client, opened):
    first = opened()
    write(first)
    write(first, OTHER)
    first.close(20)
    client.delete_run(first.parent_id)
    assert len(trials.load("sample")) == 2
    record = opened("b.jsonl")
    assert record.parent_id != first.parent_id
    assert {trial.is_finished for trial in record.trials().values()} == {True}
    parents = {run.data.tags["mlflow.parentRunId"] for run in trial_runs(client, record)}
    assert parents == {record.parent_id}
    (said,) = record.notices
    assert said.startswith("2 runs, ") and "taken up" in said
    client.restore_run(first.parent_id)  # and then there are two
    assert opened("c.jsonl").parent_id == first.parent_id
    assert active_keys(client, first) == [KEY, OTHER]


def test_a_run_without_a_trial_key_is_left_out_with_a_warning(client, opened, caplog):
    record = opened()
    write(record)
    tags = {"role": "trial", "scale": "quick"}
    odd = client.create_run(record.experiment_id, tags=tags).info.run_id
    again = opened("b.jsonl")
    assert set(again.trials()) == {KEY}
    assert again.notices == [f"Run {odd} is left out: it has no tag `trial_key`."]
    assert len(trials.load("sample")) == 1
    assert f"run {odd} is left out" in caplog.text
    assert read_overview()[0].done == 1


DAMAGED = {
    "no JSON": {"point": "{regularizer.beta"},
    "no mapping": {"point": "[1, 2]"},
    "an unknown path": {"point": '{"no.such": 1}'},
    "a value of another kind": {"point": '{"regularizer.beta": {"a": []}}'},
    "no number": {"configuration_number": "four"},
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_trial_with_a_damaged_tag_ends_no_launch(client, opened, storage, damage):
    record = opened(configurations=2, seeds=1)
    write(record, tags={**TAGS, **damage})
    run_id = record.trials()[KEY].run_id
    record.close(20)
    for name in ("configuration", "configuration_number"):
        odd = double(client, record, f"{name:0<16}", status="FINISHED", outcome="completed")
        client.delete_tag(odd, name)
    record = opened("b.jsonl", configurations=2, seeds=1)
    search = open_optuna_study(record.study, storage())
    scheduler = StudyScheduler(
        record.study, search, record, data_of=lambda c: "feed", provenance={}
    )
    found = reconcile_study(scheduler, search, record.trials())
    assert (found.done, len(found.retired)) == (0, 3)
    is_told = damage.get("point", "")[:1] in ("{", "[") and "point" in damage
    expected = [f"The tag `point` of run {run_id} is damaged and is left out."]
    readable = "no.such" in str(damage) or '"a"' in str(damage)
    assert record.notices == (expected if is_told and not readable else [])


@pytest.mark.parametrize("text", ["{unclosed: [", "- a\n- list", "\x00", ""])
def test_a_damaged_resolved_file_counts_as_none(client, opened, text):
    record = opened()
    record.study_writer.begin_study({})
    client.log_text(record.parent_id, text, "resolved.yaml")
    assert record.study_writer.resolved_before() is None
    info = study_info("sample")
    assert info.resolved == {}
    record.study_writer.begin_study({})
    assert record.study_writer.resolved_before() == record.study.as_dict()


def test_a_trial_without_params_or_metrics_is_a_row_like_any_other(client, opened):
    record = opened()
    write(record)
    double(client, record, OTHER, status="FINISHED", outcome="completed")
    frame = trials.load("sample").set_index("trial_key")
    assert frame.loc[KEY, "regularizer.beta"] == 0.3
    assert frame["regularizer.beta"].isna()[OTHER]
    assert set(opened("b.jsonl").trials()) == {KEY, OTHER}


# Optuna's storage


@pytest.mark.parametrize("damage", ["garbage", "cut", "torn"])
def test_a_damaged_storage_is_set_aside_and_made_anew_from_the_record(
    opened, storage, tmp_path, damage
):
    path = storage()

    def launch(spool):
        record = opened(spool, configurations=2, seeds=1)
        search = open_optuna_study(record.study, path)
        scheduler = StudyScheduler(
            record.study, search, record, data_of=lambda c: "feed", provenance={}
        )
        return scheduler, reconcile_study(scheduler, search, record.trials())

    scheduler, _ = launch("a.jsonl")
    for _ in range(2):
        trial = scheduler.hand_out_trial()
        scheduler.note_begun(trial)
        scheduler.note_epochs(trial, epochs_of([9.0, 8.0, 7.0, 5.0]), device="cpu")
        scheduler.note_completed(trial)
    before = [asked.point for asked in scheduler.search.asked()]
    scheduler.record.close(20)
    shutil.copy(path, tmp_path / "whole.db")
    content = path.read_bytes()
    path.write_bytes(
        {
            "garbage": b"no database at all" * 100,
            "cut": content[: len(content) // 2],
            "torn": content[:4096] + bytes(len(content) - 4096),
        }[damage]
    )
    scheduler, found = launch("b.jsonl")
    assert found.done == 2
    assert scheduler.is_finished
    assert [asked.point for asked in scheduler.search.asked()] == before
    (said,) = scheduler.search.notices
    assert said.endswith(
        f"is kept as {path.name}.damaged-1, and a new one is made from the record."
    )
    assert (tmp_path / f"{path.name}.damaged-1").stat().st_size > 0
    assert json.dumps(before) == json.dumps([t.point for t in scheduler.trials.values()])
    assert PARAMS["seed"] == 1

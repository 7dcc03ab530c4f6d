"""What other studies have finished is read once, then by increments, and never believed unasked."""

import time

import pytest
from mlflow import MlflowClient

from study.record import elsewhere, finished_index
from study.record.elsewhere import OtherStudies
from study.record.finished_index import FinishedIndex
from tests.study.records import KEY, trial_runs, write
from tests.study.services import wait_for

OTHER = "f" * 16


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(finished_index, "RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(elsewhere, "OTHERS_SECONDS", 0.0)


@pytest.fixture
def questions(monkeypatch):
    """The filters of all searches for runs."""
    asked = []
    search = MlflowClient.search_runs

    def search_runs(self, experiment_ids, filter_string="", *rest, **options):
        asked.append(filter_string)
        return search(self, experiment_ids, filter_string, *rest, **options)

    monkeypatch.setattr(MlflowClient, "search_runs", search_runs)
    return asked


def freshened(record):
    record.others.index.keep_fresh()
    assert record.others.index.wait_until_fresh(20)
    return record


def test_a_trial_that_no_study_has_finished_costs_no_question(opened, questions):
    write(opened("a.jsonl", name="first"))
    record = freshened(opened("b.jsonl", name="second"))
    questions.clear()
    for number in range(100):
        assert record.finished_elsewhere(f"{number:016x}") is None
    assert not [asked for asked in questions if "trial_key" in asked]
    assert record.finished_elsewhere(KEY).key == KEY
    assert len([asked for asked in questions if f"trial_key = '{KEY}'" in asked]) == 1


def test_a_trial_is_asked_for_by_itself_while_the_index_is_not_fresh(opened, monkeypatch):
    monkeypatch.setattr(FinishedIndex, "renew", lambda self: time.sleep(0.05))
    write(opened("a.jsonl", name="first"))
    assert opened("b.jsonl", name="second").finished_elsewhere(KEY).key == KEY


def test_what_is_finished_meanwhile_is_found_by_reading_what_has_ended_since(opened, questions):
    first = opened("a.jsonl", name="first")
    write(first)
    record = freshened(opened("b.jsonl", name="second"))
    questions.clear()
    write(first, OTHER)
    wait_for(lambda: record.others.index.run_ids(OTHER), 20)
    ended = [asked for asked in questions if "end_time" in asked]
    overlap = 1000 * finished_index.OVERLAP_SECONDS
    assert ended and all(
        int(asked.split()[2]) > 1000 * time.time() - 2 * overlap for asked in ended
    )
    assert record.finished_elsewhere(OTHER).key == OTHER
    third = opened("c.jsonl", name="third")  # of a study that is new, all is read
    write(third, "e" * 16)
    wait_for(lambda: record.others.index.run_ids("e" * 16), 20)


def test_a_run_that_is_deleted_or_taken_up_again_is_known_and_not_adopted(client, opened):
    first = opened("a.jsonl", name="first")
    write(first)
    record = freshened(opened("b.jsonl", name="second"))
    (run,) = trial_runs(client, first)
    client.update_run(run.info.run_id, status="RUNNING")
    assert record.others.index.run_ids(KEY) == (run.info.run_id,)
    assert record.finished_elsewhere(KEY) is None
    client.update_run(run.info.run_id, status="FINISHED")
    assert record.finished_elsewhere(KEY) is not None
    client.delete_run(run.info.run_id)
    assert record.others.index.run_ids(KEY) == (run.info.run_id,)
    assert record.finished_elsewhere(KEY) is None
    assert record.others.finished_among([KEY]) == {}


def test_the_runs_of_the_study_itself_are_not_read(client, opened):
    record = opened("a.jsonl")
    write(record)
    paper = client.create_run(record.experiment_id, tags={"role": "study", "scale": "paper"})
    tags = {"role": "trial", "trial_key": OTHER, "mlflow.parentRunId": paper.info.run_id}
    run = client.create_run(record.experiment_id, tags=tags)
    client.set_terminated(run.info.run_id)
    freshened(record)
    assert record.others.index.run_ids(OTHER) == (run.info.run_id,)
    assert record.others.index.run_ids(KEY) == ()


def test_many_trials_are_looked_up_in_few_questions(opened, questions, monkeypatch):
    first = opened("a.jsonl", name="first")
    keys = [f"{number:016x}" for number in range(7)]
    for key in keys:
        write(first, key)
    record = freshened(opened("b.jsonl", name="second"))
    monkeypatch.setattr(elsewhere, "RUNS_A_QUESTION", 3)
    questions.clear()
    found = record.others.finished_among([*keys, OTHER])
    assert {key: [trial.key for trial in trials] for key, trials in found.items()} == {
        key: [key] for key in keys
    }
    assert len([asked for asked in questions if "run_id IN" in asked]) == 3


def test_where_to_read_all_takes_longer_than_to_ask_each_trial_is_asked_for(opened, monkeypatch):
    first = opened("a.jsonl", name="first")
    for number in range(3):
        write(first, f"{number:016x}")
    monkeypatch.setattr(finished_index, "PAGE", 1)
    record = opened("b.jsonl", name="second", configurations=1, seeds=2)
    record.others.index.keep_fresh()
    wait_for(lambda: record.others.index.is_given_up, 20)
    assert not record.others.index.is_fresh
    key = f"{1:016x}"
    assert record.finished_elsewhere(key).key == key
    assert set(record.others.finished_among([key, OTHER])) == {key}


def test_an_index_is_renewed_only_while_somebody_asks(opened, questions, monkeypatch):
    monkeypatch.setattr(finished_index, "IDLE_SECONDS", 0.2)
    write(opened("a.jsonl", name="first"))
    record = freshened(opened("b.jsonl", name="second"))
    wait_for(lambda: not record.others.index._is_reading(), 20)
    questions.clear()
    time.sleep(0.3)
    assert questions == []
    assert freshened(record).finished_elsewhere(KEY).key == KEY


def test_a_server_that_fails_meanwhile_is_read_again_later(opened, monkeypatch):
    write(opened("a.jsonl", name="first"))
    record = opened("b.jsonl", name="second")
    answers = iter([OSError("away"), ValueError("odd")])
    find = record.others._find_experiments

    def find_or_fail():
        if error := next(answers, None):
            raise error
        return find()

    others = OtherStudies(record.study_run)
    others.index.find_experiments = find_or_fail
    others.index.keep_fresh()
    assert others.index.wait_until_fresh(20)
    assert others.index.run_ids(KEY)
    others.close()

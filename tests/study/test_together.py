"""A trial's entries that wait together go in few requests, and are on record as one by one.

Where anything goes wrong each entry is written, and judged, by itself.
"""

import json
import random
import shutil
from contextlib import suppress

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from study.record import delivery
from study.record.delivery import EntryDelivery
from study.record.opening import open_record
from study.record.spool import RecordSpool, UnreachableError
from study.record.study_run import StudyRun
from tests.study.records import KEY, PARAMS, TAGS, history, trial_runs, write
from tests.study.sample import epochs_of
from trainables.metrics import summarise_trial

REQUESTS = ("create_run", "log_batch", "log_inputs", "set_terminated", "update_run", "delete_tag",
            "get_run", "search_runs", "log_text")  # fmt: skip
ERRORS = [9.0, 7.0, 8.0, 6.0, 7.5, 5.0]


@pytest.fixture
def asked(monkeypatch):
    """The requests made of MLflow; `away` is the share that fails, half of it after the effect."""

    class Asked(list):
        away = 0.0
        dice = random.Random(0)

    asked = Asked()
    for name in REQUESTS:
        real = getattr(MlflowClient, name)

        def request(client, *args, _real=real, _name=name, **content):
            asked.append(_name)
            if asked.away and asked.dice.random() < asked.away:
                if asked.dice.random() < 0.5:
                    _real(client, *args, **content)
                raise MlflowException("nobody answers")
            return _real(client, *args, **content)

        monkeypatch.setattr(MlflowClient, name, request)
    return asked


@pytest.fixture
def left(opened, tmp_path, monkeypatch):
    """Put lines into a spool as a killed process leaves them; open the record that writes them."""
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.01,))
    record = opened()

    def left(*tells, change=lambda lines: lines):
        lines = []
        record.spool.append, keep = lines.append, record.spool.append
        for tell in tells:
            tell(record)
        record.spool.append = keep
        record.close(5)
        text = "".join(f"{json.dumps(line)}\n" for line in change(lines))
        (tmp_path / "left.jsonl").write_text(text)
        return opened("left.jsonl")

    return left


def begin(record):
    record.begin(KEY, name="x", params=PARAMS, tags=TAGS)


def epochs(first, last):
    return lambda record: record.add_epochs(KEY, epochs_of(ERRORS)[first:last], device="cpu")


def end(record):
    record.end(KEY, "completed", summarise_trial(epochs_of(ERRORS[:3])))


def validation_errors(client, record):
    (run,) = trial_runs(client, record)
    return run, [value for _, value in history(client, run, "validation_error")]


def test_a_short_trial_that_waits_as_a_whole_takes_four_requests(client, left, asked):
    asked.clear()
    record = left(begin, epochs(0, 2), epochs(2, 3), end)
    writes = [name for name in asked if name not in ("search_runs", "get_run")]
    first = writes.index("create_run")
    assert writes[first:][:4] == ["create_run", "log_inputs", "log_batch", "set_terminated"]
    run, values = validation_errors(client, record)
    assert run.info.status == "FINISHED" and values == ERRORS[:3]
    assert run.data.params["regularizer.beta"] == "0.3" and run.data.tags["device"] == "cpu"


def test_a_beginning_that_is_refused_takes_nothing_along(client, left):
    def bad(lines):
        lines[0]["params"]["a//b"] = "1"  # no name that MLflow takes
        return lines

    record = left(begin, epochs(0, 3), end, change=bad)
    (refused,) = record.spool.refused
    assert f"begin of trial {KEY}: " in refused
    run, values = validation_errors(client, record)
    assert run.info.status == "FINISHED" and values == ERRORS[:3]


def test_epochs_that_are_refused_take_no_others_along(client, left):
    def bad(lines):
        lines[1]["epochs"][0]["train_loss"] = "no number"
        return lines

    record = left(begin, epochs(0, 1), epochs(1, 3), end, change=bad)
    (refused,) = record.spool.refused
    assert "epochs" in refused or "no number" in refused
    run, values = validation_errors(client, record)
    assert run.info.status == "FINISHED" and values == ERRORS[1:3]


@pytest.mark.parametrize("line", [{"kind": "later", "key": KEY}, {"kind": "end", "key": KEY}])
def test_a_line_that_nobody_can_read_takes_nothing_along(client, left, line):
    record = left(begin, epochs(0, 3), change=lambda lines: [*lines, line])
    assert len(record.spool.refused) == 1
    assert validation_errors(client, record)[1] == ERRORS[:3]


def test_a_trial_that_is_trained_again_has_a_run_of_its_own(client, left, opened, asked):
    first = opened("first.jsonl")
    write(first)
    (old,) = trial_runs(client, first)
    first.close(5)
    again = lambda record: record.supersede({KEY: old.info.run_id})  # noqa: E731  # a step of many
    record = left(again, begin, epochs(0, 3), end)
    (new,) = trial_runs(client, record)
    assert new.info.run_id != old.info.run_id and new.info.status == "FINISHED"


def test_what_is_written_twice_retires_no_trial_that_belongs_again(client, left):
    retire = lambda record: record.retire([KEY])  # noqa: E731  # a step of many
    record = left(begin, retire, begin, epochs(0, 3), end, change=lambda lines: [*lines, *lines])
    run, values = validation_errors(client, record)
    assert run.info.status == "FINISHED" and values == ERRORS[:3]
    assert run.data.tags["retired"] == "false"


def some_story(record, dice, old):
    """Record what may happen to a trial, in any order that launches make."""
    done = 0
    if dice.random() < 0.5:
        record.supersede({KEY: old})
    for attempt in range(dice.randint(1, 3)):
        record.begin(KEY, name="x", params=PARAMS, tags={**TAGS, "attempt": str(attempt)})
        for _ in range(dice.randint(0, 3)):
            more = dice.randint(0, len(ERRORS) - done)
            if more:
                epochs(done, done + more)(record)
            done += more
            if dice.random() < 0.3:
                record.tag_trials({KEY: {"noted": str(dice.random())}})
        fate = dice.random()
        if fate < 0.3:
            record.interrupt(KEY)
        elif fate < 0.5:
            record.end(KEY, "failed", None, failure="boom\nValueError: x")
        elif fate < 0.6:
            record.retire([KEY])
    if dice.random() < 0.8:
        record.end(KEY, "completed", summarise_trial(epochs_of(ERRORS[: max(done, 1)])))
    if dice.random() < 0.2:
        record.add_settings({KEY: {"late.setting": 3}})


def deliver(record, lines, dice, *, together, killed=0.0):
    """Deliver lines as threads of a spool do; return whether nothing killed the process."""
    does = EntryDelivery(record.study_run, record.runs, check_right=lambda: None)
    at = 0
    while at < len(lines):
        if dice.random() < killed:
            return False
        if together and dice.random() < 0.8:
            taken = does.deliver_together(lines[at : at + dice.randint(2, 8)])
            if dice.random() < killed:
                return False
            if taken:
                at += taken
                continue
        for _ in range(200):
            with suppress(UnreachableError):
                does.deliver(lines[at])
                break
        at += 1
    return True


def content(client, record):
    """Return what is on record of the trials' runs, whatever their ids."""
    found = []
    for run in client.search_runs([record.experiment_id]):
        tags = {name: text for name, text in run.data.tags.items() if "mlflow." not in name}
        if tags["role"] != "study":
            curves = {name: sorted(set(history(client, run, name))) for name in run.data.metrics}
            found.append((tags["role"], run.info.status, run.data.params, tags, curves))
    return sorted(found, key=str)


def check_stories(seeds, opened, make, tmp_path, monkeypatch, asked):
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 10**9)
    monkeypatch.setattr(StudyRun, "is_writable", lambda self: True)
    first = opened()
    write(first)
    (old,) = trial_runs(first.client, first)
    for seed in seeds:
        dice, lines = random.Random(seed), []
        first.spool.append, keep = lines.append, first.spool.append
        some_story(first, dice, old.info.run_id)
        first.spool.append = keep
        lines = [json.loads(json.dumps(line)) for line in lines]
        found = []
        for together, away, killed in ((False, 0, 0), (True, seed % 3 / 10, seed % 2 / 10)):
            file = tmp_path / f"{seed}-{together}.db"
            shutil.copy(tmp_path / "mlflow.db", file)
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
            monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
            is_done = False
            while not is_done:
                asked.away = 0.0
                record = open_record(make(), tmp_path / f"{seed}-{together}.jsonl")
                asked.away = away
                is_done = deliver(record, lines, dice, together=together, killed=killed)
                record.close(5)
            asked.away = 0.0
            found.append(content(MlflowClient(f"sqlite:///{file}"), record))
        assert found[0] == found[1], f"story {seed}: {[line['kind'] for line in lines]}"


def test_together_or_one_by_one_is_the_same(opened, make, tmp_path, monkeypatch, asked):
    check_stories(range(8), opened, make, tmp_path, monkeypatch, asked)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_stories_together_or_one_by_one_are_the_same(
    opened, make, tmp_path, monkeypatch, asked
):
    check_stories(range(100, 250), opened, make, tmp_path, monkeypatch, asked)

"""Studies from Python, and the documents that commands print for programs."""

import json
import os
import signal
import subprocess
import sys
import threading

import mlflow
import pandas as pd
import pytest

from study import api, launch
from study import list as study_list
from study.launching.signals import handle_signals
from study.lock import hold_study
from study.record.opening import open_record
from study.scheduling.study_trials import StudyTrials
from study.state import StateFolder
from tests.json_documents import checked
from tests.study.launching import STUDY, environment
from tests.study.sample import study_data
from trainables import datasets

SMALL = {
    **study_data(sampler="grid", space={"regularizer.beta": [0.3, 0.9]}, epochs=1, name="small"),
    "scales": {},
}
SMALL["trial"] |= {
    "dataset": {"name": "digits", "validation": 0.2, "train_images": 60, "test_images": 20},
    "training": {"epochs": 1, "batch_size": 12, "milestones": []},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield tmp_path
    mlflow.set_tracking_uri(None)  # which opening the record has set for the process


def test_a_study_is_built_of_what_a_file_would_say():
    study = api.Study(SMALL, question="Other?", overrides={"search.seeds": [3, 4]})
    assert (study.name, study.scale, study.resolved.question) == ("small", "full", "Other?")
    assert study.resolved.search.seed_list == (3, 4)
    keys = {key: value for key, value in SMALL.items()}
    assert api.Study(**keys).resolved.as_dict() == api.Study(SMALL).resolved.as_dict()


def test_a_file_is_loaded_with_overrides_and_a_scale(here):
    (here / "small.yaml").write_text(STUDY)
    study = api.load("small.yaml", overrides={"search.seeds": 1}, scale="paper")
    assert study.scale == "paper" and study.resolved.search.seed_list == (0,)
    assert api.load("small.yaml", overrides=["search.seeds=1"]).resolved.search.seed_list == (0,)
    assert api.load("beta").name == "beta"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sarch": {}}, "api.Study"),
        ({"trial": {"dataset": {"name": "digit"}}}, "did you mean `digits`?"),
        ({"question": object()}, "must be plain data, as a study file holds it"),
        ({"include": "other.yaml"}, "only a file can include another"),
        ({"plugins": ["./nowhere.py"]}, "plugins[0]: nowhere.py: cannot be read"),
    ],
)
def test_a_mistake_is_raised_in_the_words_of_the_command(keys, said):
    with pytest.raises(api.StudyFileError) as error:
        api.Study(SMALL, **keys)
    assert said in str(error.value)


def test_a_plan_is_the_document_of_the_command_and_the_words_go_elsewhere(here, capsys):
    (here / "small.json").write_text(json.dumps(SMALL))  # JSON is YAML
    assert launch.main(["small.json", "--plan", "--json"]) == 0
    told = capsys.readouterr()
    document = checked(told.out)
    assert document["trials"] == {
        "all": 4, "done": 0, "running": 0, "cut_off": 0, "to_adopt": 0, "to_do": 4,
    }  # fmt: skip
    assert document["upcoming"][0] == {"regularizer.beta": 0.3}
    assert document["estimate"]["wall_seconds"] > 0 and document["estimate"]["unit"] == "CPU"
    assert "wall time" in told.err
    assert [each.name for each in here.iterdir()] == ["small.json"]


def test_a_plan_or_a_refusal_leaves_a_log_that_holds_a_word_and_a_folder_that_was_there(here):
    folder = StateFolder.open("state", "small", "quick")
    with folder.discarded_unless_used():
        folder.log.write_text("what was meant to stay")
    assert folder.log.exists()
    refused = StateFolder.open("state", "other", "quick")
    with pytest.raises(api.LaunchRefusedError), refused.discarded_if_refused():
        refused.log.write_text("why a probe failed")
        raise api.LaunchRefusedError("a probe failed")
    assert refused.log.read_text() == "why a probe failed"
    again = StateFolder.open("state", "small", "quick")
    again.log.write_text("")
    with again.discarded_unless_used():
        pass
    assert again.folder.exists()


def test_the_frame_has_the_trials_of_the_study_as_it_is_loaded(monkeypatch):
    known = StudyTrials(api.Study(SMALL).resolved, lambda configuration: "feed")
    planned = known.planned_trials([{"regularizer.beta": 0.3}, {"regularizer.beta": 0.9}])
    rows = [{**t.tags, "seed": t.seed, "trial_key": t.key, "beta": t.name} for t in planned]
    monkeypatch.setattr(api.trials, "load", lambda *arguments: pd.DataFrame(rows))

    def seen(**overrides):
        flags = {path.replace("__", "."): value for path, value in overrides.items()}
        frame = api.Study(SMALL, overrides=flags).frame()
        return [(json.loads(row.point)["regularizer.beta"], row.seed) for row in frame.itertuples()]

    assert sorted(seen()) == [(0.3, 0), (0.3, 1), (0.9, 0), (0.9, 1)]
    assert sorted(seen(search__seeds=1)) == [(0.3, 0), (0.9, 0)]
    assert sorted(seen(search__seeds=[1])) == [(0.3, 1), (0.9, 1)]
    assert sorted(seen(search__space={"regularizer.beta": [0.9]})) == [(0.9, 0), (0.9, 1)]
    assert seen(trial__training__learning_rate=0.123) == []


def test_a_plan_beside_a_running_launch_tells_its_trials_from_those_cut_off(here, capsys):
    (here / "small.json").write_text(json.dumps(SMALL))
    study = api.load("small.json").resolved
    fingerprint = datasets.load(study.extremes()[0].dataset, here / "data").fingerprint
    known = StudyTrials(study, lambda configuration: fingerprint)
    trial, *_ = known.planned_trials([{"regularizer.beta": 0.3}])
    record = open_record(study, here / "records.jsonl", alone=True)
    record.study_writer.begin_study({}, {})
    tags = {**trial.tags, "code": trial.code}
    record.begin(trial.key, name=trial.name, params={"seed": trial.seed}, tags=tags)
    assert record.spool.drain(20)
    told, counts = {}, {}
    for state in ("running", "cut off"):
        assert launch.main(["small.json", "--plan", "--json"]) == 0
        said = capsys.readouterr()
        told[state], counts[state] = said.err, checked(said.out)["trials"]
        assert study_list.main(["--json"]) == 0
        (listed,) = checked(capsys.readouterr().out)["studies"]
        assert (listed["running"], listed["cut_off"]) == ((1, 0) if state == "running" else (0, 1))
        record.close(timeout=0)  # as a launch that is killed: the trial's run stays as it is
    assert (counts["running"]["running"], counts["running"]["cut_off"]) == (1, 0)
    assert f"Running now: process {os.getpid()} on" in told["running"]
    assert "1 running now, 0 cut off, 3 to do" in told["running"]
    assert (counts["cut off"]["running"], counts["cut off"]["cut_off"]) == (0, 1)
    assert "1 cut off, 3 to do" in told["cut off"]


def test_a_plan_without_the_data_goes_by_their_known_shape_and_downloads_nothing(here, capsys):
    dataset = {"name": "cifar10", "validation": 0.2, "train_images": 400, "test_images": 100}
    trial = {**SMALL["trial"], "dataset": dataset}
    (here / "small.json").write_text(json.dumps({**SMALL, "trial": trial}))
    assert launch.main(["small.json", "--plan", "--json"]) == 0
    told = capsys.readouterr()
    estimate = checked(told.out)["estimate"]
    assert estimate["wall_seconds"] > 0
    (basis,) = estimate["basis"]
    assert basis.endswith("by the known shape of cifar10; the data are not here")
    assert "50,000 training and 10,000 test images of 3 x 32 x 32, 10 classes" in told.err
    assert not (here / "data").exists()


def test_a_refusal_is_a_document_too(here, capsys):
    (here / "small.json").write_text(json.dumps({**SMALL, "sarch": 1}))
    assert launch.main(["small.json", "--json"]) == 2
    told = capsys.readouterr()
    document = checked(told.out)
    assert document["of"] == "launch" and "there is no setting `sarch`" in document["message"]
    assert "there is no setting `sarch`" in told.err


def test_a_study_that_another_process_runs_is_refused(here):
    study = api.Study(SMALL)
    folder = StateFolder.open("state", study.name, study.scale)
    with hold_study(folder.lock), pytest.raises(api.StudyHeldError):
        study.launch(progress=False)


def test_a_plan_or_a_launch_that_is_refused_leaves_no_folder_behind(here):
    missing = {"name": "image_folder", "path": str(here / "nowhere")}
    study = api.Study(SMALL, trial={**SMALL["trial"], "dataset": missing})
    for step in (study.plan, study.launch):
        with pytest.raises(api.LaunchRefusedError, match="nowhere"):
            step(progress=False)
        assert not (here / "state").exists()


def test_an_exception_leaves_the_study_free_and_the_log_unheard(here, monkeypatch):
    import logging

    def broken(launch, address):
        raise ZeroDivisionError("on the way")

    monkeypatch.setattr(api, "run_study", broken)
    study, handlers = api.Study(SMALL), list(logging.getLogger().handlers)
    for _ in range(2):  # the second time too it is this error, and not that the study is held
        with pytest.raises(ZeroDivisionError):
            study.launch(progress=False)
    assert logging.getLogger().handlers == handlers


def test_signals_are_left_alone_away_from_the_main_thread():
    seen = []
    wishes = dict.fromkeys(("finish_epochs", "stop_soon", "leave"), lambda: None)

    def handle():
        with handle_signals(**wishes):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=handle)
    thread.start()
    thread.join()
    assert seen == [before]


LAUNCH = """
import json, threading, sys
from study import api

study = api.Study(json.loads(sys.argv[1]))
ended = []
thread = threading.Thread(target=lambda: ended.append(study.launch(progress=sys.stderr)))
thread.start()
thread.join()
import ray
print(json.dumps([ended[0], len(study.frame()), str(study.report()), ray.is_initialized()]))
"""


@pytest.mark.slow
def test_a_launch_from_a_thread_makes_the_study_true_and_leaves_nothing_running(here, capsys):
    env = {**environment(), "MLFLOW_TRACKING_URI": os.environ["MLFLOW_TRACKING_URI"]}
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, json.dumps(SMALL)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    document, trials, page, is_running = json.loads(done.stdout.splitlines()[-1])
    assert checked(json.dumps(document))["status"] == 0
    assert document["trials"] == {"begun_or_done": 4, "done": 4, "failed": 0}
    assert trials == 4 and (here / page).exists() and not is_running
    assert study_list.main(["--json"]) == 0
    (study,) = checked(capsys.readouterr().out)["studies"]
    assert (study["study"], study["state"], study["done"]) == ("small", "done", 4)
    assert api.Study(SMALL).plan()["estimate"] is None

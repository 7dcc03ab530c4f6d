"""The evaluation of kept weights: measured once, on record beside each trial, told in tables."""

import csv

import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis import evaluate
from analysis.record.names import ROBUSTNESS_FILE
from analysis.robustness.scores import read_record
from analysis.robustness.worker import RobustnessWorker
from study.scheduling.study_trials import StudyTrials
from tests.json_documents import checked
from trainables.artifacts import open_artifacts
from trainables.configuration import as_dict, flatten_settings
from trainables.metrics import summarise_trial
from trainables.robustness.perturbations import PERTURBATIONS
from trainables.training import Trainer

POINTS = [{"regularizer.beta": 0.3}, {"regularizer.beta": 0.9}]
TRIAL = {
    "dataset": {"name": "digits", "validation": 0.2, "train_images": 200, "test_images": 50},
    "network": {"name": "lenet"},
    "training": {"epochs": 1, "batch_size": 50, "milestones": []},
}


def train(record, location):
    """Train all trials of a study and put them on record, as launches do."""
    digits = Trainer({**TRIAL, "regularizer": {"name": "lamix"}}).splits.fingerprint
    trials = StudyTrials(record.study, lambda configuration: digits).planned_trials(POINTS)
    for trial in trials:
        trainer = Trainer(trial.configuration, seed=trial.seed, device="cpu")
        epochs = [trainer.train_epoch()]
        params = {**flatten_settings(as_dict(trial.configuration)), "seed": trial.seed}
        record.begin(trial.key, name=trial.name, params=params, tags=trial.tags)
        record.add_epochs(trial.key, epochs, device="cpu")
        files = trainer.diagnostics.files()
        for name, content in files.items():
            open_artifacts(location).save(trial.key, name, content)
        if files:
            record.add_diagnostics(trial.key, list(files), location=location)
        record.end(trial.key, "completed", summarise_trial(epochs))
    assert record.spool.drain(30) and record.spool.refused == []
    return trials


@pytest.fixture
def trained(opened, tmp_path):
    def trained(*, name="kept", weights=True, seeds=2):
        trial = {**TRIAL, "diagnostics": {"weights": True} if weights else {}}
        record = opened(f"{name}.jsonl", name=name, trial=trial, seeds=seeds)
        record.study_writer.begin_study({})
        trials = train(record, str(tmp_path / "left"))
        record.study_writer.publish(texts={}, plots=(), status="FINISHED")
        return record, trials

    return trained


def test_what_is_measured_is_on_record_and_never_measured_again(
    trained, tmp_path, capsys, monkeypatch
):
    record, trials = trained()
    assert evaluate.main(["kept", "--output", str(tmp_path / "reports")]) == 0
    out, err = capsys.readouterr()
    assert "0 trials on record, 4 to measure" in err and "4 of 4 trials measured" in err
    assert "FGSM 4/255" in out and "occlusion" in out and "gaussian noise" in out
    folder = tmp_path / "reports" / "kept-quick" / "evaluation"
    with (folder / "severities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(POINTS) * len(PERTURBATIONS)
    clean = [row for row in rows if row["kind"] == "clean"]
    runs = record.trials()
    errors = {
        beta: [runs[t.key].metrics["test_error_last"] for t in trials if t.point == point]
        for beta, point in zip(("0.3", "0.9"), POINTS, strict=True)
    }
    for row, (beta, of_seeds) in zip(clean, errors.items(), strict=True):
        assert beta in row["configuration"] and row["n"] == "2"
        assert float(row["mean"]) == pytest.approx(sum(of_seeds) / 2)
    client = MlflowClient()
    names = {entry.path for entry in client.list_artifacts(record.parent_id, "evaluation")}
    assert "evaluation/robustness.csv" in names
    metrics = {key: dict(run.metrics) for key, run in runs.items()}
    record.runs.forget_trials()
    assert {key: dict(run.metrics) for key, run in record.trials().items()} == metrics

    def refuse(self, **request):
        raise AssertionError("measured again")

    monkeypatch.setattr(RobustnessWorker, "ask", refuse)
    assert evaluate.main(["kept", "--output", str(tmp_path / "reports")]) == 0
    again, err = capsys.readouterr()
    assert again == out
    assert "4 trials on record, 0 to measure" in err
    assert evaluate.main(["kept", "--output", str(tmp_path / "reports"), "--json"]) == 0
    document = checked(capsys.readouterr().out)
    assert document["trials"] == {
        "measured": 0, "on_record": 4, "failed": 0, "without_weights": 0,
    }  # fmt: skip
    assert document["tables"] == str(folder) and len(document["scores"]) == 4 * len(PERTURBATIONS)
    clean = [each["error"] for each in document["scores"] if each["kind"] == "clean"]
    assert sorted(clean) == pytest.approx(
        sorted(e for of_seeds in errors.values() for e in of_seeds)
    )


def test_scores_that_are_damaged_or_of_another_version_are_measured_anew(trained, tmp_path, capsys):
    record, trials = trained(seeds=[0])
    run_id = record.trials()[trials[0].key].run_id
    for held in ("{", "{}", '{"key": "x", "version": 0, "device": "", "scores": []}'):
        MlflowClient().log_text(run_id, held, ROBUSTNESS_FILE)
        assert read_record(pd.Series({"run_id": run_id}), None) is None
    assert evaluate.main(["kept", "--output", str(tmp_path)]) == 0
    assert "0 trials on record, 2 to measure" in capsys.readouterr().err
    assert read_record(pd.Series({"run_id": run_id}), None).key == trials[0].key


def test_a_trial_of_other_data_is_named_and_the_others_are_measured(trained, tmp_path, capsys):
    record, trials = trained(seeds=[0])
    run_id = record.trials()[trials[0].key].run_id
    MlflowClient().set_tag(run_id, "trial_key", "f" * 16)
    assert evaluate.main(["kept", "--output", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert f"run {run_id} is not evaluated: its key {'f' * 16} is of other data" in err
    assert "FGSM" in out


def test_what_was_measured_before_the_process_died_is_told(trained, tmp_path, capsys, monkeypatch):
    trained(seeds=[0])
    asked, ask = [], RobustnessWorker.ask

    def ask_the_dead(self, **request):
        asked.append(request)
        if len(asked) == 2:
            self._process.kill()
            self._process.wait()
        return ask(self, **request)

    monkeypatch.setattr(RobustnessWorker, "ask", ask_the_dead)
    assert evaluate.main(["kept", "--output", str(tmp_path), "--json"]) == 1
    document = checked(capsys.readouterr().out)
    assert document["document"] == "evaluate" and document["trials"]["measured"] == 1
    assert document["trials"]["failed"] == 1
    (failure,) = document["failures"]
    assert "has ended: -9; not measured: 1 trial" in failure
    assert len(document["scores"]) == len(PERTURBATIONS) and document["tables"]


def test_tables_that_cannot_be_written_are_refused_in_words(trained, tmp_path, capsys):
    trained(seeds=[0])
    (tmp_path / "file").touch()
    assert evaluate.main(["kept", "--output", str(tmp_path / "file"), "--json"]) == 2
    assert "cannot write to" in checked(capsys.readouterr().out)["message"]


def test_a_study_without_kept_weights_is_told_how_to_keep_them(trained, capsys):
    trained(name="none", weights=False, seeds=[0])
    assert evaluate.main(["none"]) == 2
    assert "trial.diagnostics.weights=true keeps them" in capsys.readouterr().err
    assert evaluate.main(["nothing", "--json"]) == 2
    assert checked(capsys.readouterr().out)["of"] == "evaluate"

"""Diagnostics on their way to the record: delivered once or twice, lost never, adopted too."""

import io
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from analysis import trials
from analysis.figures import insides
from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, SoftTargets
from study.file.problems import StudyFileError
from study.file.resolved import load_study
from study.record.opening import open_record as open_study_record
from study.record.spool import RecordSpool, UnreachableError
from study.record.trial_runs import recorded_trial
from study.record.writer import StudyRecord
from study.trials import RecordedTrial
from tests.study.launching import STUDY, Folder
from trainables.artifacts import open_artifacts

EMBEDDED = (
    STUDY.replace("name: lenet", "name: preact_resnet18_bottleneck2d, width: 2")
    .replace("seeds: 2", "seeds: 1")
    .replace(
        "  training:",
        "  diagnostics: {soft_targets: true, cam: true, images: 10, embedding_epochs: [1, 3],\n"
        "    weights: true}\n"
        "  training:",
    )
)
WEIGHTS = "diagnostics/weights.pt"
PATHS = {SoftTargets.PATH, ActivationMaps.PATH, EmbeddingRecord.PATH, WEIGHTS}


@pytest.fixture(scope="module")
def launched(tmp_path_factory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("launched"), EMBEDDED, ray=False)
    folder.launch()
    return folder


def test_every_trial_of_a_launch_has_its_files_and_none_is_left_behind(launched):
    frame = trials.load("small", tracking_uri=launched.uri)
    assert len(frame) == 2
    for _, trial in frame.iterrows():
        files = launched.client.list_artifacts(trial["run_id"], "diagnostics")
        assert {file.path for file in files} == PATHS
        path = trials.artifact(trial, SoftTargets.PATH, launched.uri)
        targets = SoftTargets.read(path)
        assert targets.epochs_E.tolist() == [1, 2, 3]
        path = trials.artifact(trial, EmbeddingRecord.PATH, launched.uri)
        assert EmbeddingRecord.read(path).epochs_E.tolist() == [1, 3]
        path = trials.artifact(trial, ActivationMaps.PATH, launched.uri)
        maps = ActivationMaps.read(path)
        assert maps.class_names_C == list("0123456789")
        assert insides.activation_maps({"LaMix": maps}).columns == 2
    checkpoints = launched.path / "state" / "small" / "quick" / "checkpoints"
    assert list(checkpoints.iterdir()) == []


def in_one_line(output: str) -> str:
    return " ".join(output.split())


@pytest.mark.slow
def test_a_launch_trains_again_only_for_files_that_are_not_on_record(launched):
    left_out = ("weights=false", "soft_targets=false", "embedding_epochs=[]")
    less = [word for part in left_out for word in ("--set", f"trial.diagnostics.{part}")]
    less += ["--set", "study=less"]
    planned = in_one_line(launched.launch("--plan", *less))
    words = "Adopted: 2 trials finished with other diagnostics, which change no metric."
    assert words in planned and "0 done, 0 cut off, 2 to adopt, 0 to do" in planned
    assert words in in_one_line(launched.launch(*less))
    taken = launched.runs(study="less")
    sources = {run.info.run_id for run in launched.runs()}
    assert {run.data.tags["adopted_from"] for run in taken} == sources
    for run in taken:
        (file,) = launched.client.list_artifacts(run.info.run_id, "diagnostics")
        assert file.path == ActivationMaps.PATH
        assert run.data.params["diagnostics.weights"] == "False"
    own = in_one_line(launched.launch("--plan", "--set", "trial.diagnostics=null"))
    assert words in own and "2 to adopt, 0 to do" in own
    more = launched.launch("--plan", "--set", "trial.diagnostics.images=11", "--set", "study=more")
    files = "cam.npz, soft_targets.npz"
    words = f"Trained for their diagnostics: 2 trials whose metrics are on record without {files}."
    assert words in in_one_line(more) and "0 done, 0 cut off, 2 to do" in more


def test_a_class_that_is_not_there_is_told_before_anything_starts(tmp_path):
    folder = Folder(tmp_path, EMBEDDED)
    output = folder.launch("--set", "trial.diagnostics.embedding_classes=[3,10]", status=2)
    assert "must be in [0, 10)" in output and "got 10" in output
    assert not (tmp_path / "mlflow.db").exists()


def test_diagnostics_that_the_network_cannot_give_are_told_before_anything_starts(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(EMBEDDED.replace("preact_resnet18_bottleneck2d, width: 2", "lenet"))
    with pytest.raises(StudyFileError, match="needs a 2-D bottleneck, which lenet does not have"):
        load_study(file)


# The record


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    """An empty database: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def record(tmp_path, monkeypatch, database) -> StudyRecord:
    monkeypatch.chdir(tmp_path)
    shutil.copy(database, tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    made = open_record(tmp_path)
    yield made
    made.close(timeout=0)
    mlflow.set_tracking_uri(None)


def open_record(folder: Path, name: str = "small") -> StudyRecord:
    (folder / f"{name}.yaml").write_text(STUDY.replace("study: small", f"study: {name}"))
    return open_study_record(load_study(folder / f"{name}.yaml"), folder / f"{name}.jsonl")


def npz(value: float) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, value=value)
    return buffer.getvalue()


def begin(record: StudyRecord, key: str = "a") -> None:
    record.begin(key, name="beta=0.3", params={"seed": 0}, tags={})


def run_id_of(record: StudyRecord, key: str = "a") -> str:
    assert record.spool.drain(timeout=60)
    return record.trials()[key].run_id


def recorded(record: StudyRecord, run_id: str, folder: Path) -> dict[str, bytes]:
    files = record.client.list_artifacts(run_id, "diagnostics")
    return {
        Path(f.path).name: Path(
            record.client.download_artifacts(run_id, f.path, str(folder))
        ).read_bytes()
        for f in files
    }


def test_a_file_is_deleted_once_it_is_on_record(record, tmp_path):
    artifacts = open_artifacts(str(tmp_path / "checkpoints"))
    artifacts.save("a", "cam.npz", npz(1.0))
    begin(record)
    record.add_diagnostics("a", ["cam.npz"], location=str(tmp_path / "checkpoints"))
    assert recorded(record, run_id_of(record), tmp_path) == {"cam.npz": npz(1.0)}
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert record.spool.refused == []


def test_a_record_delivered_twice_changes_nothing(record, tmp_path):
    """The process died after the delivery and before the spool was told."""
    location = str(tmp_path / "checkpoints")
    artifacts = open_artifacts(location)
    artifacts.save("a", "cam.npz", npz(1.0))
    begin(record)
    entry = {"kind": "diagnostics", "key": "a", "names": ["cam.npz"], "location": location}
    for _ in range(2):
        record.spool.append(entry)
    assert recorded(record, run_id_of(record), tmp_path) == {"cam.npz": npz(1.0)}
    artifacts.save("a", "cam.npz", npz(2.0))  # a crash before the end: trained again
    record.spool.append(entry)
    assert recorded(record, run_id_of(record), tmp_path) == {"cam.npz": npz(2.0)}
    assert record.spool.refused == []


def test_a_file_stays_until_the_store_answers_also_over_a_crash(record, tmp_path, monkeypatch):
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.05,))
    location = str(tmp_path / "checkpoints")
    for name in ("cam.npz", "soft_targets.npz"):
        open_artifacts(location).save("a", name, npz(1.0))
    begin(record)
    run_id = run_id_of(record)

    def away(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(record.client, "log_artifact", away)
    record.add_diagnostics("a", ["cam.npz", "soft_targets.npz"], location=location)
    assert not record.spool.drain(timeout=0.5)
    assert record.spool.away_since is not None
    record.close(timeout=0)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    next_launch = open_record(tmp_path)
    assert set(recorded(next_launch, run_id, tmp_path)) == {"cam.npz", "soft_targets.npz"}
    assert list((tmp_path / "checkpoints").iterdir()) == []
    next_launch.close(timeout=10)


def test_a_file_that_is_nowhere_is_told(record, tmp_path):
    begin(record)
    record.add_diagnostics("a", ["cam.npz"], location=str(tmp_path / "checkpoints"))
    run_id_of(record)
    (refused,) = record.spool.refused
    assert "cam.npz of trial a is not in" in refused


def test_the_record_says_which_files_a_trial_could_not_leave(record):
    begin(record)
    record.note_missing("a", ["cam.npz", "soft_targets.npz"])
    record.end("a", "completed", None)
    run = record.client.get_run(run_id_of(record))
    assert run.data.tags["missing_diagnostics"] == "cam.npz, soft_targets.npz"
    assert run.info.status == "FINISHED" and record.spool.refused == []


def test_an_adopted_trial_has_the_artifacts_of_its_source(record, tmp_path):
    location = str(tmp_path / "checkpoints")
    open_artifacts(location).save("a", "cam.npz", npz(1.0))
    begin(record)
    record.add_diagnostics("a", ["cam.npz"], location=location)
    record.end("a", "completed", None)
    record.spool.drain(timeout=60)
    other = open_record(tmp_path, "other")
    source = other.finished_elsewhere("a")
    assert isinstance(source, RecordedTrial)
    other.adopt("a", source, name="beta=0.3", settings={}, tags={})
    run_id = run_id_of(other)
    assert run_id != source.run_id
    assert recorded(other, run_id, tmp_path) == {"cam.npz": npz(1.0)}
    assert recorded_trial(other.client.get_run(run_id)).is_finished
    other.close(timeout=10)


def test_the_errors_of_the_store_are_told_apart(record, monkeypatch, tmp_path):
    """A disk that is full is asked again; the spool never waits for what can never succeed."""
    location = str(tmp_path / "checkpoints")
    open_artifacts(location).save("a", "cam.npz", npz(1.0))
    begin(record)
    run_id_of(record)
    entry = {"kind": "diagnostics", "key": "a", "names": ["cam.npz"], "location": location}

    def fails(error: Exception):
        def fail(*_: object) -> None:
            raise error

        return fail

    monkeypatch.setattr(record.client, "log_artifact", fails(OSError("full")))
    with pytest.raises(UnreachableError, match="full"):
        record.spool.deliver(entry)
    monkeypatch.setattr(record.client, "log_artifact", fails(ImportError("no boto3")))
    with pytest.raises(ImportError):
        record.spool.deliver(entry)
    assert open_artifacts(location).load("a", "cam.npz") == npz(1.0)

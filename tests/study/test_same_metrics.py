"""Trials that differ in their diagnostics alone: found on record, taken over, never half."""

import pytest

from study.record.same_metrics import configuration_on_record, is_diagnosed
from study.scheduling.scheduler import StudyScheduler
from study.scheduling.study_trials import StudyTrials
from study.search.optuna_study import open_optuna_study
from tests.study.sample import epochs_of
from trainables.artifacts import open_artifacts
from trainables.code_digest import trial_code
from trainables.configuration import as_dict, flatten_settings
from trainables.metrics import summarise_trial

POINT = {"regularizer.beta": 0.3}
CAM = {"cam": True, "images": 10}
BOTH = {**CAM, "weights": True}


def planned(study):
    return StudyTrials(study, lambda configuration: "feed").planned_trials([POINT])


def options(diagnostics, **others):
    return {"trial": {"diagnostics": diagnostics}, "seeds": 1, **others}


@pytest.fixture
def trained(opened, tmp_path):
    """Put a study's only trial on record, with the files of its diagnostics."""

    def trained(diagnostics, *, name="figure", left_out=(), missing=(), outcome="completed"):
        record = opened(f"{name}.jsonl", **options(diagnostics, name=name))
        (trial,) = planned(record.study)
        params = {**flatten_settings(as_dict(trial.configuration)), "seed": trial.seed}
        code = trial_code(trial.configuration).digest
        record.begin(trial.key, name=trial.name, params=params, tags={**trial.tags, "code": code})
        epochs = epochs_of([9.0, 7.0, 8.0, 6.0])
        record.add_epochs(trial.key, epochs, device="cpu")
        names = [n for n in trial.configuration.diagnostics.files if n not in (*left_out, *missing)]
        location = str(tmp_path / "checkpoints")
        for file in names:
            open_artifacts(location).save(trial.key, file, file.encode())
        if names:
            record.add_diagnostics(trial.key, names, location=location)
        if missing:
            record.note_missing(trial.key, list(missing))
        record.end(trial.key, outcome, summarise_trial(epochs))
        assert record.spool.drain(20) and record.spool.refused == []
        return record.trials()[trial.key]

    return trained


@pytest.fixture
def asking(opened):
    """The record of a study that asks for diagnostics, and its only trial."""

    def asking(diagnostics, *, name="table"):
        record = opened(f"{name}.jsonl", **options(diagnostics, name=name))
        (trial,) = planned(record.study)
        return record, trial

    return asking


def files(record, run_id):
    return {
        entry.path.removeprefix("diagnostics/")
        for entry in record.client.list_artifacts(run_id, "diagnostics")
    }


@pytest.mark.parametrize("diagnostics", [{}, CAM, BOTH, {"soft_targets": True}])
def test_a_trials_params_stand_for_its_configuration(trained, make, diagnostics):
    found = trained(diagnostics)
    (trial,) = planned(make(**options(diagnostics)))
    assert configuration_on_record(found) == trial.configuration
    assert is_diagnosed(found) == bool(diagnostics)


def test_params_that_do_not_lead_to_the_key_stand_for_nothing(trained):
    found = trained(CAM)
    for damage in ({"training.epochs": "5"}, {"training": "5"}, {"no.such": "1"}, {"seed": "9"}):
        found.params.update(damage)
        assert configuration_on_record(found) is None


@pytest.mark.parametrize(
    ("recorded", "wanted"), [(BOTH, {}), (BOTH, CAM), (BOTH, {"weights": True}), (CAM, {})]
)
def test_a_trial_that_has_the_files_asked_for_serves(trained, asking, recorded, wanted):
    source = trained(recorded)
    record, trial = asking(wanted)
    assert trial.key != source.key
    assert record.finished_elsewhere(trial.key) is None
    assert record.finished_alike(trial).run_id == source.run_id
    assert record.finished_alike(trial, lambda found: False) is None


@pytest.mark.parametrize(
    ("recorded", "wanted", "lacking"),
    [
        ({}, CAM, ("cam.npz",)),
        (CAM, BOTH, ("weights.pt",)),
        (CAM, {"cam": True, "images": 11}, ("cam.npz",)),
        (CAM, {"cam": True, "images": 10, "cam_classes": [1]}, ("cam.npz",)),
        (CAM, {"soft_targets": True, "images": 10}, ("soft_targets.npz",)),
    ],
)
def test_a_trial_without_a_file_asked_for_is_found_and_does_not_serve(
    trained, asking, recorded, wanted, lacking
):
    trained(recorded)
    record, trial = asking(wanted)
    assert [found.lacking for found in record.others.runs_alike(trial)] == [lacking]
    assert record.finished_alike(trial) is None


def test_a_file_that_is_not_on_record_does_not_serve(trained, asking):
    trained(BOTH, left_out=["cam.npz"])
    record, trial = asking(CAM)
    assert record.finished_alike(trial) is None


@pytest.mark.parametrize("outcome", ["stopped_early", "failed"])
def test_a_trial_that_did_not_reach_its_end_does_not_serve(trained, asking, outcome):
    trained(BOTH, outcome=outcome)
    record, trial = asking({})
    assert record.others.runs_alike(trial) == []


def test_another_seed_data_set_or_setting_is_another_trial(trained, opened):
    trained(BOTH)
    for changes in ({"seeds": [1]}, {"epochs": 3}):
        record = opened("c.jsonl", **{**options({}, name="table"), **changes})
        (trial,) = planned(record.study)
        assert record.others.runs_alike(trial) == []
    other = StudyTrials(record.study, lambda configuration: "beef").planned_trials([POINT])
    assert record.others.runs_alike(other[0]) == []


def scheduled(record, storage):
    return StudyScheduler(
        record.study,
        open_optuna_study(record.study, storage()),
        record,
        data_of=lambda configuration: "feed",
        provenance={},
    )


def test_what_is_taken_over_has_its_own_params_and_only_the_files_asked_for(
    trained, opened, storage
):
    space = {"regularizer.beta": [0.3]}
    source = trained(BOTH)
    record = opened("table.jsonl", **options(CAM, name="table", space=space, sampler="grid"))
    scheduler = scheduled(record, storage)
    assert scheduler.hand_out_trial() is None and scheduler.is_finished
    assert record.spool.drain(20) and record.spool.refused == []
    ((key, run),) = record.trials().items()
    assert key != source.key and run.is_finished
    assert run.metrics == source.metrics
    assert run.tags["adopted_from"] == source.run_id
    assert files(record, run.run_id) == {"cam.npz"}
    changed = {k for k in run.params if run.params[k] != source.params[k]}
    assert changed == {"diagnostics.weights"}
    assert configuration_on_record(run).diagnostics.weights is False


def test_a_study_that_asks_for_less_than_before_trains_nothing_again(trained, opened, storage):
    space = {"regularizer.beta": [0.3]}
    source = trained(BOTH, name="own")
    record = opened("own2.jsonl", **options({}, name="own", space=space, sampler="grid"))
    alone = scheduled(record, storage)
    assert alone.hand_out_trial() is not None  # a study that has a server to itself asks nothing
    record.others.know_own([source])
    assert scheduled(record, storage).hand_out_trial() is None
    assert record.spool.drain(20)
    (taken,) = (run for key, run in record.trials().items() if key != source.key)
    assert files(record, taken.run_id) == set()


def test_a_trial_that_could_not_leave_its_files_is_not_finished(trained, asking, opened):
    found = trained(BOTH, missing=["cam.npz"])
    assert found.outcome == "completed" and not found.is_finished
    for wanted in (BOTH, CAM):
        record, trial = asking(wanted)
        assert record.finished_elsewhere(trial.key) is None
        assert record.finished_alike(trial) is None
    record, trial = asking({"weights": True})
    assert record.finished_alike(trial).run_id == found.run_id
    own = opened("figure.jsonl", **options(BOTH, name="figure"))
    trials = StudyTrials(own.study, lambda configuration: "feed")
    (again,) = planned(own.study)
    trials.note_recorded(again, found)
    assert again.state == "todo" and again.recorded and not again.cut_off


def test_what_is_trained_again_is_no_longer_said_to_lack_files(trained, opened):
    found = trained(BOTH, missing=["cam.npz"])
    own = opened("again.jsonl", **options(BOTH, name="figure"))
    own.begin(found.key, name="x", params={}, tags={})
    assert own.spool.drain(20)
    (run,) = own.trials().values()
    assert run.run_id == found.run_id
    assert "missing_diagnostics" not in run.tags


def test_a_key_holds_the_diagnostics_as_it_did(make):
    def key(diagnostics):
        (trial,) = planned(make(**options(diagnostics)))
        return trial.key

    assert key({}) == "6864b08a5d56471b"
    assert key(BOTH) == "3c16292fa1d30041"

"""What a plan takes for the cost of a trial."""

import pytest

from study.launching import estimate_words, trial_costs
from study.launching.estimate import estimate_study
from study.launching.missing_data import recorded_fingerprints
from study.scheduling.nodes import ClusterNode, StudyPlace
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from study.trials import RecordedTrial, cost_class
from trainables.probe import TrialProbe

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
MIXING = {"regularizer.mixing": ["average", "puzzlemix"]}
IMAGES = {"dataset.train_images": [200, 600]}


class NoRecord:
    """Knows of nothing elsewhere, takes everything and keeps nothing."""

    def finished_elsewhere(self, key, accept):
        return None

    def finished_alike(self, trial, accept):
        return None

    def __getattr__(self, name):
        return lambda *args, **named: None


@pytest.fixture
def planned(make, storage):
    """A study of two configurations, its scheduler, and the two configurations."""

    def planned(space):
        study = make(sampler="grid", seeds=1, epochs=10, space=space)
        search = open_optuna_study(study, storage())
        scheduler = StudyScheduler(
            study, search, NoRecord(), data_of=lambda c: "feed", provenance={}
        )
        configurations = [study.configuration(point) for point in search.upcoming(2)]
        return search, scheduler, configurations

    return planned


@pytest.mark.parametrize("space", [MIXING, IMAGES])
def test_each_cost_class_is_probed(planned, space, monkeypatch, tmp_path):
    _, scheduler, configurations = planned(space)
    seconds = dict(zip(map(cost_class, configurations), (0.66, 1.68), strict=True))

    def probe(configuration, count, **where):
        return [TrialProbe(1.0, seconds[cost_class(configuration)], 300.0, 300.0, "a CPU")]

    monkeypatch.setattr(trial_costs.probe, "side_by_side", probe)
    costs = trial_costs.costs_by_class(configurations, {}, scheduler, tmp_path)
    assert {kind: cost.epoch_seconds for kind, cost in costs.items()} == seconds
    place = StudyPlace([ClusterNode("", "here", cpus=1, gpus=0)])
    found = estimate_study(scheduler, [], configurations, costs, place)
    work = dict(estimate_words.estimate_lines(found, scheduler, configurations))["work"]
    assert work.startswith("0.007 CPU-hours")  # 10 epochs of 0.66 s and 10 of 1.68 s


@pytest.mark.parametrize("has_gpu", [False, True])
def test_the_memory_of_a_trial_on_a_cpu_holds_rays_part_as_that_on_record_does(
    planned, monkeypatch, tmp_path, has_gpu
):
    _, scheduler, (configuration, _) = planned(MIXING)
    probed = TrialProbe(1.0, 0.66, 300.0, 300.0, "a device")
    monkeypatch.setattr(trial_costs.probe, "side_by_side", lambda *each, **where: [probed])
    monkeypatch.setattr(trial_costs.torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(type(scheduler.shares), "share_of", lambda self, kind: float(has_gpu))
    (cost,) = trial_costs.costs_by_class([configuration], {}, scheduler, tmp_path).values()
    assert cost.memory_mb == (300.0 if has_gpu else 460.0)
    assert ("160 MB of memory for Ray" in cost.basis) is not has_gpu


def test_a_place_without_room_has_neither_time_nor_trials_side_by_side(planned, tmp_path):
    _, scheduler, configurations = planned(MIXING)
    cost = trial_costs.TrialCost(60.0, 1.0, 300.0, "a guess")
    costs = {cost_class(c): cost for c in configurations}
    place = StudyPlace([ClusterNode("", "here", cpus=0, gpus=0)])
    found = estimate_study(scheduler, [], configurations, costs, place)
    assert (found.wall_seconds, found.side_by_side) == (None, ())
    lines = dict(estimate_words.estimate_lines(found, scheduler, configurations))
    assert lines["wall time"] == estimate_words.NO_ROOM


def test_a_plan_knows_data_that_are_not_here_by_the_record(planned):
    _, scheduler, configurations = planned(IMAGES)
    study = scheduler.study
    tags = [
        {"point": '{"dataset.train_images": 200}', "data_fingerprint": "feed"},
        {"point": '{"dataset.train_images": 300}', "data_fingerprint": "f00d"},
        {"point": '{"dataset.train_images": 600}'},
    ]
    recorded = {
        str(i): RecordedTrial(str(i), str(i), "FINISHED", "completed", {}, each)
        for i, each in enumerate(tags)
    }
    wanted = [c.dataset for c in configurations]
    assert recorded_fingerprints(study, wanted, recorded) == {wanted[0]: "feed"}
    assert recorded_fingerprints(study, wanted[1:], recorded) == {}


@pytest.mark.parametrize("space", [MIXING, IMAGES])
def test_the_record_of_one_cost_class_says_nothing_of_another(
    planned, space, monkeypatch, tmp_path
):
    search, scheduler, (first, second) = planned(space)
    known = scheduler.known.add_configuration(search.ask()).trials[0]
    assert known.configuration == first
    metrics = {"epoch_seconds": 0.66, "peak_memory_mb": 300.0, "validation_error": 9.0}
    recorded = {known.key: RecordedTrial("1", known.key, "FINISHED", "completed", metrics, {})}
    monkeypatch.setattr(
        trial_costs.probe,
        "side_by_side",
        lambda *args, **named: [TrialProbe(1.0, 1.68, 300.0, 300.0, "a CPU")],
    )
    costs = trial_costs.costs_by_class([first, second], recorded, scheduler, tmp_path)
    assert costs[cost_class(first)].epoch_seconds == 0.66
    assert costs[cost_class(second)].epoch_seconds == 1.68

"""Shares of GPUs: the decision by hand, the measuring on the CPU and, where there is one, a GPU."""

import json
import pickle
import re
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import BrokenBarrierError
from types import SimpleNamespace

import pytest
import torch

from study.file.settings import ResourceSettings
from study.scheduling import gpu_shares
from study.scheduling.gpu_shares import (
    GpuBench,
    GpuShares,
    ShareError,
    best_count,
    class_names,
    describe_share,
    measurement_of,
    next_to_measure,
)
from study.scheduling.scheduler import StudyScheduler
from study.scheduling.share_file import ShareMeasurement
from study.search.optuna_study import open_optuna_study
from study.trials import cost_class
from tests.own_components import NOISE
from trainables import plugins, probe
from trainables.configuration import parse_configuration
from trainables.devices import GpuDevice, first_gpu
from trainables.own_modules import find_file
from trainables.probe import ProbedTrial, TrialProbe, TrialProbeError

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
AUTO = ResourceSettings(gpus="auto")
CARD = GpuDevice("a card", 10_000)


def trial(**settings):
    return parse_configuration(
        {
            "dataset": {"name": "digits"},
            "network": {"name": "lenet"},
            "regularizer": {"name": "vanilla"},
            "training": {"batch_size": 32, "epochs": 50, "milestones": []},
            **settings,
        }
    )


def name_of(configuration):
    (name,) = class_names({cost_class(configuration): configuration}).values()
    return name


def figures(*speeds, taken_mb=1000):
    """What 1, 2, 4, … trials did side by side."""
    return {2**i: ShareMeasurement(speed, 2**i * taken_mb) for i, speed in enumerate(speeds)}


def bench(*, most=16, memory_mb=10_000, run=None):
    return GpuBench(GpuDevice("a card", memory_mb), most, run)


# The decision


@pytest.mark.parametrize(
    ("speeds", "best"),
    [
        ((10,), 1),
        ((10, 9), 1),  # sharing loses
        ((10, 10.4), 1),  # below the noise
        ((10, 10.5), 2),
        ((10, 18, 25), 4),
        ((10, 18, 18.5), 2),
        ((10, 18, 12), 2),
        ((10, 0), 1),  # out of memory
        ((10, 18, 0), 2),
    ],
)
def test_twice_as_many_share_a_gpu_for_as_long_as_that_pays(speeds, best):
    assert best_count(figures(*speeds), bench()) == best


@pytest.mark.parametrize(
    ("taken_mb", "best"),
    [
        (2170, 4),  # 4 x 2170 x 1.15 = 9,982 of 10,000
        (2180, 2),
        (4340, 2),
        (4350, 1),
        (9900, 1),  # one alone has it all
    ],
)
def test_all_that_share_a_gpu_must_fit_into_it_with_a_margin(taken_mb, best):
    assert best_count(figures(10, 18, 30, taken_mb=taken_mb), bench()) == best


@pytest.mark.parametrize(("most", "best"), [(1, 1), (2, 2), (3, 2), (4, 4)])
def test_no_more_share_a_gpu_than_the_cpus_have_room_for(most, best):
    assert best_count(figures(10, 18, 30), bench(most=most)) == best


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ((), 1),
        ((10,), 2),
        ((10, 18), 4),
        ((10, 10.1), None),
        ((10, 0), None),
        ((10, 18, 30), 8),
        ((10, 18, 30, 50), 16),  # 16 x 500 x 1.15 = 9,200 MB
        ((10, 18, 30, 50, 90), None),  # more than 16 are not tried
    ],
)
def test_twice_as_many_are_measured_for_as_long_as_that_pays(known, wanted):
    assert next_to_measure(figures(*known, taken_mb=500), bench()) == wanted


def test_what_cannot_fit_is_not_measured():
    assert next_to_measure(figures(10, taken_mb=4350), bench()) is None
    assert next_to_measure(figures(10), bench(most=1)) is None


def test_speeds_side_by_side_add_up():
    probes = [
        TrialProbe(1.0, seconds, 300.0, taken, "a card") for seconds, taken in [(2, 900), (4, 950)]
    ]
    assert measurement_of(probes) == ShareMeasurement(0.75, 1850, epoch_seconds=3, peak_mb=300)
    assert measurement_of([]).epochs_per_second == 0


@pytest.mark.parametrize(
    ("speeds", "taken_mb", "most", "said"),
    [
        ((10, 18, 18), 1000, 16, "2 trials share a GPU; 2 side by side train 1.80 times what one "),
        ((10, 9), 1000, 16, "a trial gets a GPU of its own; 2 side by side train 0.90 times"),
        ((10, 0), 1000, 16, "a trial gets a GPU of its own; 2 do not fit into its memory; one "),
        ((10,), 6000, 16, "of its own; 2 would not fit into its memory; one takes 6,000 of 10,000"),
        ((10, 18), 1000, 3, "2 trials share a GPU; 2 side by side train 1.80 times what one does; "
                            "the CPUs have no room for 4; one takes 1,000 of 10,000 MB (a card)"),
    ],
)  # fmt: skip
def test_a_sentence_says_what_was_chosen_and_why(speeds, taken_mb, most, said):
    told = describe_share(name_of(trial()), figures(*speeds, taken_mb=taken_mb), bench(most=most))
    assert told.startswith("lenet on digits, vanilla, batches of 32: ")
    assert said in told


# The shares of a study


class Cards:
    """Says what so many side by side do, and remembers that it was asked."""

    def __init__(self, speed_of):
        self.speed_of = speed_of
        self.asked = []

    def __call__(self, configuration, count):
        self.asked.append((configuration.network.name, count))
        speed = self.speed_of(configuration, count)
        return (
            [TrialProbe(1.0, count / speed, 300.0, 500.0 * count, "a card")] * count
            if speed
            else []
        )


SMALL, LARGE = trial(), trial(network={"name": "preact_resnet18"})


def speed(configuration, count):
    """A small network gains by every neighbour, a large one loses."""
    return count if configuration.network.name == "lenet" else 1 / count


def settled(file=None, *, run, configurations=(SMALL, LARGE), most=4):
    said = []
    shares = GpuShares(AUTO, file)
    shares.measure_missing(configurations, bench(run=run, most=most), say=said.append)
    return shares, said


def test_each_kind_of_trial_gets_its_own_share():
    cards = Cards(speed)
    shares, said = settled(run=cards)
    assert cards.asked == [(name, n) for name, most in [("lenet", 4), ("preact_resnet18", 2)]
                           for n in (1, 2, 4) if n <= most]  # fmt: skip
    assert (shares.share_of(cost_class(SMALL)), shares.share_of(cost_class(LARGE))) == (0.25, 1.0)
    assert shares.sizes == [1.0, 0.25]
    assert [line.partition(";")[0].rpartition(": ")[2] for line in said if ";" in line] == [
        "4 trials share a GPU",
        "a trial gets a GPU of its own",
    ]


AVERAGE = trial(regularizer={"name": "lamix"})
PUZZLED = trial(regularizer={"name": "lamix", "mixing": "puzzlemix"})
MANY = trial(dataset={"name": "digits", "train_images": 600})
FEW = trial(dataset={"name": "digits", "train_images": 200})


@pytest.mark.parametrize(("cheap", "dear"), [(AVERAGE, PUZZLED), (FEW, MANY)])
def test_trials_of_one_name_and_unequal_cost_get_shares_of_their_own(cheap, dear):
    def speed(configuration, count):
        return count if cost_class(configuration) == cost_class(cheap) else 1 / count

    for order in ((cheap, dear), (dear, cheap)):
        shares, _ = settled(run=Cards(speed), configurations=order)
        assert [shares.share_of(cost_class(each)) for each in (cheap, dear)] == [0.25, 1.0]


def test_what_is_searched_and_costs_nothing_is_measured_once():
    cards = Cards(speed)
    low, high = (trial(regularizer={"name": "lamix", "beta": beta}) for beta in (0.1, 0.9))
    shares, _ = settled(run=cards, configurations=[low, high])
    assert [count for _, count in cards.asked] == [1, 2, 4]
    assert shares.share_of(cost_class(low)) == shares.share_of(cost_class(high)) == 0.25


def test_classes_of_one_name_are_told_apart_by_what_differs():
    alike = {cost_class(each): each for each in (AVERAGE, PUZZLED, SMALL)}
    assert list(class_names(alike).values()) == [
        "lenet on digits, lamix, batches of 32, mixing=average",
        "lenet on digits, lamix, batches of 32, mixing=puzzlemix",
        "lenet on digits, vanilla, batches of 32",
    ]


def test_a_file_of_an_older_format_is_not_read_and_the_user_is_told(tmp_path):
    file = tmp_path / "shares.json"
    key = f"digits | lenet | lamix | 32 | a card | torch {torch.__version__} | 1"
    file.write_text(f'{{"{key}": {{"1": {{"epochs_per_second": 5.0, "taken_mb": 100.0}}}}}}')
    cards = Cards(speed)
    _, said = settled(file, run=cards, configurations=[SMALL])
    assert cards.asked == [("lenet", 1), ("lenet", 2), ("lenet", 4)]
    assert said[0] == (
        f"The figures in {file} are of an older version, which took unlike trials for alike "
        "and other processes' memory for the trials'; they are measured anew."
    )
    again, said = settled(file, run=None, configurations=[SMALL])
    assert len(said) == 1 and again.share_of(cost_class(SMALL)) == 0.25


def test_a_kind_that_was_not_measured_gets_the_largest_share():
    shares, _ = settled(run=Cards(speed))
    between = trial(training={"batch_size": 50, "epochs": 50, "milestones": []})
    assert shares.share_of(cost_class(between)) == 1.0


def test_what_was_measured_is_remembered(tmp_path):
    file = tmp_path / "shares.json"
    before, _ = settled(file, run=Cards(speed))
    cards = Cards(speed)
    again, said = settled(file, run=cards)
    assert cards.asked == []
    assert again.figures == before.figures
    assert len(said) == 2  # what was chosen is said again


def test_room_for_more_than_before_is_measured_on(tmp_path):
    file = tmp_path / "shares.json"
    settled(file, run=Cards(speed), configurations=[SMALL], most=2)
    cards = Cards(speed)
    shares, _ = settled(file, run=cards, configurations=[SMALL], most=8)
    assert cards.asked == [("lenet", 4), ("lenet", 8)]
    assert shares.share_of(cost_class(SMALL)) == 1 / 8


@pytest.mark.parametrize(("file", "first"), [("shares.json", True), (None, False)])
def test_whether_a_file_remembers_what_was_measured_is_told(tmp_path, file, first):
    file = file and tmp_path / file
    for kept in (first, False):
        shares = GpuShares(AUTO, file)
        found = bench(run=Cards(speed), most=2)
        assert shares.measure_missing([SMALL], found, say=lambda _: None) is kept


def test_another_card_is_measured_anew(tmp_path):
    file = tmp_path / "shares.json"
    settled(file, run=Cards(speed), configurations=[SMALL])
    cards = Cards(speed)
    shares = GpuShares(AUTO, file)
    shares.measure_missing(
        [SMALL], GpuBench(GpuDevice("another", 10_000), 2, cards), say=lambda _: None
    )
    assert cards.asked == [("lenet", 1), ("lenet", 2)]


@pytest.mark.parametrize("card", [replace(CARD, driver="610.1"), replace(CARD, mps=True)])
def test_another_driver_and_another_way_to_share_are_measured_anew(tmp_path, card):
    file = tmp_path / "shares.json"
    settled(file, run=Cards(speed), configurations=[SMALL])
    cards = Cards(speed)
    for _ in range(2):
        GpuShares(AUTO, file).measure_missing([SMALL], GpuBench(card, 2, cards), say=lambda _: None)
    assert cards.asked == [("lenet", 1), ("lenet", 2)]
    again = Cards(speed)
    settled(file, run=again, configurations=[SMALL])
    assert again.asked == []  # the figures of both are kept


def shares_of_data(file, data, cards):
    shares = GpuShares(AUTO, file, lambda configuration: data)
    shares.measure_missing([SMALL], bench(run=cards, most=1), say=lambda _: None)
    return cards.asked


def test_data_that_have_grown_are_measured_anew(tmp_path):
    file = tmp_path / "shares.json"
    assert shares_of_data(file, "a few images", Cards(speed)) == [("lenet", 1)]
    assert shares_of_data(file, "many images", Cards(speed)) == [("lenet", 1)]
    assert shares_of_data(file, "a few images", Cards(speed)) == []


def test_code_that_was_edited_is_measured_anew(tmp_path, monkeypatch):
    file = tmp_path / "shares.json"
    assert shares_of_data(file, "images", Cards(speed)) == [("lenet", 1)]
    edited = SimpleNamespace(digest="of edited code")
    monkeypatch.setattr(gpu_shares, "trial_code", lambda configuration: edited)
    assert shares_of_data(file, "images", Cards(speed)) == [("lenet", 1)]
    monkeypatch.undo()
    assert shares_of_data(file, "images", Cards(speed)) == []


def test_a_file_that_knows_neither_data_nor_code_counts_as_not_measured(tmp_path):
    file = tmp_path / "shares.json"
    settled(file, run=Cards(speed), configurations=[SMALL], most=1)
    written = json.loads(file.read_text())
    file.write_text(json.dumps({**written, "format": 3}))
    cards = Cards(speed)
    settled(file, run=cards, configurations=[SMALL], most=1)
    assert cards.asked == [("lenet", 1)]


@pytest.mark.parametrize("setting", [{"precision": "tf32"}, {"compile": True}])
def test_another_precision_and_compiled_steps_are_measured_anew(tmp_path, setting):
    file, training = tmp_path / "shares.json", {"batch_size": 32, "epochs": 50, "milestones": []}
    settled(file, run=Cards(speed), configurations=[SMALL], most=1)
    cards = Cards(speed)
    other = trial(training={**training, **setting})
    settled(file, run=cards, configurations=[other], most=1)
    assert cards.asked == [("lenet", 1)]


def test_a_damaged_file_of_figures_is_measured_anew(tmp_path):
    file = tmp_path / "shares.json"
    file.write_text('{"half')
    shares, _ = settled(file, run=Cards(speed))
    assert shares.share_of(cost_class(SMALL)) == 0.25
    assert settled(file, run=None)[0].share_of(cost_class(SMALL)) == 0.25


def test_a_trial_that_ran_out_of_memory_teaches_the_next_launch(tmp_path):
    file = tmp_path / "shares.json"
    shares, _ = settled(file, run=Cards(speed))
    shares.note_out_of_memory(cost_class(SMALL), 0.25)
    assert shares.share_of(cost_class(SMALL)) == 0.5
    cards = Cards(speed)
    assert settled(file, run=cards)[0].share_of(cost_class(SMALL)) == 0.5
    assert cards.asked == []


def test_without_a_gpu_auto_means_the_cpu():
    said = []
    shares = GpuShares(AUTO)
    shares.measure_missing([SMALL], None, say=said.append)
    assert shares.share_of(cost_class(SMALL)) == 0.0 and shares.sizes == [0.0]
    assert said == ["There is no GPU here: with `gpus: auto` trials train on CPUs."]


def test_a_share_that_is_given_is_not_measured():
    shares = GpuShares(ResourceSettings(gpus=0.25))
    shares.measure_missing([SMALL], bench(run=None), say=lambda _: pytest.fail("nothing to say"))
    assert (
        shares.share_of(cost_class(SMALL)),
        shares.share_of(cost_class(LARGE)),
        shares.largest,
    ) == (0.25, 0.25, 0.25)


def test_a_trial_too_large_for_a_gpu_is_refused():
    with pytest.raises(ShareError, match="a whole GPU, 10,000 MB of a card, does not hold a trial"):
        settled(run=Cards(lambda configuration, count: 0))


def test_a_trial_that_cannot_be_measured_is_named():
    def fails(configuration, count):
        raise ValueError("no such thing")

    with pytest.raises(ShareError, match=r"lenet on digits.*ValueError: no such thing; give a num"):
        settled(run=fails)


RAYS_KILL = "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(RAYS_KILL)])
def test_the_machines_memory_bounds_this_launch_and_is_not_remembered(tmp_path, error):
    file = tmp_path / "shares.json"

    def fails(configuration, count):
        if count > 2:
            raise error
        return [TrialProbe(1.0, 1.0, 300.0, 500.0, "a card")] * count

    shares, said = settled(file, run=fails, configurations=[SMALL])
    assert shares.share_of(cost_class(SMALL)) == 0.5
    assert any("the machine's memory does not hold 4 side by side" in line for line in said)
    cards = Cards(speed)
    again, _ = settled(file, run=cards, configurations=[SMALL])
    assert cards.asked == [("lenet", 4)]
    assert again.share_of(cost_class(SMALL)) == 0.25


def test_a_machine_whose_memory_holds_no_trial_is_told():
    def fails(configuration, count):
        raise RuntimeError(RAYS_KILL)

    with pytest.raises(ShareError, match="the node running low on memory"):
        settled(run=fails)


class Record:
    """Takes everything."""

    def finished_elsewhere(self, key, accept):
        return None

    def finished_alike(self, trial, accept):
        return None

    def __getattr__(self, name):
        return lambda *args, **named: None


def test_a_trial_is_handed_out_with_the_share_of_its_kind(make, storage):
    study = make(configurations=1, seeds=2)
    shares = GpuShares(AUTO)

    scheduler = StudyScheduler(
        study,
        open_optuna_study(study, storage()),
        Record(),
        data_of=lambda c: "feed",
        provenance={},
        shares=shares,
    )
    shares.measure_missing(study.extremes(), bench(run=Cards(speed), most=4), say=lambda _: None)
    first = scheduler.hand_out_trial()
    assert first.gpus == 0.25
    scheduler.note_failed(first, "OutOfMemoryError", out_of_memory=True)
    assert scheduler.hand_out_trial() is first and first.gpus == 0.5
    assert scheduler.hand_out_trial().gpus == 0.5  # the others are not sent into the same


@pytest.mark.parametrize(
    ("failure", "share"),
    [
        (f"Traceback …\n{RAYS_KILL}", 0.25),
        ("Traceback …\ntorch.AcceleratorError: CUDA error: out of memory", 0.5),
        ("Traceback …\nRuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", 0.5),
    ],
)
def test_a_failed_attempt_asks_for_more_of_the_gpu_where_the_gpus_memory_ran_out(
    make, storage, tmp_path, failure, share
):
    from study.execution.runner import TrialRunner

    study, file = make(configurations=1, seeds=1), tmp_path / "shares.json"
    shares = GpuShares(AUTO, file)
    shares.measure_missing(study.extremes(), bench(run=Cards(speed), most=4), say=lambda _: None)
    remembered = file.read_text()
    scheduler = StudyScheduler(
        study,
        open_optuna_study(study, storage()),
        Record(),
        data_of=lambda c: "feed",
        provenance={},
        shares=shares,
    )
    ignore, notices = {"discard": lambda key: None, "on_change": lambda: None}, []
    here = SimpleNamespace(cluster=SimpleNamespace(existing=True))
    runner = TrialRunner(
        scheduler, here, scratch="", granted_mb=None, on_notice=notices.append, **ignore
    )
    trial = runner.by_tune_id["a"] = scheduler.hand_out_trial()
    runner.note_failed("a", failure)
    assert trial.gpus == share
    more = f"{trial.name}: 0.25 of a GPU's memory does not suffice; it is tried again with 0.5."
    assert notices == ([more] if share == 0.5 else [])
    assert (file.read_text() == remembered) == (share == 0.25)


# The measuring


@pytest.mark.slow
def test_trials_are_measured_while_all_of_them_train(tmp_path):
    few = trial(training={"batch_size": 32, "epochs": 100_000, "milestones": []})

    def run(configuration, count):
        return probe.side_by_side(configuration, count, data=tmp_path, device="cpu")

    found = GpuBench(GpuDevice("this CPU", 100_000), 2, run)
    shares = GpuShares(AUTO)
    shares.measure_missing([few], found, say=lambda _: None)
    one, two = (shares.figures[cost_class(few)][n] for n in (1, 2))
    assert one.epochs_per_second > 0 and two.epochs_per_second > 0
    assert 100 < one.taken_mb < 100_000
    assert shares.share_of(cost_class(few)) in (0.5, 1.0)


def test_an_error_of_one_trial_ends_the_measurement_of_all(tmp_path):
    missing = trial(dataset={"name": "image_folder", "path": "nowhere"})
    with pytest.raises(TrialProbeError, match="must hold a folder of images for each class"):
        probe.side_by_side(missing, 2, data=tmp_path, device="cpu")


class TwoFailures:
    """Processes of which the first fails of one thing and the second of another."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def __call__(self, *args, **named):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def submit(self, *args):
        future = Future()
        error = self.errors.pop(0)
        future.set_exception(error) if error else future.set_result("a probe")
        return future


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ((torch.OutOfMemoryError("no room"), BrokenBarrierError()), None),
        ((RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), None), None),
        ((BrokenBarrierError(), torch.AcceleratorError("CUDA error: out of memory")), None),
        ((torch.OutOfMemoryError("no room"), MemoryError()), "MemoryError: no message"),
        ((BrokenBarrierError(), ValueError("wrong")), "ValueError: wrong"),
        ((TrialProbeError("own.py:3: no room", "gpu_memory"), BrokenBarrierError()), None),
        ((BrokenBarrierError(), TrialProbeError("own.py:3: wrong")), "own.py:3: wrong"),
        ((BrokenBarrierError(), BrokenBarrierError()), "not all trials were ready within 300 s"),
    ],
)
def test_trials_do_not_fit_where_the_gpus_memory_ran_out_and_nothing_else(
    monkeypatch, tmp_path, errors, raised
):
    monkeypatch.setattr(probe, "ProcessPoolExecutor", TwoFailures(*errors))
    if raised is None:
        assert probe.side_by_side(SMALL, 2, data=tmp_path, device="cpu") == []
        return
    with pytest.raises(TrialProbeError) as told:
        probe.side_by_side(SMALL, 2, data=tmp_path, device="cpu")
    assert str(told.value) == raised
    assert pickle.loads(pickle.dumps(told.value)).cause == told.value.cause


def own_trial_that_fails(tmp_path):
    """A configuration whose method fails in its training step, and the file and line of that."""
    file = tmp_path / "methods.py"
    file.write_text(NOISE.replace("settings.sigma", "settings.sgma"))
    lines = file.read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "settings.sgma" in text)
    own = plugins.set_with([find_file(file)], beside=plugins.known_set())
    plugins.know_only(own)
    return trial(regularizer={"name": "own_noise"}), f"{file}:{line}: AttributeError: "


@pytest.fixture
def known_before():
    before = plugins.known_set()
    yield
    plugins.know_only(before)


@pytest.mark.usefixtures("known_before")
def test_an_own_method_that_fails_while_it_is_measured_is_told_in_a_line_with_its_place(tmp_path):
    own, place = own_trial_that_fails(tmp_path)
    run = partial(probe.side_by_side, data=tmp_path, device="cpu")
    with pytest.raises(ShareError) as told:
        GpuShares(AUTO).measure_missing([own], bench(run=run), say=lambda _: None)
    said = str(told.value)
    assert "lenet on digits, own_noise, batches of 32" in said and "does not train: " in said
    assert place in said and "sgma" in said and "\n" not in said


@pytest.fixture
def cluster():
    """A local Ray that believes in a GPU."""
    import ray

    from study.execution.cluster import RayCluster

    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield RayCluster(existing=False, head="", dashboard=None, token=False)
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("known_before")
def test_a_measurement_is_a_task_that_has_a_gpu_of_the_cluster_to_itself(cluster, tmp_path):
    (node,) = cluster.nodes()
    probes = cluster._on_gpu(node, probe.side_by_side, SMALL, 2, data=tmp_path, device="cpu")
    assert len(probes) == 2 and all(found.epoch_seconds > 0 for found in probes)
    own, place = own_trial_that_fails(tmp_path)
    failing = ProbedTrial.of(own)
    with pytest.raises(TrialProbeError, match=re.escape(place)) as told:
        cluster._on_gpu(node, probe.side_by_side, failing, 1, data=tmp_path, device="cpu")
    assert "\n" not in str(told.value)
    if not torch.cuda.is_available():
        with pytest.raises(Exception, match="has 2 CPUs, 1 GPU, but PyTorch finds no GPU there"):
            cluster.bench(tmp_path, cpus=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_trials_are_measured_on_a_gpu(tmp_path: Path):
    card = first_gpu()

    def run(configuration, count):
        return probe.side_by_side(configuration, count, data=tmp_path, device="cuda")

    shares = GpuShares(AUTO)
    shares.measure_missing([SMALL], GpuBench(card, 4, run), say=print)
    known = shares.figures[cost_class(SMALL)]
    assert known[1].peak_mb < known[1].taken_mb < card.memory_mb
    assert 0 < shares.share_of(cost_class(SMALL)) <= 1

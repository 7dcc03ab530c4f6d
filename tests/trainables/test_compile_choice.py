"""`compile: auto`: what is chosen, what is remembered of it, that measuring it changes no bit."""

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch

from tests.benchmarks.cases import can_compile
from tests.trainables.test_trainable import assigned
from trainables import compile_choice, probe
from trainables.compile_choice import StepTimes, TimesFile
from trainables.configuration import parse_configuration
from trainables.recipe import TrainingSettings
from trainables.trainable import TrialTrainable
from trainables.training import Trainer
from trainables.training_step import StepCache, TrainingStep

FASTER, SLOWER = 0.5, 1.5
"""Seconds of a compiled step where another takes 1."""


class Clock:
    """Stands for the clock: says what a step takes, and counts how often it is asked."""

    def __init__(self, compiled: float, eager: float = 1.0) -> None:
        self.compiled, self.eager, self.asked = compiled, eager, 0

    def __call__(self, step: TrainingStep, *batch: torch.Tensor, count: int) -> float:
        self.asked += 1
        return self.compiled if step.compiled else self.eager


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """Remember things below a folder of the test's own."""
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "compile"
    torch.use_deterministic_algorithms(False)  # an actor is


@pytest.fixture
def clock(monkeypatch):
    """Return what sets the clock."""

    def set_clock(compiled: float, eager: float = 1.0) -> Clock:
        made = Clock(compiled, eager)
        monkeypatch.setattr(compile_choice, "time_steps", made)
        return made

    return set_clock


def trial(*, regularizer: str = "lamix", batch: int = 32, **training: object) -> dict:
    """Return a trial of 4 whole batches an epoch, 800 in all."""
    return {
        "dataset": {"name": "digits", "train_images": 140, "test_images": 50, "validation": 0},
        "network": {"name": "lenet"},
        "regularizer": {"name": regularizer},
        "training": {
            "epochs": 200, "batch_size": batch, "milestones": [], "compile": "auto", **training
        },
    }  # fmt: skip


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("compiled", "chosen"), [(FASTER, True), (SLOWER, False), (0.94, True), (0.97, False)]
)
def test_auto_compiles_where_compiled_steps_are_clearly_faster(clock, compiled, chosen):
    clock(compiled)
    assert Trainer(trial()).compiled is chosen


def test_auto_compiles_where_the_whole_training_gains_more_than_the_compiler_takes(clock):
    clock(0.18, eager=0.2)
    assert Trainer(trial()).compiled is False  # it saves 16 of 160 s
    assert Trainer(trial(epochs=300)).compiled is True  # and 24 of 240 s


@pytest.mark.parametrize("setting", [True, False])
def test_a_trial_that_is_told_measures_nothing(clock, folder, setting):
    asked = clock(FASTER)
    trainer = Trainer(trial(compile=setting))
    assert trainer.compiled is setting and not trainer.notice
    assert asked.asked == 0 and files(folder) == []


@pytest.mark.parametrize("value", ["yes", "Auto", 1, 0, None, "true", ["auto"]])
def test_anything_but_the_three_is_refused(value):
    with pytest.raises(pydantic.ValidationError):
        TrainingSettings(compile=value)


def test_what_is_remembered_is_not_measured_again(clock, folder):
    asked = clock(SLOWER)
    Trainer(trial())
    measured = asked.asked
    assert measured > 2 * compile_choice.TURNS and len(files(folder)) == 1
    assert Trainer(trial(), seed=7).compiled is False
    assert asked.asked == measured


def test_a_process_tries_its_compiler_once_where_compiled_steps_are_remembered_as_faster(clock):
    asked = clock(FASTER)
    Trainer(trial())
    measured, warmth = asked.asked, StepCache()
    for seed in range(3):
        assert Trainer(trial(), seed=seed, warmth=warmth).compiled is True
    assert asked.asked == measured + 1


def other_threads(monkeypatch) -> dict:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    return trial()


def other_device(monkeypatch) -> dict:
    monkeypatch.setattr(compile_choice, "device_name", lambda device: "another CPU")
    return trial()


def other_torch(monkeypatch) -> dict:
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    return trial()


@pytest.mark.parametrize(
    "other",
    [
        other_threads,
        other_device,
        other_torch,
        lambda _: trial(precision="bf16"),
        lambda _: trial(batch=35),
        lambda _: trial(regularizer="mixup"),
        lambda _: trial(momentum=0.0),
        lambda _: {**trial(), "network": {"name": "preact_resnet18", "width": 4}},
    ],
)
def test_what_changes_the_speed_of_a_step_is_measured_anew(clock, folder, monkeypatch, other):
    asked = clock(SLOWER)
    Trainer(trial())
    measured = asked.asked
    Trainer(other(monkeypatch))
    assert asked.asked == 2 * measured and len(files(folder)) == 2


@pytest.mark.parametrize(
    "other",
    [
        trial(epochs=300, learning_rate=0.3, milestones=[9]),
        trial(momentum=0.5, weight_decay=1e-3),
        {**trial(), "regularizer": {"name": "lamix", "beta": 0.2, "smoothing": 0.1}},
        {**trial(), "dataset": {**trial()["dataset"], "train_images": 200}},
    ],
)
def test_what_leaves_the_speed_of_a_step_is_not_measured_anew(clock, folder, other):
    clock(SLOWER)
    Trainer(trial())
    again = clock(SLOWER)
    Trainer(other)
    assert again.asked == 0 and len(files(folder)) == 1


def test_a_training_of_few_steps_is_neither_measured_nor_compiled(clock, folder):
    asked = clock(FASTER)
    assert Trainer(trial(epochs=124)).compiled is False  # 496 whole batches
    assert asked.asked == 0 and files(folder) == []


def test_a_training_without_a_whole_batch_is_not_compiled(clock):
    asked = clock(FASTER)
    assert Trainer(trial(batch=256, epochs=9999)).compiled is False
    assert asked.asked == 0


def test_a_short_training_is_not_compiled_and_nothing_is_remembered(clock, folder):
    asked = clock(0.01, eager=0.1)  # 80 s
    assert Trainer(trial()).compiled is False
    assert asked.asked == 2 and files(folder) == []


def test_a_short_training_is_not_compiled_by_what_a_long_one_has_left(clock):
    clock(0.01, eager=0.1)
    assert Trainer(trial(epochs=400)).compiled is True  # 160 s
    asked = clock(0.01, eager=0.1)
    assert Trainer(trial()).compiled is False
    assert asked.asked == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"seconds": "x"}',
        '{"seconds": {"eager": 1}}',
        '{"seconds": {"eager": 1, "compiled": 0}}',
    ],
)
def test_a_damaged_file_is_measured_anew_and_mended(clock, folder, content):
    clock(SLOWER)
    Trainer(trial())
    (file,) = files(folder)
    whole = file.read_text()
    file.write_text(content)
    asked = clock(SLOWER)
    assert Trainer(trial()).compiled is False
    assert asked.asked > 0 and file.read_text() == whole


def test_where_nothing_can_be_written_a_trial_chooses_all_the_same(clock, folder, caplog):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file stands in the way")
    clock(FASTER)
    assert Trainer(trial()).compiled is True
    assert "the next trial measures again" in caplog.text


def test_whoever_is_second_takes_what_was_written_first(folder):
    first, second = (TimesFile({"device": "one"}) for _ in range(2))
    assert first.read() is None
    assert first.write(StepTimes(1.0, 0.5)) == StepTimes(1.0, 0.5)
    assert second.write(StepTimes(1.0, 2.0)) == StepTimes(1.0, 0.5)
    assert second.read() == StepTimes(1.0, 0.5)
    assert files(folder) == [first.path]
    assert json.loads(first.path.read_text())["of"] == {"device": "one"}


def fail_to_compile(step: TrainingStep, *batch: torch.Tensor, count: int) -> float:
    if step.compiled:
        raise RuntimeError(f"No working C++ compiler found\n{'x' * 1000}")
    return 1.0


@pytest.mark.parametrize("remembered", [False, True])
def test_a_compiler_that_fails_leaves_a_trial_uncompiled_and_told(
    clock, folder, monkeypatch, remembered
):
    if remembered:
        clock(FASTER)
        Trainer(trial())
    before = files(folder)
    monkeypatch.setattr(compile_choice, "time_steps", fail_to_compile)
    trainer = Trainer(trial())
    assert trainer.compiled is False
    assert "compile: auto` leaves trials uncompiled" in trainer.notice
    assert "RuntimeError: No working C++ compiler found x" in trainer.notice
    assert len(trainer.notice) < 400
    assert files(folder) == before


def test_the_next_trial_has_no_step_that_is_not_as_chosen(clock):
    warmth = StepCache()
    clock(SLOWER)
    plain = Trainer(trial(), warmth=warmth).step
    assert Trainer(trial(), seed=1, warmth=warmth).step is plain
    assert Trainer(trial(compile=False), warmth=warmth).step is plain
    compiled = Trainer(trial(compile=True), warmth=warmth).step
    assert compiled is not plain and compiled.compiled


def measured(trainer: Trainer, epochs: int = 2) -> list[float]:
    return [trainer.train_epoch().train_loss for _ in range(epochs)]


def test_a_trial_goes_on_as_it_began(clock):
    clock(SLOWER)
    before = Trainer(trial(), seed=1)
    before.train_epoch()
    state = copy.deepcopy(before.state_dict())
    assert state["compiled"] is False
    clock(FASTER)
    after = Trainer(trial(precision="fp32", learning_rate=0.1), seed=1)
    after.load_state_dict(state)
    assert after.compiled is False
    assert measured(after) == measured(before)
    assert before.state_dict()["compiled"] is False


def test_a_trial_that_began_compiled_elsewhere_goes_on_so(clock, monkeypatch):
    clock(FASTER)
    state = Trainer(trial(), seed=1).state_dict()
    monkeypatch.setattr(compile_choice, "time_steps", fail_to_compile)
    after = Trainer(trial(), seed=1)
    assert not after.compiled and after.notice
    after.load_state_dict(state)
    assert after.compiled and not after.notice


@pytest.mark.parametrize("setting", [True, False])
def test_an_older_checkpoint_goes_on_as_its_setting_says(setting):
    state = Trainer(trial(compile=setting), seed=1).state_dict()
    del state["compiled"]
    after = Trainer(trial(compile=setting), seed=1)
    after.load_state_dict(state)
    assert after.compiled is setting


@pytest.mark.parametrize("compiled", [FASTER, SLOWER])
def test_a_result_says_whether_the_trial_is_compiled(clock, monkeypatch, tmp_path, compiled):
    clock(compiled)
    actor = TrialTrainable(assigned(trial(), tmp_path))
    monkeypatch.setattr(actor.trainer, "train_epoch", lambda **_: None)
    assert actor.step()["compiled"] is actor.trainer.compiled is (compiled == FASTER)


@pytest.mark.parametrize(("epochs", "compiled"), [(100, False), (200, True)])
def test_a_probe_compiles_what_the_trial_would(clock, monkeypatch, tmp_path, epochs, compiled):
    clock(FASTER)
    made = []
    monkeypatch.setattr(probe, "_warm_up", made.append)
    monkeypatch.setattr(probe, "_epoch_seconds", lambda trainer: 1.0)
    settings = parse_configuration(trial(epochs=epochs))
    probe.probe_trial(settings, data=tmp_path, device="cpu", threads=1)
    (trainer,) = made
    assert trainer.compiled is compiled
    assert trainer.configuration.training.epochs == probe.ENDLESS


class Draws:
    """What the process draws next, from each of its generators."""

    def __enter__(self) -> None:
        self.before = self.now()

    def __exit__(self, *error: object) -> None:
        assert self.now() == self.before

    def now(self) -> list[object]:
        legacy = np.random.get_state()[1].tolist()  # noqa: NPY002  # what users' own code draws from
        return [torch.get_rng_state().tolist(), random.getstate(), legacy]


def test_measuring_draws_nothing_that_the_trial_would_miss(clock, monkeypatch):
    class Drawing(Clock):
        def __call__(self, *args, **kwargs):
            torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002  # as users' code may
            return super().__call__(*args, **kwargs)

    monkeypatch.setattr(compile_choice, "time_steps", Drawing(SLOWER))
    Trainer(trial(compile=False))  # imports what reads the data, which may draw
    with Draws():
        Trainer(trial())


@pytest.fixture(scope="module")
def own_compilations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile for these tests alone, nothing that a run before them has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("own_compilations")
@pytest.mark.skipif(not can_compile(), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("regularizer", ["lamix", "manifold_mixup"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_trial_that_measured_is_bitwise_one_that_was_told(
    monkeypatch, folder, regularizer, compiled
):
    monkeypatch.setattr(compile_choice, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(compile_choice, "GAIN", 0.0)
    monkeypatch.setattr(compile_choice, "COMPILER_SECONDS", -1e9 if compiled else 1e9)
    # First, for to read the data imports packages that draw as they are imported.
    told = Trainer(trial(regularizer=regularizer, compile=compiled), seed=3)
    with Draws():
        chosen = Trainer(trial(regularizer=regularizer), seed=3)
    assert not chosen.notice
    assert chosen.compiled is compiled
    assert len(files(folder)) == 1
    assert measured(chosen, 3) == measured(told, 3)
    for left, right in zip(chosen.network.parameters(), told.network.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.slow
def test_without_a_compiler_a_trial_trains_uncompiled(tmp_path):
    program = (
        "from tests.trainables.test_compile_choice import *\n"
        "compile_choice.SHORT_SECONDS = 0.0\n"
        "trainer = Trainer(trial(), seed=3)\n"
        "print(json.dumps([trainer.compiled, trainer.notice, measured(trainer)]))"
    )
    environment = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "none")}
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    compiled, notice, losses = json.loads(printed.splitlines()[-1])
    assert compiled is False and "no-such-compiler" in notice
    assert losses == measured(Trainer(trial(compile=False), seed=3))

"""The probe: it is warm before it measures, and never trains a trial to its end."""

import time

import pytest

from trainables import probe
from trainables.configuration import parse_configuration
from trainables.training import Trainer


def configuration(regularizer: dict, **training: object):
    return parse_configuration(
        {
            "dataset": {"name": "digits", "train_images": 120, "test_images": 20},
            "network": {"name": "lenet"},
            "regularizer": regularizer,
            "training": {"epochs": 1, "batch_size": 32, "milestones": [], **training},
        }
    )


class Recordings:
    """Takes the fourth step of a variant for recorded, as on a GPU."""

    def __init__(self, step):
        self.step, self.replays, self.computed = step, {}, {}

    def train(self, images_NCHW, labels_N, variant):
        if len(labels_N) == self.step.batch_size:
            self.computed[variant] = self.computed.get(variant, 0) + 1
            if self.computed[variant] > 3:
                self.replays[variant] = True


@pytest.fixture
def recorded(monkeypatch):
    """Return a trainer whose steps are counted in place of being computed."""

    def build(regularizer, **training):
        trainer = Trainer(probe._endless(configuration(regularizer, **training)), device="cpu")
        recordings = Recordings(trainer.step)
        seed_of = trainer.step.generator.initial_seed

        def step(images_NCHW, labels_N, *, step):
            variant = trainer.regularizer.variant(step, seed=seed_of())
            recordings.train(images_NCHW, labels_N, variant)

        trainer.step.recordings = recordings
        monkeypatch.setattr(trainer, "step", _Counted(trainer.step, step))
        return trainer, recordings

    return build


class _Counted:
    def __init__(self, real, step):
        self.__dict__["_real"], self.__dict__["_step"] = real, step

    def __getattr__(self, name):
        return getattr(self._real, name)

    def __call__(self, *args, **named):
        self._step(*args, **named)


@pytest.mark.parametrize(
    ("regularizer", "variants"),
    [
        ({"name": "vanilla"}, 1),
        ({"name": "lamix"}, 2),
        ({"name": "lamix", "mixing": "puzzlemix"}, 5),
        ({"name": "puzzlemix"}, 4),
    ],
)
def test_it_measures_once_every_variant_of_a_step_is_recorded(recorded, regularizer, variants):
    trainer, recordings = recorded(regularizer)
    probe._warm_up(trainer)
    assert len(recordings.replays) == variants


def test_steps_that_are_never_recorded_do_not_hold_it_up(recorded):
    trainer, recordings = recorded({"name": "vanilla"}, batch_size=128)  # 120 images
    started = time.perf_counter()
    probe._warm_up(trainer)
    assert recordings.computed == {} and time.perf_counter() - started < 5


def test_a_variant_that_stays_away_is_waited_for_no_longer_than_that(recorded, monkeypatch):
    monkeypatch.setattr(probe, "MOST_WARM_UP_SECONDS", 0.2)
    trainer, recordings = recorded({"name": "lamix"})
    monkeypatch.setattr(recordings, "train", lambda *args: None)
    probe._warm_up(trainer)
    assert recordings.replays == {} and not trainer.finished


def test_a_trial_of_one_epoch_is_measured_as_a_long_one_is(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.5)
    short, long = (
        probe.probe_trial(
            configuration({"name": "vanilla"}, epochs=epochs), data=tmp_path, device="cpu"
        )
        for epochs in (1, 100)
    )
    assert short.epoch_seconds == pytest.approx(long.epoch_seconds, rel=0.9)


def test_a_schedule_that_depends_on_the_epochs_is_no_obstacle():
    scaled = configuration({"name": "vanilla"}, recipe="section_3_1_scaled", schedule="cosine",
                           milestones=[0, 0], epochs=1)  # fmt: skip
    assert probe._endless(scaled).training.epochs == probe.ENDLESS

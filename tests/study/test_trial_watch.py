"""Trials that nothing is heard of, and trials that memory does not hold side by side."""

from pathlib import Path

import pytest
import yaml

from study.file.problems import StudyFileError
from study.file.resolved import ResolvedStudy, load_study
from study.scheduling.memory_room import WAIT_SECONDS, MemoryRoom, trials_that_fit
from study.scheduling.silence import SilenceWatch
from study.scheduling.trial_watch import TrialWatch
from study.trials import Trial
from tests.study.sample import epochs_of, study_data
from trainables.configuration import parse_configuration

SMALL = parse_configuration(
    {
        "dataset": {"name": "digits"},
        "network": {"name": "lenet"},
        "regularizer": {"name": "vanilla"},
        "training": {"epochs": 3, "batch_size": 50, "learning_rate": 0.1},
    }
)


def a_trial(seed: int = 0) -> Trial:
    return Trial(
        key=f"key{seed}",
        configuration=SMALL,
        configuration_key="configuration",
        seed=seed,
        number=0,
        point={"regularizer.beta": 0.5},
        data="data",
    )


def study_with(folder: Path, *hours: object) -> ResolvedStudy:
    """Return a study whose trials time out after so many hours, if any are given."""
    data = study_data()
    if hours:
        data["resources"] = {"trial_timeout": hours[0]}
    file = folder / "sample.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_study(file)


def test_a_silence_of_many_epochs_is_told_once_and_again_after_news():
    watch, trial = SilenceWatch(None), a_trial()
    watch.note_news(trial, 0.0)
    watch.note_news(trial, 30.0, [30.0])
    assert watch.notices(30.0 + 299) == []
    (said,) = watch.notices(30.0 + 301)
    assert "Nothing is heard of beta=0.5 seed=0 for 5 min; an epoch usually takes 30.0 s" in said
    assert "resources.trial_timeout" in said
    assert watch.notices(900.0) == []
    watch.note_news(trial, 1000.0)
    assert watch.notices(1010.0) == [] and len(watch.notices(1400.0)) == 1


def test_a_short_silence_is_nothing_to_speak_of_and_the_first_news_may_take_longer():
    watch, trial, other = SilenceWatch(None), a_trial(), a_trial(1)
    watch.note_news(trial, 0.0)
    assert watch.notices(599.0) == [] and len(watch.notices(601.0)) == 1
    watch.note_news(other, 1000.0, [0.1])
    assert watch.notices(1119.0) == [] and len(watch.notices(1121.0)) == 1


def test_a_trial_is_given_up_after_the_timeout_and_only_while_it_is_under_way():
    watch, trial, other = SilenceWatch(0.5), a_trial(), a_trial(1)
    watch.note_news(trial, 0.0)
    watch.note_news(other, 0.0)
    watch.note_news(other, 1700.0)
    assert watch.given_up(1799.0) == []
    assert watch.given_up(1801.0) == [trial]
    watch.forget(trial)
    assert watch.given_up(1801.0) == []
    assert SilenceWatch(None).given_up(1e9) == []


def test_a_driver_that_slept_itself_gives_no_trial_up():
    watch, trial = SilenceWatch(0.5), a_trial()
    watch.note_news(trial, 0.0)
    watch.look(0.0)
    watch.look(10_000.0)
    assert watch.given_up(10_000.0) == []
    for now in range(10_000, 11_900, 10):
        watch.look(float(now))
    assert watch.given_up(11_900.0) == [trial]


@pytest.mark.parametrize("hours", [0, -1, 1e-9, 1e9, "soon", True])
def test_a_timeout_that_cannot_be_meant_is_refused(tmp_path, hours):
    with pytest.raises(StudyFileError, match=": resources.trial_timeout"):
        study_with(tmp_path, hours)


def test_a_timeout_is_a_number_of_hours_or_none(tmp_path):
    assert study_with(tmp_path, 2).resources.trial_timeout == 2
    assert study_with(tmp_path, None).resources.trial_timeout is None
    assert study_with(tmp_path).resources.trial_timeout is None


# Memory


@pytest.mark.parametrize(
    ("granted", "peak", "fit"), [(9500.0, 1000.0, 8), (2000.0, 1000.0, 1), (9500.0, 0.0, 1)]
)
def test_memory_holds_so_many_beside_ray_and_at_least_one(granted, peak, fit):
    assert trials_that_fit(granted, peak) == fit


def test_a_peak_that_memory_does_not_hold_for_all_places_is_told_and_kept_to():
    room = MemoryRoom(4500.0)
    assert room.note_peak(500.0, places=4) == "" and room.has_room(100, 0.0)
    said = room.note_peak(1400.0, places=4)
    assert "4,500 MB of memory hold 2 side by side; the CPUs have room for 4" in said
    assert room.has_room(1, 0.0) and not room.has_room(2, 0.0)
    assert room.note_peak(1300.0, places=4) == ""


def test_what_a_cluster_has_is_not_known():
    assert MemoryRoom(None).note_peak(1e6, places=4) == ""


def test_each_kill_for_lack_of_memory_lets_fewer_run_after_a_while():
    room = MemoryRoom(None)
    assert room.note_killed(4, 100.0)
    assert room.most == 3
    assert not room.has_room(2, 100.0 + WAIT_SECONDS - 1) and room.has_room(2, 100.0 + WAIT_SECONDS)
    assert room.note_killed(3, 200.0) and room.most == 2
    assert room.note_killed(2, 300.0) and room.most == 1
    assert not room.note_killed(1, 400.0) and room.most == 1


class Running:
    """A scheduler, as the watch sees it."""

    def __init__(self, study, running):
        self.study, self.running = study, running


def watch_over(study, running, clock, notices, granted_mb=None):
    return TrialWatch(
        Running(study, running), notices.append, granted_mb=granted_mb, clock=lambda: clock[0]
    )


def test_an_attempt_that_is_ended_for_its_silence_says_so(tmp_path):
    trial, clock, notices = a_trial(), [0.0], []
    watch = watch_over(study_with(tmp_path, 0.01), [trial], clock, notices)
    watch.note_begun(trial)
    clock[0] = 30.0
    assert (
        watch.look() == [] and watch.describe_end(trial, "its process died") == "its process died"
    )
    clock[0] = 37.0
    assert watch.look() == [trial]
    failure = watch.describe_end(trial, "its process died")
    assert failure == (
        "TrialTimeoutError: nothing was heard of the trial for 0.01 h (resources.trial_timeout)"
    )
    assert notices[-1].startswith("beta=0.5 seed=0: nothing was heard")


def test_a_trial_that_is_killed_beside_others_is_no_failure_and_alone_it_is(make):
    trial, other, notices = a_trial(), a_trial(1), []
    watch = watch_over(make(), [trial, other], [0.0], notices)
    assert watch.make_room(trial)
    assert notices == [
        "beta=0.5 seed=0 was killed for lack of memory, 2 trials side by side being too many. "
        "It is tried again, with at most 1 side by side."
    ]
    alone = watch_over(make(), [trial], [0.0], notices)
    assert not alone.make_room(trial) and len(notices) == 1


def test_the_peak_of_a_trial_on_a_gpu_says_nothing_of_the_machines_memory(make):
    trial, notices = a_trial(), []
    watch = watch_over(make(), [trial], [0.0], notices, granted_mb=2000.0)
    trial.gpus = 0.5
    watch.note_epochs(trial, epochs_of([50.0]), places=8)
    assert notices == []
    trial.gpus = 0.0
    watch.note_epochs(trial, epochs_of([50.0]), places=8)
    assert "hold 1 side by side" in notices[0]

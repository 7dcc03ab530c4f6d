"""The driver goes on while the search chooses the next configuration."""

import threading

import pytest
import threadpoolctl
import torch  # noqa: F401  # brings OpenMP's threads

from study.scheduling.asking import asking_aside
from study.trials import ConfigurationResult, Suggestion
from tests.study.test_scheduler import begun_scheduler, finish, judged, run

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
RUNNING = ConfigurationResult("running")


class SlowSearch:
    """Chooses once it may."""

    def __init__(self, ask):
        self.ask_now = ask
        self.may_answer, self.is_asked = threading.Event(), threading.Event()

    def ask(self):
        self.is_asked.set()
        assert self.may_answer.wait(30)
        return self.ask_now()


def suggestions():
    numbers = iter(range(100))
    return lambda: Suggestion(next(numbers), {}, RUNNING)


def test_a_quick_answer_is_there_at_once():
    with asking_aside(suggestions()) as asker:
        assert [asker.next_suggestion(patient=False).number for _ in range(3)] == [0, 1, 2]


def test_a_slow_answer_is_no_answer_yet_and_asked_for_once():
    search = SlowSearch(suggestions())
    with asking_aside(search.ask) as asker:
        assert [asker.next_suggestion(patient=False) for _ in range(3)] == [None] * 3
        search.may_answer.set()
        assert asker.next_suggestion(patient=True).number == 0
        assert asker.next_suggestion(patient=False).number == 1


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
def test_an_error_of_the_search_is_the_answer(error):
    def refuse():
        raise error("no")

    with asking_aside(refuse) as asker, pytest.raises(error, match="no"):
        asker.next_suggestion(patient=False)


def test_the_end_waits_for_a_choice_under_way():
    search, ended = SlowSearch(suggestions()), threading.Event()

    def ask_and_end():
        with asking_aside(search.ask) as asker:
            asker.next_suggestion(patient=False)
        ended.set()

    thread = threading.Thread(target=ask_and_end)
    thread.start()
    assert search.is_asked.wait(30) and not ended.wait(0.3)
    search.may_answer.set()
    assert ended.wait(30)
    thread.join()


def test_trials_go_on_while_the_search_chooses(make, storage):
    scheduler = begun_scheduler(make(sampler="tpe", configurations=2, seeds=1), storage())
    search = SlowSearch(scheduler.search.ask)
    first = scheduler.hand_out_trial()
    with asking_aside(search.ask) as scheduler.asker:
        assert scheduler.hand_out_trial() is None and not scheduler.is_finished
        run(scheduler, first, [5.0] * 4)
        assert [each.values for each in judged(scheduler)] == [(5.0,)]
        search.may_answer.set()
        second = scheduler.hand_out_trial()  # nothing runs, so that the choice is waited for
        assert (second.number, second.seed) == (1, 0)
        run(scheduler, second, [6.0] * 4)
    assert scheduler.is_finished and [each.values for each in judged(scheduler)] == [(5.0,), (6.0,)]


def test_a_choice_under_way_is_of_the_study_though_the_study_could_end_without_it(
    make, storage, monkeypatch
):
    scheduler = begun_scheduler(make(sampler="tpe", configurations=3, seeds=1), storage())
    search = SlowSearch(scheduler.search.ask)
    first = scheduler.hand_out_trial()
    with asking_aside(search.ask) as scheduler.asker:
        assert scheduler.hand_out_trial() is None
        run(scheduler, first, [5.0] * 4)
        for name in ("is_complete", "is_finished"):  # as by a search that has settled
            monkeypatch.setattr(type(scheduler.looks), name, True)
        assert not scheduler.is_finished
        search.may_answer.set()
        second = scheduler.hand_out_trial()
        assert second.number == 1 and scheduler.asker.is_choosing is False
        run(scheduler, second, [6.0] * 4)
        assert scheduler.is_finished and scheduler.hand_out_trial() is None


def test_the_thread_leaves_the_cores_to_the_trials():
    def count_threads():
        infos = threadpoolctl.threadpool_info()
        counts = [each["num_threads"] for each in infos if each["user_api"] == "openmp"]
        return Suggestion(max(counts), {}, RUNNING)

    with threadpoolctl.threadpool_limits(2), asking_aside(count_threads) as asker:
        assert asker.next_suggestion(patient=True).number == 1


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_one_after_another_the_configurations_are_those_without_a_thread(make, storage, sampler):
    study = make(sampler=sampler, configurations=4, seeds=1)
    alone, aside = (begun_scheduler(study, storage()) for _ in range(2))
    finish(alone, lambda trial: 10.0 + trial.number)
    with asking_aside(aside.search.ask) as aside.asker:
        finish(aside, lambda trial: 10.0 + trial.number)
    points = [each.point for each in alone.search.asked()]
    assert points == [each.point for each in aside.search.asked()] and len(points) == 4

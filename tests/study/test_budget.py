"""What a launch may spend: hours, GPU-hours, trials and failures."""

import math

import pytest

from study.file.budget_flag import BudgetFlagError, budget_overrides
from study.file.evidence import LaunchBudget
from study.file.resolved import load_study
from study.launching.estimate import PlannedWork
from study.launching.outlook import budget_lines, fitting_trials
from study.scheduling.budget import BudgetMeter
from study.scheduling.failed_attempts import RETRIES
from study.scheduling.progress import describe_left, describe_spent, trial_counts
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from tests.study.sample import epochs_of
from tests.study.test_scheduler import ListedRecord, finish, run


class Clock:
    """A clock that a test sets, in hours."""

    hours = 0.0

    def __call__(self):
        return self.hours * 3600


@pytest.fixture
def begun(make, storage):
    """A scheduler with a budget and the clock of its meter."""

    def begun(budget, **options):
        study, clock = make(**options), Clock()
        scheduler = StudyScheduler(
            study,
            open_optuna_study(study, storage()),
            ListedRecord(),
            data_of=lambda configuration: "feed",
            provenance={},
            meter=BudgetMeter(LaunchBudget(**budget), clock=clock),
        )
        return scheduler, clock

    return begun


# Hours


def test_no_trial_begins_once_the_hours_are_spent(begun):
    scheduler, clock = begun({"hours": 2}, configurations=2, seeds=2)
    run(scheduler, scheduler.hand_out_trial(), [5.0] * 4)
    clock.hours = 2.0
    assert scheduler.hand_out_trial() is None
    assert scheduler.stopping
    assert not scheduler.is_finished
    assert describe_spent(scheduler) == "The budget is spent: 2 of 2 hours."
    assert describe_left(scheduler) == "1 of 4 trials is done; 3 are left."


def test_the_end_of_an_epoch_past_the_hours_stops_the_trial_that_runs(begun):
    scheduler, clock = begun({"hours": 2}, configurations=1, seeds=1)
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    first, second = epochs_of([9.0, 8.0])
    clock.hours = 1.9
    scheduler.note_epochs(trial, [first], device="cpu")
    assert not scheduler.stopping
    clock.hours = 2.1
    scheduler.note_epochs(trial, [second], device="cpu")
    assert scheduler.stopping  # the runner then saves and pauses what runs, as on Ctrl-C
    scheduler.note_interrupted(trial)
    assert trial.cut_off
    assert describe_left(scheduler) == "0 of 1 trial are done; 1 is left, 1 of them cut off."


def test_a_study_that_ends_within_its_budget_says_nothing_of_it(begun):
    scheduler, clock = begun({"hours": 2, "trials": 2}, configurations=1, seeds=2)
    finish(scheduler, lambda trial: 5.0)
    clock.hours = 3.0
    assert scheduler.hand_out_trial() is None
    assert scheduler.is_finished
    assert describe_spent(scheduler) == ""


def test_gpu_hours_are_hours_times_shares_of_trials_under_way_and_at_rest(begun):
    scheduler, clock = begun({"gpu_hours": 1}, configurations=1, seeds=3)
    first, second = scheduler.hand_out_trial(), scheduler.hand_out_trial()
    first.gpus, second.gpus = 0.5, 0.25
    scheduler.note_begun(first)
    clock.hours = 0.8
    scheduler.note_begun(second)
    scheduler.note_lost(first)
    assert scheduler.meter.gpu_hours == pytest.approx(0.4)
    clock.hours = 2.8
    assert scheduler.meter.gpu_hours == pytest.approx(0.4 + 0.5)
    assert not scheduler.meter.is_time_spent()
    clock.hours = 3.3
    assert scheduler.hand_out_trial() is None
    assert describe_spent(scheduler) == "The budget is spent: 1.02 of 1 GPU-hour."


# Trials


def test_so_many_trials_are_begun_and_those_begun_train_to_their_end(begun):
    scheduler, _ = begun({"trials": 2}, configurations=2, seeds=2)
    first, second = scheduler.hand_out_trial(), scheduler.hand_out_trial()
    assert scheduler.hand_out_trial() is None
    assert not scheduler.stopping
    run(scheduler, first, [5.0] * 4)
    scheduler.note_begun(second)
    assert scheduler.note_failed(second, "ValueError: once")  # tried again within the budget
    run(scheduler, scheduler.hand_out_trial(), [5.0] * 4)
    assert scheduler.hand_out_trial() is None
    assert scheduler.stopping
    assert describe_spent(scheduler) == "The budget is spent: 2 of 2 trials begun."
    assert trial_counts(scheduler) == (2, 4)


# Failures


def fail_all(scheduler, failure):
    """Fail every attempt; return the trials that were attempted, in order."""
    attempted = []
    while (trial := scheduler.hand_out_trial()) is not None:
        attempted.append(trial)
        scheduler.note_begun(trial)
        scheduler.note_failed(trial, failure(trial))
    return attempted


def test_a_study_in_which_nothing_succeeds_ends_after_so_many_attempts(begun):
    scheduler, _ = begun({"failures": 4}, configurations=3, seeds=4)
    attempted = fail_all(scheduler, lambda t: f"Traceback …\nKeyError: no file {t.seed}.png")
    assert [trial.seed for trial in attempted] == [0, 1, 2, 3]
    assert scheduler.meter.is_hopeless
    assert len(scheduler.failures) == 4
    assert [call[2] for call in scheduler.record.of("end")] == ["failed"] * 4
    assert describe_spent(scheduler) == (
        "The launch gave up: 4 attempts failed and none succeeded, all by: KeyError: no file 0.png"
    )


def test_once_a_trial_has_succeeded_only_trials_that_fail_for_good_count(begun):
    scheduler, _ = begun({"failures": 2}, configurations=3, seeds=2)
    run(scheduler, scheduler.hand_out_trial(), [5.0] * 4)
    attempted = fail_all(scheduler, lambda t: f"ValueError: seed {t.seed}")
    assert len(attempted) == 2 * (RETRIES + 1)
    assert describe_spent(scheduler).startswith("The launch gave up: 6 attempts failed, all by:")


def test_without_a_budget_of_failures_a_trial_is_tried_again_first(begun):
    scheduler, _ = begun({"hours": 9}, configurations=1, seeds=2)
    attempted = fail_all(scheduler, lambda t: "ValueError: no")
    assert [trial.seed for trial in attempted] == [0, 0, 0, 1, 1, 1]
    assert scheduler.is_finished
    assert not scheduler.meter.is_hopeless


def test_the_most_common_cause_is_told(begun):
    meter = BudgetMeter(LaunchBudget(failures=3))
    for line in ("OSError: node 7 lost", "KeyError: 'a'", "OSError: node 12 lost"):
        meter.note_failure(f"Traceback\n{line}\n", for_good=False)
    assert meter.describe_spent() == (
        "The launch gave up: 3 attempts failed and none succeeded, 2 of them by: "
        "OSError: node 7 lost"
    )


def test_a_node_that_is_lost_is_no_failure(begun):
    scheduler, _ = begun({"failures": 2}, configurations=1, seeds=2)
    trial = scheduler.hand_out_trial()
    scheduler.note_begun(trial)
    scheduler.note_failed(trial, "ActorDiedError")
    scheduler.forgive_failure(trial)
    scheduler.note_failed(trial, "ActorDiedError")
    assert not scheduler.meter.is_hopeless


# The flag


def test_the_flag_is_hours_or_parts():
    assert budget_overrides(None) == ()
    assert budget_overrides("8h") == ("budget.hours=8h",)
    assert budget_overrides("hours=8, gpu_hours=40,trials=200") == (
        "budget.hours=8",
        "budget.gpu_hours=40",
        "budget.trials=200",
    )


@pytest.mark.parametrize("text", ["", "eight", "hours=", "=8", "8h,trials=3", "trials", "hours"])
def test_a_flag_of_another_form_is_refused_in_words(text):
    with pytest.raises(BudgetFlagError, match="--budget: must be hours, as in 8h, or parts"):
        budget_overrides(text)


def test_a_part_given_twice_is_refused():
    with pytest.raises(BudgetFlagError, match="hours occurs twice"):
        budget_overrides("hours=1,hours=2")


def test_the_flag_is_laid_over_the_budget_of_the_file(tmp_path, make):
    make()
    file = tmp_path / "sample.yaml"
    file.write_text(file.read_text() + "\nbudget: {hours: 8h, trials: 100}\n")
    study = load_study(file, overrides=budget_overrides("hours=90min"))
    assert (study.budget.hours, study.budget.trials) == (1.5, 100)
    assert load_study(file, overrides=("budget=null",)).budget is None


# What can be learnt

WORK = PlannedWork(seconds=[1800.0] * 20, shares=[0.25] * 20, beside=[4] * 20)


@pytest.mark.parametrize(
    ("budget", "fitting"),
    [
        ({"hours": 1}, 7),  # the start of Ray takes of the eighth's time
        ({"gpu_hours": 1}, 8),
        ({"trials": 3}, 3),
        ({"hours": 1, "trials": 5}, 5),
        ({"failures": 1}, 20),
    ],
)
def test_trials_fit_by_each_part_of_the_budget(budget, fitting):
    assert fitting_trials(LaunchBudget(**budget), WORK) == fitting


def test_a_plan_says_what_can_be_learnt_from_the_spread_on_record(begun):
    scheduler, _ = begun({"trials": 9}, configurations=8, seeds=3)
    errors = {(0, 0): 5.0, (0, 1): 6.0, (0, 2): 7.0, (1, 0): 5.5, (1, 1): 7.5, (1, 2): 7.5}
    for _ in errors:
        trial = scheduler.hand_out_trial()
        run(scheduler, trial, [errors[trial.number, trial.seed]] * 4)
    lines = budget_lines(scheduler, LaunchBudget(trials=9), WORK)
    texts = [text for _, text in lines]
    assert texts[0] == "about 9 of the 20 trials to do fit, of 4 epochs"
    assert texts[1].startswith("5 configurations x 3 seeds: a difference of ")
    assert texts[2].startswith("3 configurations x 5 seeds: a difference of ")
    assert len(texts) == 4  # ten seeds leave one configuration, which is compared with none
    # The differences .5, 1.5, .5 have the standard deviation .577.
    assert "from seed to seed by 0.577 points" in texts[3]


def test_a_plan_without_a_record_says_that_no_spread_is_known(begun):
    scheduler, _ = begun({"trials": 9}, configurations=8, seeds=3)
    (_, fit), *_, (label, text) = budget_lines(scheduler, LaunchBudget(trials=9), WORK)
    assert fit.startswith("about 9 of the 20 trials")
    assert label == "spread"
    assert text.startswith("no spread is on record yet")
    assert not math.isnan(scheduler.meter.hours)

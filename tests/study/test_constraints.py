"""Constraints of a search: bounds on what configurations measure."""

import statistics

import optuna
import pytest
import yaml

from study.file.problems import StudyFileError
from study.file.resolved import load_study
from study.search.optuna_study import open_optuna_study
from study.trials import ConfigurationResult, RecordedTrial
from tests.study.sample import study_data
from tests.study.test_scheduler import begun_scheduler, finish

QUICK = {"metric": "epoch_seconds", "at_most": 2.0}


def refusal(tmp_path, **options):
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(study_data(**options), sort_keys=False))
    with pytest.raises(StudyFileError) as error:
        load_study(file)
    (problem,) = error.value.problems
    return f"{problem.path}: {problem.rule}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"constraints": [{"metric": "epoch_second", "at_most": 2}]},
            "search.constraints[0].metric: must be validation_error, ",
        ),
        (
            {"constraints": [{"metric": "epoch_second", "at_most": 2}]},
            "did you mean epoch_seconds?",
        ),
        (
            {"constraints": [{"metric": "test_error_last", "at_most": 2}]},
            "search.constraints[0].metric: must be",
        ),
        ({"constraints": [{"metric": "epoch_seconds"}]}, "needs one of at_most and at_least"),
        (
            {"constraints": [{**QUICK, "at_least": 1}]},
            "search.constraints[0]: needs one of at_most and at_least",
        ),
        (
            {"constraints": [{**QUICK, "at_most": float("inf")}]},
            "search.constraints[0].at_most: must be finite",
        ),
        ({"constraints": [QUICK, QUICK]}, "bounds epoch_seconds at most a second time"),
        (
            {"constraints": [QUICK], "sampler": "cmaes"},
            "search.constraints: cmaes heeds no constraints; use one of tpe, gp, nsga2",
        ),
        (
            {"constraints": [QUICK], "objective": "train_loss"},
            "search.constraints: with train_loss no best configuration is chosen",
        ),
        (
            {"constraints": [QUICK], "seeds": {"first": 3}},
            "search.constraints: a race over seeds heeds no constraints; give a number of seeds",
        ),
        (
            {
                "constraints": [{"metric": "validation_brier", "at_most": 0.5}],
                "objective": "epoch_seconds",
                "trial": {"dataset": {"name": "digits", "validation": 0}},
            },
            "search.constraints[0].metric: validation_brier needs a validation share",
        ),
    ],
)
def test_a_constraint_that_cannot_be_heeded_is_refused_in_words(tmp_path, options, said):
    assert said in refusal(tmp_path, **options).replace("`", "")


def test_constraints_are_on_record_where_there_are_some(make):
    assert "constraints" not in make().as_dict()["search"]
    assert make(constraints=[QUICK]).as_dict()["search"]["constraints"] == [
        {**QUICK, "at_least": None}
    ]


@pytest.fixture
def begun(make, storage):
    """Begin a study on a storage; its trials are what the record holds."""
    file = storage()

    def begun(recorded=None, **options):
        return begun_scheduler(
            make(**{"configurations": 3, "seeds": 2, "constraints": [QUICK], **options}),
            file,
            recorded,
        )

    return begun


def on_record(scheduler, seconds_of):
    """The trials of a scheduler as the record gives them back."""
    return {
        key: RecordedTrial(
            f"run-{key}",
            key,
            "FINISHED",
            "completed",
            {
                "validation_error": trial.values[0],
                "epoch_seconds": seconds_of(trial),
                "peak_memory_mb": 300.0,
                "train_loss": 1.0,
            },
            trial.tags,
        )
        for key, trial in scheduler.trials.items()
    }


def seconds(trial):
    """Configuration 1 is too slow in the mean, configuration 0 with one seed alone."""
    return {0: (0.5, 2.5), 1: (1.5, 3.5)}.get(trial.number, (1.0, 1.0))[trial.seed]


def excesses(scheduler):
    return [asked.judgement.constraints for asked in scheduler.search.asked()]


def test_a_configuration_is_held_to_its_constraints_by_the_mean_over_seeds(begun):
    scheduler = begun()
    finish(scheduler, lambda trial: 10.0)  # each epoch takes 1.5 s
    assert excesses(scheduler) == [{"epoch_seconds at most": -0.5}] * 3
    again = begun(on_record(scheduler, seconds))
    assert excesses(again) == [{"epoch_seconds at most": value} for value in (-0.5, 0.5, -1.0)]


def test_another_bound_judges_anew_and_none_is_forgotten(begun):
    scheduler = begun()
    finish(scheduler, lambda trial: 10.0)
    record = on_record(scheduler, seconds)
    tighter = begun(record, constraints=[{**QUICK, "at_most": 1.25}])
    assert [held["epoch_seconds at most"] for held in excesses(tighter)] == [0.25, 1.25, -0.25]
    assert excesses(begun(record, constraints=[])) == [{}, {}, {}]
    both = begun(record, constraints=[QUICK, {"metric": "peak_memory_mb", "at_most": 200}])
    assert excesses(both)[1] == {"epoch_seconds at most": 0.5, "peak_memory_mb at most": 100.0}
    (found,) = optuna.get_all_study_names(f"sqlite:///{both.search.path}")
    trials = optuna.load_study(study_name=found, storage=f"sqlite:///{both.search.path}").trials
    assert [trial.constraints for trial in trials] == excesses(both)


def test_a_trial_on_record_without_what_a_constraint_bounds_is_trained_again(begun):
    scheduler = begun()
    finish(scheduler, lambda trial: 10.0)
    record = on_record(scheduler, seconds)
    older = next(iter(record))
    del record[older].metrics["epoch_seconds"]
    again = begun(record)
    assert [trial.key for trial in again.queue.waiting] == [older]


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 20), ("gp", 14), ("nsga2", 100)])
def test_a_sampler_that_learns_keeps_to_the_feasible_part(make, storage, sampler, count):
    space = {"regularizer.beta": {"low": 0.1, "high": 0.9}}
    if sampler == "nsga2":  # it mutates a single number each time, whatever the parents are
        space["training.learning_rate"] = {"low": 0.001, "high": 0.1, "log": True}

    def last_mean(constraints):
        """Ask for many, of which the best unbounded is at 0.9; return the mean of the last."""
        study = make(
            sampler=sampler, space=space, configurations=count, constraints=constraints, seeds=1
        )
        search = open_optuna_study(study, storage())
        found = []
        for _ in range(count):
            asked = search.ask()
            found.append(asked.point["regularizer.beta"])
            held = {"epoch_seconds at most": found[-1] - 0.4} if constraints else {}
            search.tell(asked.number, ConfigurationResult("complete", (1 - found[-1],), {}, held))
        return statistics.fmean(found[-4 if sampler == "gp" else -(count // 2) :])

    assert last_mean([QUICK]) < last_mean([]) - 0.1

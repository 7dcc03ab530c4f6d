import itertools
import shutil
import statistics

import optuna
import pytest

from study.file import points as file_points
from study.file import space
from study.file.problems import StudyFileError
from study.file.samplers import NOT_LEARNING_SAMPLERS, SAMPLER_NAMES, SAMPLERS, SamplerDescription
from study.search.optuna_study import open_optuna_study
from study.trials import ConfigurationResult

DRAWING_SAMPLERS = [name for name in SAMPLER_NAMES if name != "grid"]
TWO = {
    "regularizer.beta": {"low": 0.1, "high": 0.9},
    "training.learning_rate": {"low": 1e-3, "high": 0.1, "log": True},
}
LISTED = {
    "regularizer.beta": {"low": 0.1, "high": 0.9, "step": 0.4},
    "training.weight_decay": [0.0, 0.1],
}
LISTED_ALTERNATIVES = {
    "regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": [0.1, 0.9]}],
    "training.weight_decay": [0.0, 0.1],
}
CONDITIONAL = {
    "regularizer": [
        {"name": "vanilla"},
        {"name": "lamix", "beta": {"low": 0.1, "high": 0.9}},
        {"name": "mixup", "alpha": {"low": 0.1, "high": 2.0}},
    ],
    "training.learning_rate": {"low": 1e-3, "high": 0.1, "log": True},
}
COMPLETE = ConfigurationResult("complete", (7.5,))
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def opened(make, tmp_path, empty):
    """Open the search of a study; the same file under the same `file` again."""

    def opened(file="optuna.db", **options):
        if not (tmp_path / file).exists():
            shutil.copy(empty, tmp_path / file)
        return open_optuna_study(make(**options), tmp_path / file)

    return opened


def value_of(point):
    """A made-up error, lowest at β = 0.5."""
    return 5 + 20 * (point.get("regularizer.beta", 0.1) - 0.5) ** 2


def points(search, count):
    return [search.ask().point for _ in range(count)]


def stored(search):
    """The study as Optuna itself opens it."""
    return optuna.load_study(study_name="sample-quick", storage=f"sqlite:///{search.path}")


# Samplers that do not learn


def test_a_grid_is_asked_in_the_order_of_its_points(opened):
    assert points(opened(sampler="grid", space=LISTED), 6) == [
        {"regularizer.beta": beta, "training.weight_decay": decay}
        for beta, decay in itertools.product([0.1, 0.5, 0.9], [0.0, 0.1])
    ]


@pytest.mark.parametrize("sampler", NOT_LEARNING_SAMPLERS)
@pytest.mark.parametrize("searched", [LISTED, LISTED_ALTERNATIVES], ids=["plain", "conditional"])
def test_configuration_n_is_a_function_of_the_file_the_seed_and_n(opened, sampler, searched):
    options = {"sampler": sampler, "space": searched, "configurations": 6}
    undisturbed = points(opened("first.db", **options), 6)
    for number in range(6):  # reopened after every one, told of every other
        search = opened("second.db", **options)
        assert search.ask().number == number
        if number % 2:
            search.tell(number, ConfigurationResult("complete", (float(number),)))
    assert [asked.point for asked in opened("second.db", **options).asked()] == undisturbed
    assert all(file_points.is_point_of(point, space.parse_space(searched)) for point in undisturbed)


def test_the_sampler_seed_chooses_other_points(opened):
    first = points(opened("a.db", space=TWO), 3)
    assert points(opened("b.db", space=TWO, sampler_seed=1), 3) != first
    assert points(opened("c.db", space=TWO, sampler_seed=0), 3) == first


def test_more_configurations_begin_with_the_fewer(opened):
    for sampler in ("random", "qmc"):
        fewer = points(opened(f"{sampler}.db", space=TWO, sampler=sampler, configurations=3), 3)
        search = opened(f"{sampler}.db", space=TWO, sampler=sampler, configurations=8)
        more = [asked.point for asked in search.asked()] + points(search, 5)
        assert more[:3] == fewer
        assert more == points(opened(f"{sampler}2.db", space=TWO, sampler=sampler), 8)
        assert len({file_points.point_word(point) for point in more}) == 8


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_no_draw_of_a_narrower_range_repeats_a_value_of_a_range_that_stayed(opened, sampler):
    options = {"sampler": sampler, "configurations": 12}
    before = points(opened(space=TWO, **options), 12)
    narrow = {**TWO, "regularizer.beta": {"low": 0.5, "high": 0.9}}
    kept = [point for point in before if point["regularizer.beta"] >= 0.5]
    narrower = opened(space=narrow, **options)
    narrower.rebuild([(point, COMPLETE) for point in kept])
    foreseen = narrower.upcoming(12 - len(kept))
    drawn = []
    while len(kept) + len(drawn) < 12:  # reopened after each
        drawn.append(opened(space=narrow, **options).ask().point)
    assert drawn == foreseen
    for path in TWO:
        assert len({point[path] for point in (*kept, *drawn)}) == 12


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_no_draw_of_a_wider_range_repeats_a_value_however_many_are_kept(opened, sampler):
    options = {"sampler": sampler, "configurations": 160}
    kept = points(opened(space=TWO, **options), 150)
    wide = {**TWO, "regularizer.beta": {"low": 0.05, "high": 0.95}}
    opened(space=wide, **options).rebuild([(point, COMPLETE) for point in kept])
    foreseen = opened(space=wide, **options).upcoming(10)
    assert [opened(space=wide, **options).ask().point for _ in range(10)] == foreseen
    for path in TWO:
        assert len({point[path] for point in (*kept, *foreseen)}) == 160


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_an_enqueued_value_leaves_the_draws_as_they_are(opened, sampler):
    options = {"sampler": sampler, "configurations": 8, "space": TWO}
    good = points(opened("first.db", **options), 5)[4]["regularizer.beta"]
    options["enqueue"] = [{"regularizer.beta": good}]
    undisturbed = points(opened("second.db", **options), 8)
    assert good in [point["regularizer.beta"] for point in undisturbed[1:]]
    assert [opened("third.db", **options).ask().point for _ in range(8)] == undisturbed


def test_points_that_are_enqueued_may_share_values(opened):
    enqueue = [
        {"regularizer.beta": beta, "training.learning_rate": rate}
        for beta, rate in ((0.5, 0.01), (0.7, 0.02), (0.5, 0.02))
    ]
    assert points(opened(space=TWO, enqueue=enqueue[:1], configurations=2), 1) == enqueue[:1]
    assert points(opened(space=TWO, enqueue=enqueue, configurations=3), 2) == enqueue[1:]


def test_qmc_covers_each_half_evenly(opened):
    found = points(opened(sampler="qmc", configurations=16), 16)
    # The first is drawn on its own, since Optuna takes the space from it.
    low = sum(point["regularizer.beta"] < 0.5 for point in found[1:])
    assert low in (7, 8)


def test_a_sequence_fills_what_an_extension_left_out(opened):
    narrow = {"regularizer.beta": [0.3, 0.7]}
    wide = {"regularizer.beta": [0.1, 0.3, 0.5, 0.7]}
    search = opened(sampler="grid", space=narrow)
    points(search, 2)
    wider = opened(sampler="grid", space=wide)
    assert wider.outdated
    wider.rebuild([(asked.point, COMPLETE) for asked in wider.asked()])
    assert points(wider, 2) == [{"regularizer.beta": 0.1}, {"regularizer.beta": 0.5}]
    assert [asked.number for asked in wider.asked()] == [0, 1, 2, 3]


# Points that a sampler would repeat

FEW = {
    "regularizer.beta": [0.3, 0.7, 0.5],
    "regularizer.smoothing": {"low": 0, "high": 1, "step": 1},
}
FEW_OR_MANY = {
    "regularizer": [{"name": "vanilla"}, {"name": "lamix", "beta": {"low": 0, "high": 1}}]
}


def go_through(search, count):
    """Ask for configurations and complete each; return their points."""
    found = []
    for _ in range(count):
        asked = search.ask()
        search.tell(asked.number, ConfigurationResult("complete", (value_of(asked.point),)))
        found.append(asked.point)
    return found


def distinct(found):
    return {file_points.point_word(point) for point in found}


@pytest.mark.parametrize("sampler", DRAWING_SAMPLERS)
def test_a_search_takes_every_point_of_a_finite_space_once(opened, sampler):
    search = opened(sampler=sampler, space=FEW, configurations=16)
    assert search.study.configurations == 6
    assert search.study.used_up == "The space has 6 points; configurations: 16 → 6."
    assert len(distinct(go_through(search, 6))) == 6
    assert [asked.number for asked in search.asked()] == list(range(6))


@pytest.mark.parametrize("sampler", DRAWING_SAMPLERS)
def test_an_alternative_without_settings_is_tried_once(opened, sampler):
    search = opened(sampler=sampler, space=FEW_OR_MANY, configurations=9)
    assert search.study.configurations == 9
    assert search.study.used_up == ""
    assert len(distinct(go_through(search, 9))) == 9


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "cmaes"])
def test_a_widened_space_is_tried_where_it_is_new(opened, sampler):
    narrow = {"regularizer.beta": [0.3, 0.7]}
    wide = {"regularizer.beta": [0.3, 0.7, 0.5]}
    search = opened(sampler=sampler, space=narrow, configurations=6)
    done = go_through(search, search.study.configurations)
    assert len(done) == 2
    wider = opened(sampler=sampler, space=wide, configurations=8)
    wider.rebuild([(point, COMPLETE) for point in done])
    assert wider.study.configurations == 3
    assert wider.ask().point == {"regularizer.beta": 0.5}


@pytest.mark.parametrize("sampler", DRAWING_SAMPLERS)
def test_a_search_without_repeats_holds_the_same_points_when_interrupted(opened, sampler):
    options = {"sampler": sampler, "space": FEW, "configurations": 6}
    options["enqueue"] = [{"regularizer.beta": 0.7}]
    undisturbed = go_through(opened("first.db", **options), 6)
    assert undisturbed[0]["regularizer.beta"] == 0.7
    for _ in range(6):
        go_through(opened("second.db", **options), 1)
    assert [asked.point for asked in opened("second.db", **options).asked()] == undisturbed


def test_a_space_of_many_points_is_gone_through_to_its_end(opened):
    space = {"regularizer.beta": {"low": 0, "high": 1, "step": 0.01}}
    search = opened(sampler="random", space=space, configurations=200)
    found = points(search, search.study.configurations)
    assert sorted(point["regularizer.beta"] for point in found) == [n / 100 for n in range(101)]


def test_an_nsga2_search_of_a_range_repeats_no_parent(opened):
    search = opened(sampler="nsga2", configurations=70)
    assert len(distinct(go_through(search, 70))) == 70


# What a sampler is described as


def test_a_sampler_without_a_description_is_trusted_with_nothing():
    unsaid = SamplerDescription()
    assert unsaid.learns and unsaid.repeats_points
    assert not unsaid.heeds_constraints and not unsaid.takes_several_objectives


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_of_several_objectives_is_refused_unless_its_sampler_takes_them(make, sampler):
    options = {"space": LISTED, "objective": ["validation_error", "epoch_seconds"]}
    if SAMPLERS[sampler].takes_several_objectives:
        assert len(make(sampler=sampler, **options).search.objectives) == 2
        return
    with pytest.raises(StudyFileError, match=f"{sampler} needs a single objective"):
        make(sampler=sampler, **options)


# Enqueued points


@pytest.mark.parametrize("sampler", DRAWING_SAMPLERS)
def test_enqueued_points_come_first(opened, sampler):
    enqueue = [{"regularizer.beta": 0.5}, {"regularizer.beta": 0.3, "training.learning_rate": 0.01}]
    search = opened(sampler=sampler, space=TWO, enqueue=enqueue)
    first = search.ask()
    assert first.number == 0
    assert first.point["regularizer.beta"] == 0.5
    assert 1e-3 <= first.point["training.learning_rate"] <= 0.1
    reopened = opened(sampler=sampler, space=TWO, enqueue=enqueue)
    assert reopened.ask().point == {"regularizer.beta": 0.3, "training.learning_rate": 0.01}
    third = reopened.ask()
    assert third.number == 2
    assert third.point["regularizer.beta"] not in (0.3, 0.5)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_point_enqueued_later_is_tried_next(opened, sampler):
    search = opened(sampler=sampler)
    points(search, 2)
    later = opened(sampler=sampler, enqueue=[{"regularizer.beta": 0.5}])
    assert later.ask().point == {"regularizer.beta": 0.5}
    assert later.ask().point != {"regularizer.beta": 0.5}
    assert [asked.number for asked in later.asked()] == [0, 1, 2, 3]


def test_an_enqueued_point_with_an_alternative_is_tried(opened):
    enqueue = [{"regularizer": {"name": "vanilla"}}, {"regularizer": "lamix"}]
    search = opened(sampler="tpe", space=CONDITIONAL, enqueue=enqueue)
    assert [point["regularizer"] for point in points(search, 2)] == ["vanilla", "lamix"]


# Samplers that learn


@pytest.mark.parametrize(
    ("sampler", "searched", "count"),
    [
        pytest.param("tpe", CONDITIONAL, 12, id="tpe-conditional"),
        pytest.param("gp", TWO, 11, id="gp"),  # learns from the eleventh on
        pytest.param("cmaes", TWO, 5, id="cmaes"),
        pytest.param("nsga2", CONDITIONAL, 4, id="nsga2-conditional"),
    ],
)
def test_a_learning_search_holds_the_same_points_when_interrupted(opened, sampler, searched, count):
    def go_on(search):
        asked = search.ask()
        search.tell(asked.number, ConfigurationResult("complete", (value_of(asked.point),)))
        return asked.point

    options = {"sampler": sampler, "space": searched, "configurations": count}
    undisturbed = opened("first.db", **options)
    found = [go_on(undisturbed) for _ in range(count)]
    assert all(file_points.is_point_of(point, undisturbed.study.space) for point in found)
    for number in range(count):
        if number in (0, 1, count - 2, count - 1):
            search = opened("second.db", **options)
        go_on(search)
    assert [asked.point for asked in opened("second.db", **options).asked()] == found


def test_tpe_learns_where_the_error_is_low(opened):
    search = opened(sampler="tpe", configurations=20)
    found = []
    for number in range(20):
        found.append(search.ask().point["regularizer.beta"])
        search.tell(
            number, ConfigurationResult("complete", (value_of({"regularizer.beta": found[-1]}),))
        )
    assert statistics.fmean(abs(beta - 0.5) for beta in found[12:]) < 0.16


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_several_objectives_are_told_together(opened, sampler):
    search = opened(sampler=sampler, space=TWO, objective=["validation_error", "epoch_seconds"])
    for number in range(4):
        asked = search.ask()
        search.tell(number, ConfigurationResult("complete", (value_of(asked.point), float(number))))
    study = stored(search)
    assert study.metric_names == ["validation_error", "epoch_seconds"]
    assert [trial.values[1] for trial in study.trials] == [0.0, 1.0, 2.0, 3.0]
    assert 1 <= len(study.best_trials) <= 4
    assert search.asked()[2].judgement.values == tuple(study.trials[2].values)


@pytest.mark.parametrize("sampler", DRAWING_SAMPLERS)
def test_one_range_is_enough_for_every_sampler(opened, sampler):
    search = opened(sampler=sampler)
    for number in range(3):
        point = search.ask().point
        search.tell(number, ConfigurationResult("complete", (value_of(point),)))
        assert 0.1 <= point["regularizer.beta"] <= 0.9


# What a dead process leaves


@pytest.mark.parametrize(
    ("searched", "told"),
    [(TWO, 0), (CONDITIONAL, 10)],
    ids=["plain, before it learns", "conditional, while it learns"],
)
def test_a_half_chosen_configuration_is_chosen_to_the_end(opened, searched, told):
    options = {"sampler": "tpe", "space": searched, "configurations": 20}
    for file in ("first.db", "second.db"):
        search = opened(file, **options)
        for number in range(told):
            asked = search.ask()
            search.tell(number, ConfigurationResult("complete", (value_of(asked.point),)))
    wanted = opened("first.db", **options).ask()
    stored(opened("second.db", **options)).ask()  # and no value yet
    again = opened("second.db", **options)
    assert again.asked()[told].point == wanted.point
    assert again.asked()[told].judgement.state == "running"
    assert [asked.point for asked in opened("second.db", **options).asked()] == [
        asked.point for asked in again.asked()
    ]
    assert again.ask().number == told + 1


def test_a_point_that_was_enqueued_and_not_taken_is_taken_once(opened):
    options = {"sampler": "tpe", "enqueue": [{"regularizer.beta": 0.5}]}
    stored(opened(**options)).enqueue_trial({"regularizer.beta": 0.5})
    search = opened(**options)
    assert search.asked() == []
    assert search.ask().point == {"regularizer.beta": 0.5}
    assert search.ask().point != {"regularizer.beta": 0.5}


def test_a_half_chosen_configuration_of_another_space_is_left_alone(opened):
    options = {"sampler": "tpe", "configurations": 4}
    search = opened(space={"regularizer.mixing": ["average"], **TWO}, **options)
    search.tell(search.ask().number, COMPLETE)
    trial = stored(search).ask()
    trial.suggest_categorical("regularizer.mixing", ["average"])
    other = opened(space={"regularizer.lam": ["uniform", "half"], **TWO}, **options)
    assert other.outdated
    assert not any(
        file_points.is_point_of(asked.point, other.study.space) for asked in other.asked()
    )


def test_a_choice_that_was_changed_does_not_stop_the_search_from_opening(opened):
    options = {"sampler": "tpe", "configurations": 4}
    search = opened(space={"regularizer.lam": ["half", "per_sample"]}, **options)
    search.tell(search.ask().number, COMPLETE)
    stored(search).ask()
    other = opened(space={"regularizer.lam": ["uniform"]}, **options)
    assert other.outdated
    assert not any(
        file_points.is_point_of(asked.point, other.study.space) for asked in other.asked()
    )
    other.rebuild([])
    assert not other.outdated
    assert other.ask().point == {"regularizer.lam": "uniform"}


# Judgements


def test_judgements_are_kept(opened):
    search = opened(early_stopping={"name": "median"})
    points(search, 4)
    search.report(0, 1, 30.0)
    search.report(0, 2, 20.5)
    search.tell(0, ConfigurationResult("complete", (20.5,)))
    search.report(1, 1, 90.0)
    search.tell(1, ConfigurationResult("pruned"))
    search.tell(2, ConfigurationResult("failed"))
    found = [asked.judgement for asked in opened(early_stopping={"name": "median"}).asked()]
    assert found[0] == ConfigurationResult("complete", (20.5,), {1: 30.0, 2: 20.5})
    assert (found[1].state, found[1].intermediate) == ("pruned", {1: 90.0})
    assert [judgement.state for judgement in found[2:]] == ["failed", "running"]
    states = [trial.state.name for trial in stored(search).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]


RULES = [
    {"name": "asha", "grace_period": 1, "reduction_factor": 2},
    {"name": "median", "startup_configurations": 2},
    {"name": "hyperband", "grace_period": 1, "reduction_factor": 2},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_a_bad_configuration_is_stopped_early_and_a_good_one_is_not(opened, rule):
    search = opened(early_stopping=rule, epochs=5, configurations=12)
    stopped = []
    for number in range(12):
        search.ask()
        value = 90.0 if number in (6, 7, 8, 9, 10) else 10.0 - number / 10
        if any(search.report(number, epoch, value) for epoch in range(1, 5)):
            search.tell(number, ConfigurationResult("pruned"))
            stopped.append(number)
        else:
            search.tell(number, ConfigurationResult("complete", (value,)))
    assert set(stopped) & {6, 7, 8, 9, 10}
    assert not set(stopped) & {0, 1, 2, 11}
    pruned = [t.number for t in stored(search).trials if t.state == optuna.trial.TrialState.PRUNED]
    assert pruned == stopped


@pytest.mark.parametrize("rule", RULES[::2], ids=lambda rule: rule["name"])
def test_no_configuration_is_stopped_before_its_grace_period_is_over(opened, rule):
    search = opened(early_stopping={**rule, "grace_period": 3}, epochs=8, configurations=12)
    for number in range(6):
        search.ask()
        assert not search.report(number, 1, 10.0 + number)
        assert not search.report(number, 2, 10.0 + number)


def test_without_a_rule_nothing_is_stopped(opened):
    search = opened()
    for number in range(6):
        search.ask()
        assert not search.report(number, 1, 10.0 * number)


def test_hyperband_knows_the_epochs_that_the_file_leaves_to_the_default(opened):
    training = {"training": {"batch_size": 32}}
    search = opened(trial=training, early_stopping={"name": "hyperband"})
    assert stored(search) is not None
    assert search._optuna.pruner._max_resource == 400


def test_a_changed_rule_is_noticed(opened):
    asha = {"name": "asha", "grace_period": 1, "reduction_factor": 4}
    search = opened(early_stopping=asha)
    assert not search.rules_changed  # nothing was noted yet
    search.note_rules()
    assert not opened(early_stopping=asha).rules_changed
    assert opened(early_stopping={**asha, "reduction_factor": 2}).rules_changed
    without = opened()
    assert without.rules_changed
    without.note_rules()
    assert not opened().rules_changed
    assert opened(early_stopping=asha).rules_changed


# Rebuilding


def test_a_rebuilt_storage_keeps_numbers_values_and_intermediate_means(opened):
    search = opened(sampler="tpe", space=CONDITIONAL)
    judged = [
        ({"regularizer": "vanilla", "training.learning_rate": 0.01}, COMPLETE),
        (
            {"regularizer": "lamix", "regularizer.beta": 0.25, "training.learning_rate": 0.02},
            ConfigurationResult("pruned", (), {1: 50.0, 2: 40.0}),
        ),
        (
            {"regularizer": "mixup", "regularizer.alpha": 1.5, "training.learning_rate": 0.03},
            ConfigurationResult("running", (), {1: 30.0}),
        ),
    ]
    points(search, 5)
    search.rebuild(judged)
    for found in (search, opened(sampler="tpe", space=CONDITIONAL)):
        assert [(asked.point, asked.judgement) for asked in found.asked()] == judged
        assert [asked.number for asked in found.asked()] == [0, 1, 2]
        assert not found.outdated
    assert search.ask().number == 3
    search.tell(2, COMPLETE)
    assert search.asked()[2].judgement.values == (7.5,)
    assert not search.path.with_suffix(".new").exists()


def test_a_rebuilt_storage_allows_changed_choices(opened):
    before = opened(sampler="tpe", space={"regularizer.lam": ["half", "per_sample"]})
    before.rebuild([({"regularizer.lam": "half"}, COMPLETE)])
    after = opened(sampler="tpe", space={"regularizer.lam": ["uniform", "half"]})
    assert after.outdated
    assert after.asked()[0].point == {"regularizer.lam": "half"}
    after.rebuild([({"regularizer.lam": "half"}, COMPLETE)])
    assert not after.outdated
    assert points(after, 1) == [{"regularizer.lam": "uniform"}]


def anew(search):
    """Rebuild with what is there, each mean a little higher, as further seeds may have it."""
    search.rebuild(
        [
            (
                a.point,
                ConfigurationResult("complete", tuple(value + 0.1 for value in a.judgement.values)),
            )
            for a in search.asked()
        ]
    )


def complete(search, count):
    for _ in range(count):
        asked = search.ask()
        search.tell(asked.number, ConfigurationResult("complete", (value_of(asked.point),)))


def test_cmaes_goes_on_where_it_was_after_a_rebuild(opened):
    undisturbed = opened("undisturbed.db", sampler="cmaes", space=TWO)
    search = opened(sampler="cmaes", space=TWO)
    for other in (undisturbed, search):
        complete(other, 14)
    optimizers = [name for t in stored(search).trials for name in t.system_attrs if "opt" in name]
    assert optimizers
    anew(search)
    assert [name for t in stored(search).trials for name in t.system_attrs if "opt" in name] == (
        optimizers
    )
    # A shift of all means alike is nothing to it.
    assert points(search, 3) == points(undisturbed, 3)


def test_cmaes_starts_in_a_wider_space_where_the_best_of_the_narrower_one_were(opened):
    narrow = {**TWO, "regularizer.beta": {"low": 0.1, "high": 0.5}}
    before = opened(sampler="cmaes", space=narrow, configurations=40)
    complete(before, 40)
    wide = opened(sampler="cmaes", space=TWO, configurations=80)
    assert wide.outdated
    anew(wide)
    betas = [point["regularizer.beta"] for point in points(wide, 8)]
    assert statistics.fmean(abs(beta - 0.5) for beta in betas) < 0.1  # value_of is least at 0.5


def test_nsga2_breeds_from_all_that_is_known_after_a_rebuild(opened):
    narrow = {**TWO, "regularizer.beta": {"low": 0.1, "high": 0.5}}
    before = opened(sampler="nsga2", space=narrow, configurations=60)
    complete(before, 60)
    wide = opened(sampler="nsga2", space=TWO, configurations=80)
    anew(wide)
    wide.ask()
    attributes = stored(wide).trials[-1].system_attrs
    assert attributes["NSGAIISampler:generation"] == 1


def test_a_rebuild_keeps_what_a_rule_of_early_stopping_has_noted_unless_it_changes(opened):
    rule = {"name": "asha", "grace_period": 1, "reduction_factor": 2}

    def rungs(early_stopping):
        search = opened(sampler="tpe", space=TWO, early_stopping=early_stopping)
        anew(search)
        search.note_rules()
        return [name for t in stored(search).trials for name in t.system_attrs if "rung" in name]

    search = opened(sampler="tpe", space=TWO, early_stopping=rule)
    search.note_rules()
    asked = search.ask()
    search.report(asked.number, 1, 30.0)
    search.tell(asked.number, COMPLETE)
    assert rungs(rule) == ["completed_rung_0"]
    assert rungs({**rule, "reduction_factor": 3}) == []


def test_other_objectives_make_the_storage_outdated(opened):
    search = opened(objective="validation_error")
    search.tell(search.ask().number, COMPLETE)
    both = opened(objective=["validation_error", "epoch_seconds"])
    assert both.outdated
    both.rebuild([(both.asked()[0].point, ConfigurationResult("complete", (7.5, 1.0)))])
    assert not both.outdated
    assert stored(both).directions == [optuna.study.StudyDirection.MINIMIZE] * 2


def test_a_wider_range_makes_the_storage_outdated_and_the_same_one_does_not(opened):
    points(opened(), 2)
    assert not opened().outdated
    assert opened(space={"regularizer.beta": {"low": 0.05, "high": 0.95}}).outdated
    # Not so a narrower one that holds none of the points: nothing is left to compare.
    assert opened(space={"regularizer.beta": {"low": 0.05, "high": 0.06}}).outdated


# Optuna itself


def test_optuna_opens_the_storage_as_it_is(opened):
    search = opened(sampler="tpe", space=TWO)
    for number in range(5):
        asked = search.ask()
        search.tell(number, ConfigurationResult("complete", (value_of(asked.point),)))
    study = stored(search)
    assert study.metric_names == ["validation_error"]
    assert study.best_value == min(value_of(trial.params) for trial in study.trials)
    assert {type(d).__name__ for d in study.trials[0].distributions.values()} == {
        "FloatDistribution"
    }
    assert study.trials[0].distributions["training.learning_rate"].log
    assert len(optuna.importance.get_param_importances(study)) == 2


def test_a_range_whose_steps_miss_its_end_is_held_without_a_warning(opened, recwarn):
    searched = {"regularizer.beta": {"low": 0.1, "high": 0.9, "step": 0.5}}
    for sampler in ("random", "tpe"):
        found = points(opened(f"{sampler}.db", sampler=sampler, space=searched), 2)
        assert {point["regularizer.beta"] for point in found} == {0.1, 0.6}
    assert not [w for w in recwarn if "step" in str(w.message)]


# Several objectives, and objectives that change


def asked_and_told(search, count):
    """Ask and tell two objectives that pull apart."""
    for _ in range(count):
        asked = search.ask()
        beta, rate = asked.point["regularizer.beta"], asked.point["training.learning_rate"]
        search.tell(asked.number, ConfigurationResult("complete", (beta, 1 - beta + rate)))


@pytest.mark.parametrize("sampler", ["gp", "tpe", "nsga2"])
def test_several_objectives_are_asked_and_told_twice_the_same(opened, sampler):
    options = {
        "space": TWO,
        "sampler": sampler,
        "configurations": 14,
        "objective": ["validation_loss", "validation_calibration_error"],
    }
    undisturbed = opened("once.db", **options)
    asked_and_told(undisturbed, 14)
    for _ in range(14):  # reopened after every one
        asked_and_told(opened("often.db", **options), 1)
    often = opened("often.db", **options)
    assert [asked.point for asked in often.asked()] == [a.point for a in undisturbed.asked()]
    assert len(stored(often).directions) == 2


def test_the_course_of_an_objective_is_forgotten_with_it(opened):
    rules = {"early_stopping": {"name": "asha"}, "sampler": "random"}
    search = opened(**rules)
    search.note_rules()
    number = search.ask().number
    assert not search.report(number, 1, 50.0)
    assert opened(**rules, objective="best_validation_error").asked()[0].judgement.intermediate
    by_loss = opened(**rules, objective="validation_loss")
    assert by_loss.rules_changed and by_loss.outdated
    assert by_loss.asked()[0].judgement.intermediate == {}

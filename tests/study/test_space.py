import math

import pytest

from study.file import points as file_points
from study.file import space
from study.file.rules import parse_study_space
from study.file.space import NumberRange, SpaceError

ALTERNATIVES = {
    "regularizer": [
        {"name": "vanilla"},
        {"name": "lamix", "beta": {"low": 0.1, "high": 0.9}, "mixing": "average"},
        {"name": "mixup", "alpha": [0.2, 1.0]},
    ]
}


def rule(section):
    with pytest.raises(SpaceError) as error:
        space.parse_space(section)
    return error.value.path, str(error.value)


# Ranges


def values(searched: NumberRange) -> list[float]:
    return [searched.at(number) for number in range(searched.size)]


def test_a_range_with_a_step_holds_the_values_a_person_would_write():
    assert values(NumberRange(0.1, 0.9, 0.1)) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert values(NumberRange(1, 9, 4)) == [1, 5, 9]
    assert values(NumberRange(2, 4)) == [2, 3, 4]
    assert NumberRange(0.1, 0.9, 0.1).snap(0.30000000000000004) == 0.3


def test_a_range_whose_steps_do_not_meet_its_end_stops_below_it():
    uneven = NumberRange(0.1, 0.9, 0.5)
    assert values(uneven) == [0.1, 0.6]
    assert uneven.last == 0.6
    assert uneven.snap(0.9) == 0.6
    assert not uneven.contains(0.9)
    assert list(file_points.corner_points({"beta": uneven})) == [{"beta": 0.1}, {"beta": 0.6}]
    assert NumberRange(1, 10, 4).last == 9


def test_snapping_keeps_the_kind_and_stays_within_the_range():
    assert NumberRange(1, 9, 2).snap(4.2) == 5
    assert isinstance(NumberRange(1, 9, 2).snap(4.2), int)
    assert isinstance(NumberRange(0.0, 1.0).snap(1), float)
    assert NumberRange(0.2, 0.8, 0.2).snap(-3.0) == 0.2
    assert NumberRange(0.2, 0.8, 0.2).snap(3.0) == 0.8


def test_every_value_of_a_range_is_contained_and_snaps_to_itself():
    for low, high, step in [(0.1, 0.9, 0.1), (0.05, 1.0, 0.05), (1e-4, 1e-3, 1e-4), (0, 7, 3)]:
        held = NumberRange(low, high, step)
        for value in values(held):
            assert held.contains(value)
            assert held.snap(value) == value
            assert low <= value <= high


def test_a_range_contains_its_ends_and_nothing_of_another_kind():
    fractions, integers = NumberRange(0.1, 0.9), NumberRange(1, 5)
    assert fractions.contains(0.1) and fractions.contains(0.9)
    assert not fractions.contains(0.0999) and not fractions.contains("0.5")
    assert integers.contains(3) and integers.contains(3.0)
    assert not integers.contains(2.5) and not integers.contains(True)
    assert not NumberRange(0.0, 1.0, 0.25).contains(0.3)


def test_two_integers_with_a_fraction_as_step_are_meant_in_fractions():
    (domain,) = space.parse_space({"beta": {"low": 0, "high": 1, "step": 0.5}}).values()
    assert values(domain) == [0.0, 0.5, 1.0]
    assert not domain.integer


@pytest.mark.parametrize(("low", "high", "step"), [(0.1, 0.15, 0.05), (0.1, 0.3, 0.2)])
def test_a_step_may_reach_from_one_end_to_the_other(low, high, step):
    (domain,) = space.parse_space({"beta": {"low": low, "high": high, "step": step}}).values()
    assert values(domain) == [low, high]


# The kind of number that a setting takes


def typed(path, value):
    (domain,) = parse_study_space({path: value}).values()
    return domain


def test_a_range_of_a_setting_in_fractions_holds_fractions():
    assert typed("regularizer.beta", {"low": 0, "high": 1}) == NumberRange(0.0, 1.0)
    assert not typed("regularizer.beta", {"low": 0, "high": 1}).integer
    assert values(typed("training.learning_rate", {"low": 1, "high": 3, "step": 1})) == [1.0, 2, 3]
    (choice,) = parse_study_space(
        {"regularizer": [{"name": "lamix", "beta": {"low": 0, "high": 1}}]}
    ).values()
    assert choice.option("lamix").space == {"regularizer.beta": NumberRange(0.0, 1.0)}


def test_a_range_of_a_setting_in_whole_numbers_holds_whole_numbers():
    found = typed("training.batch_size", {"low": 16.0, "high": 64.0, "step": 16.0})
    assert values(found) == [16, 32, 48, 64]
    assert found.integer


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("training.epochs", {"low": 0.5, "high": 2}, "takes whole numbers, but got low=0.5"),
        ("training.epochs", {"low": 1, "high": 2.5}, "takes whole numbers, but got high=2.5"),
        (
            "training.epochs",
            {"low": 1, "high": 3, "step": 0.5},
            "takes whole numbers, but got step=0.5",
        ),
        ("training.schedule", {"low": 0, "high": 1}, "takes no numbers, so list its choices"),
        ("training.milestones", {"low": 0, "high": 1}, "takes no numbers, so list its choices"),
        ("training.nesterov", {"low": 0, "high": 1}, "takes no numbers, so list its choices"),
    ],
)
def test_a_range_of_another_kind_than_the_setting_is_refused(path, value, said):
    with pytest.raises(SpaceError, match=said) as error:
        parse_study_space({path: value})
    assert error.value.path == path


# How many points


def test_a_space_has_as_many_points_as_its_lists_and_steps_make():
    def size(section):
        return file_points.space_size(space.parse_space(section))

    assert size({"a": [1, 2], "b": {"low": 0, "high": 1, "step": 0.5}}) == 6
    assert size({"a": [1, 2], "b": {"low": 0.0, "high": 1.0}}) is None
    assert size({"r": [{"name": "a"}, {"name": "b", "x": [1, 2]}]}) == 3
    assert size({}) == 1


def test_draws_may_repeat_where_some_points_have_no_range_of_fractions():
    def repeats(section):
        return file_points.may_repeat(space.parse_space(section))

    some = [{"name": "a"}, {"name": "b", "x": {"low": 0.0, "high": 1.0}}]
    assert repeats({"r": some})
    assert repeats({"r": some, "a": [1, 2]})
    assert not repeats({"r": some, "y": {"low": 0.0, "high": 1.0}})
    assert not repeats({"r": some[1:]})


# Errors


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"low": 0.9, "high": 0.1}, "`low < high` must hold, but got low=0.9, high=0.1"),
        ({"low": 1, "high": 1}, "`low < high` must hold, but got low=1, high=1"),
        ({"low": 0, "high": 1, "step": 2}, "`0 < step <= high - low` must hold, but got step=2"),
        ({"low": 0, "high": 1, "step": 0}, "`0 < step <= high - low` must hold, but got step=0"),
        ({"low": 0, "high": 1, "log": True}, "`log` needs low above 0 and no step, but got low=0"),
        ({"low": 1, "high": 9, "step": 1, "log": True}, "`log` needs low above 0 and no step"),
        ({"low": 1, "high": 9, "log": "yes"}, "`log` must be true or false, but got `yes`"),
        ({"low": "a", "high": 1}, "`low` must be a number, but got `a`"),
        ({"low": 0, "high": True}, "`high` must be a number, but got `True`"),
        ({"low": 0.0, "high": math.inf, "step": 1}, "`high` must be finite, but got `inf`"),
        ({"low": math.nan, "high": 1.0}, "`low` must be finite, but got `nan`"),
        ({"low": 0}, "a range has low, high and perhaps step or log, but got ['low']"),
        ({"low": 0, "high": 1, "setp": 1}, "a range has low, high and perhaps step or log"),
        ([], "a list of choices needs at least one"),
        ([1, 2, 1], "the choice `1` is there twice"),
        ([1, 1.0], "the choice `1` is there twice"),
        ([0.1, math.inf], "a choice must be finite, but got `inf`"),
        ([{"name": "vanilla"}, {"name": "vanilla"}], "is there twice"),
        (0.5, "must be a range {low: …, high: …} or a list of choices, but got `0.5`"),
        (None, "must be a range {low: …, high: …} or a list of choices, but got `None`"),
    ],
)
def test_a_wrong_domain_is_refused_with_its_rule_and_value(value, said):
    path, text = rule({"a.b": value})
    assert path == "a.b"
    assert said in text


def test_a_mistake_within_an_alternative_names_the_inner_path():
    path, text = rule({"regularizer": [{"name": "lamix", "beta": {"low": 2, "high": 1}}]})
    assert path == "regularizer.beta"
    assert "`low < high` must hold" in text


def test_a_path_decided_twice_is_refused():
    inner = [{"name": "lamix", "beta": {"low": 0.1, "high": 0.9}}]
    for regularizer in (inner, [{"name": "lamix", "beta": 0.5}]):
        path, text = rule({"regularizer": regularizer, "regularizer.beta": [0.5, 0.6]})
        assert path == "regularizer.beta"
        assert text == "is decided twice: here and by a choice of `regularizer`"


def test_alternatives_may_search_one_path_only_if_optuna_can_hold_both():
    def alternatives(first, second):
        return {"r": [{"name": "a", "x": first}, {"name": "b", "x": second}]}

    space.parse_space(alternatives({"low": 0.1, "high": 0.5}, {"low": 0.2, "high": 0.9}))
    space.parse_space(alternatives([1, 2], [1, 2]))
    for first, second in [
        ([1, 2], [1, 3]),
        ([1, 2], {"low": 1, "high": 2}),
        ({"low": 1, "high": 2}, {"low": 1.0, "high": 2.0}),
        ({"low": 0.1, "high": 2.0}, {"low": 0.1, "high": 2.0, "log": True}),
    ]:
        path, text = rule(alternatives(first, second))
        assert path == "r.x"
        assert "the same choices" in text


# Choices and alternatives


def test_the_labels_of_alternatives_are_their_names():
    (choice,) = space.parse_space(ALTERNATIVES).values()
    assert choice.labels == ("vanilla", "lamix", "mixup")
    assert choice.option("lamix").value == {"name": "lamix", "mixing": "average"}
    assert list(choice.option("lamix").space) == ["regularizer.beta"]
    assert choice.option("cutmix") is None


def test_alternatives_of_one_name_are_told_apart_by_what_they_fix():
    section = [{"name": "lamix", "lam": "half"}, {"name": "lamix"}, {"name": "vanilla"}]
    (choice,) = space.parse_space({"regularizer": section}).values()
    assert choice.labels == ("lamix lam=half", "lamix", "vanilla")


def test_lists_are_choices_by_their_json():
    (choice,) = space.parse_space({"training.milestones": [[100, 150], [], [5]]}).values()
    assert choice.labels == ("[100, 150]", "[]", "[5]")
    assert choice.option("[]").value == []


def test_labels_are_told_apart_by_their_type():
    (choice,) = space.parse_space({"x": [True, "1", None, 2]}).values()
    assert choice.contains(True) and choice.contains("1") and choice.contains(None)
    assert not choice.contains(1) and not choice.contains("true") and not choice.contains(2.0)


# Points


def test_a_point_belongs_if_no_path_is_missing_and_none_left_over():
    searched = space.parse_space(ALTERNATIVES)
    assert file_points.is_point_of({"regularizer": "vanilla"}, searched)
    assert file_points.is_point_of({"regularizer": "lamix", "regularizer.beta": 0.9}, searched)
    assert not file_points.is_point_of({"regularizer": "lamix"}, searched)
    assert not file_points.is_point_of({"regularizer": "lamix", "regularizer.beta": 0.95}, searched)
    assert not file_points.is_point_of(
        {"regularizer": "vanilla", "regularizer.beta": 0.5}, searched
    )
    assert not file_points.is_point_of({"regularizer": "cutmix"}, searched)
    assert not file_points.is_point_of({}, searched)
    assert file_points.is_point_of({}, {})


def test_a_walk_follows_the_alternatives_chosen():
    searched = space.parse_space({**ALTERNATIVES, "training.epochs": {"low": 1, "high": 3}})
    chosen = {"regularizer": "mixup", "regularizer.alpha": 1.0, "training.epochs": 2.0}
    assert file_points.walk_space(searched, lambda path, domain: chosen[path]) == chosen
    walked = file_points.walk_space(searched, lambda path, domain: chosen[path])
    assert isinstance(walked["training.epochs"], int)


def test_the_word_of_a_point_does_not_depend_on_its_order():
    assert file_points.point_word({"a": 1, "b": 2.5}) == file_points.point_word({"b": 2.5, "a": 1})
    assert file_points.point_word({"a": 1}) != file_points.point_word({"a": 1.5})


def test_a_grid_varies_the_last_path_fastest():
    searched = space.parse_space({"a": ["x", "y"], "b": {"low": 1, "high": 3}})
    assert [tuple(point.values()) for point in file_points.grid_points(searched)] == [
        ("x", 1),
        ("x", 2),
        ("x", 3),
        ("y", 1),
        ("y", 2),
        ("y", 3),
    ]


def test_a_grid_opens_each_alternatives_own_space():
    section = {"r": [{"name": "a"}, {"name": "b", "x": [1, 2], "y": [3, 4]}], "s": [5, 6]}
    points = list(file_points.grid_points(space.parse_space(section)))
    assert len(points) == (1 + 2 * 2) * 2
    assert points[:3] == [
        {"r": "a", "s": 5},
        {"r": "a", "s": 6},
        {"r": "b", "r.x": 1, "r.y": 3, "s": 5},
    ]
    assert len({file_points.point_word(point) for point in points}) == 10
    assert all(file_points.is_point_of(point, space.parse_space(section)) for point in points)


def test_a_grid_of_an_empty_space_is_one_point():
    assert list(file_points.grid_points({})) == [{}]


def test_a_grid_of_billions_is_never_listed():
    huge = space.parse_space(
        {"a": {"low": 1, "high": 10**6}, "b": {"low": 0, "high": 9999}, "c": [0, 1]}
    )
    assert file_points.grid_size(huge) == 2 * 10**10
    assert file_points.grid_point(huge, 0) == {"a": 1, "b": 0, "c": 0}
    assert file_points.grid_point(huge, 2 * 10**10 - 1) == {"a": 10**6, "b": 9999, "c": 1}
    assert file_points.grid_point(huge, 20_003) == {"a": 2, "b": 1, "c": 1}


def test_a_grid_over_fractions_needs_a_step():
    with pytest.raises(SpaceError, match="needs a `step` or a list of values") as error:
        list(file_points.grid_points(space.parse_space(ALTERNATIVES)))
    assert error.value.path == "regularizer.beta"


def test_corners_hold_every_end_and_every_alternative():
    searched = space.parse_space({**ALTERNATIVES, "training.epochs": {"low": 1, "high": 3}})
    corners = list(file_points.corner_points(searched))
    assert {p["regularizer"] for p in corners} == {"vanilla", "lamix", "mixup"}
    assert {p.get("regularizer.beta") for p in corners} == {None, 0.1, 0.9}
    assert {p.get("regularizer.alpha") for p in corners} == {None, 0.2, 1.0}
    assert {p["training.epochs"] for p in corners} == {1, 3}
    assert all(file_points.is_point_of(point, searched) for point in corners)


def test_combinations_are_all_pairs_of_ends_or_else_the_corners():
    searched = space.parse_space({"a": {"low": 0.0, "high": 1.0}, "b": [1, 2, 3]})
    assert [tuple(point.values()) for point in file_points.end_combinations(searched, most=6)] == [
        (0.0, 1),
        (0.0, 2),
        (0.0, 3),
        (1.0, 1),
        (1.0, 2),
        (1.0, 3),
    ]
    fewer = [tuple(point.values()) for point in file_points.end_combinations(searched, most=5)]
    assert (1.0, 3) not in fewer
    assert set(fewer) == {(0.0, 1), (1.0, 1), (0.0, 2), (0.0, 3)}
    assert list(file_points.end_combinations({}, most=5)) == [{}]


# Applying


def test_a_point_sets_values_and_leaves_the_trial_as_it_was():
    trial = {"regularizer": {"name": "lamix", "smoothing": 0.1}}
    searched = space.parse_space({"regularizer.beta": {"low": 0, "high": 1, "step": 0.5}})
    assert file_points.apply_point(trial, {"regularizer.beta": 0.5}, searched) == {
        "regularizer": {"name": "lamix", "smoothing": 0.1, "beta": 0.5}
    }
    assert trial == {"regularizer": {"name": "lamix", "smoothing": 0.1}}


def test_an_alternative_replaces_the_whole_component():
    trial = {"regularizer": {"name": "lamix", "beta": 0.3}}
    searched = space.parse_space(ALTERNATIVES)
    assert file_points.apply_point(trial, {"regularizer": "vanilla"}, searched) == {
        "regularizer": {"name": "vanilla"}
    }
    point = {"regularizer": "lamix", "regularizer.beta": 0.4}
    assert file_points.apply_point(trial, point, searched) == {
        "regularizer": {"name": "lamix", "mixing": "average", "beta": 0.4}
    }


def test_the_order_of_the_space_does_not_decide_what_is_applied():
    section = {"regularizer.smoothing": [0.1], "regularizer": [{"name": "vanilla"}]}
    point = {"regularizer": "vanilla", "regularizer.smoothing": 0.1}
    for keys in (list(section), list(reversed(section))):
        searched = space.parse_space({key: section[key] for key in keys})
        assert file_points.apply_point({}, point, searched) == {
            "regularizer": {"name": "vanilla", "smoothing": 0.1}
        }


def test_a_path_below_a_plain_value_is_refused():
    with pytest.raises(SpaceError, match="`epochs` is a value, not a mapping"):
        file_points.apply_point(
            {"epochs": 3}, {"epochs.x": 1}, space.parse_space({"epochs.x": [1]})
        )

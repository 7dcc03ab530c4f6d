"""Effects of an ablation: designs, effects by hand, and a fraction against the full factorial."""

import numpy as np
import pytest

from analysis.statistics.effects import DesignError, design_points, part_effects

PARTS = ("label", "batches", "mixing", "loss")


def errors_of(points, *, seeds=5, sd=0.1, seed=0):
    """Errors of known effects: label −1, batches −.4, their interaction .3, all others none."""
    rng = np.random.default_rng(seed)
    sign = {name: np.array([1.0 if p.get(name, False) else -1.0 for p in points]) for name in PARTS}
    truth = 5 - 0.5 * sign["label"] - 0.2 * sign["batches"]
    truth = truth + 0.15 * sign["label"] * sign["batches"]
    return truth[:, None] + rng.normal(0, 0.2, seeds) + rng.normal(0, sd, (len(points), seeds))


def test_the_designs_have_the_points_that_they_should():
    one_out = design_points(["a", "b"], "one_out")
    assert one_out == [
        {"a": True, "b": True},
        {"a": False, "b": True},
        {"a": True, "b": False},
    ]
    assert design_points(["a", "b"], "one_in")[0] == {"a": False, "b": False}
    assert design_points(["a", "b"], "path")[1] == {"a": True, "b": False}
    assert len(design_points(PARTS, "factorial")) == 16
    half = design_points(PARTS, "fraction")
    assert len(half) == 8 and dict.fromkeys(PARTS, True) in half


def test_effects_by_hand_in_each_design_of_pairs():
    points = design_points(["a", "b"], "path")
    effects = part_effects(points, [[5.0, 6.0], [4.0, 4.0], [4.5, 4.5]], "path")
    assert [(e.term, e.estimate) for e in effects] == [(("a",), -1.5), (("b",), 0.5)]
    out = part_effects(design_points(["a"], "one_out"), [[4.0, 4.1], [5.0, 5.3]], "one_out")
    assert out[0].estimate == pytest.approx(-1.1) and out[0].seeds == 2
    inside = part_effects(design_points(["a"], "one_in"), [[5.0], [4.0]], "one_in")
    assert inside[0].estimate == -1 and np.isnan(inside[0].low) and np.isnan(inside[0].p)


def test_a_factorial_finds_effects_and_the_interaction():
    points = design_points(PARTS, "factorial")
    effects = {e.term: e for e in part_effects(points, errors_of(points), "factorial")}
    assert len(effects) == 4 + 6
    assert effects[("label",)].estimate == pytest.approx(-1, abs=0.1)
    assert effects[("label", "batches")].estimate == pytest.approx(0.3, abs=0.1)
    assert effects[("label",)].holm_p < 0.01 and effects[("loss",)].holm_p > 0.05
    assert all(e.aliases == () for e in effects.values())


def test_intervals_of_effects_cover_as_often_as_promised():
    points = design_points(PARTS, "factorial")
    covered = []
    for seed in range(150):
        for effect in part_effects(points, errors_of(points, seeds=3, seed=seed), "factorial"):
            truth = {("label",): -1.0, ("batches",): -0.4, ("label", "batches"): 0.3}
            covered.append(effect.low <= truth.get(effect.term, 0.0) <= effect.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_half_fraction_agrees_with_the_full_factorial_at_half_the_trials():
    full, half = design_points(PARTS, "factorial"), design_points(PARTS, "fraction")
    rows = [full.index(point) for point in half]
    within = []
    for seed in range(100):
        errors = errors_of(full, seed=seed)
        whole = {e.term: e for e in part_effects(full, errors, "factorial")}
        for effect in part_effects(half, errors[rows], "fraction"):
            if len(effect.term) == 1:
                assert all(len(alias) > 1 for alias in effect.aliases)
                within.append(effect.low <= whole[effect.term].estimate <= effect.high)
    assert len(half) * 2 == len(full) and np.mean(within) > 0.95


def test_a_fraction_names_what_an_effect_is_aliased_with():
    three = part_effects(
        design_points(["a", "b", "c"], "fraction"), np.arange(12.0).reshape(4, 3), "fraction"
    )
    assert {e.term: e.aliases for e in three} == {
        ("a",): (("b", "c"),),
        ("b",): (("a", "c"),),
        ("c",): (("a", "b"),),
    }
    points = design_points(PARTS, "fraction")
    four = {e.term: e.aliases for e in part_effects(points, errors_of(points), "fraction")}
    assert four[("label",)] == () and four[("label", "batches")] == (("mixing", "loss"),)


def test_a_quarter_of_five_parts_keeps_main_effects_apart():
    points = design_points(list("abcde"), "fraction", halvings=2)
    signs = np.array([[1 if p[c] else -1 for c in "abcde"] for p in points])
    assert len(points) == 8 and np.array_equal(signs.T @ signs, 8 * np.eye(5))


def test_a_seed_that_a_configuration_lacks_is_left_out_of_its_effects_alone():
    points = design_points(["a", "b"], "one_out")
    errors = np.array([[4.0, 4.1, 4.2], [5.0, 5.0, np.nan], [6.0, 6.2, 6.1]])
    effects = part_effects(points, errors, "one_out")
    assert [e.seeds for e in effects] == [2, 3]


@pytest.mark.parametrize(
    ("parts", "design", "halvings", "message"),
    [
        (["a", "a"], "one_out", 1, "a part occurs twice"),
        ([], "path", 1, "at least one part"),
        (["a", "b"], "fraction", 1, "keeps the parts apart"),
        (list("abcdefghijk"), "factorial", 1, "at most 10 parts, but here are 11"),
    ],
)
def test_parts_that_make_no_design_are_refused(parts, design, halvings, message):
    with pytest.raises(DesignError, match=message):
        design_points(parts, design, halvings=halvings)

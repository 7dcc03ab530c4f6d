"""The set that may be the best: by hand, its coverage, and ranges of an ordered factor."""

import numpy as np
import pytest

from analysis.statistics.best_set import best_set, compare_with_best, values_as_good
from analysis.statistics.pairs import moderated, pair_statistics, resolution_of


def draw(means, spreads, *, seeds=5, tables=1, rho=0.3, seed=0):
    rng = np.random.default_rng(seed)
    shared = np.sqrt(rho) * rng.normal(size=(tables, 1, seeds))
    own = np.sqrt(1 - rho) * rng.normal(size=(tables, len(means), seeds))
    return np.asarray(means)[:, None] + (shared + own) * np.asarray(spreads)[:, None]


def test_the_statistics_of_a_pair_are_those_of_its_differences():
    errors = draw([5.0, 6.0, 7.0], [0.1, 0.5, 0.2])[0]
    errors[1, 2] = np.nan
    pairs = pair_statistics(errors)
    differences = (errors[2] - errors[1])[[0, 1, 3, 4]]
    assert pairs.n[2, 1] == 4
    assert pairs.mean[2, 1] == pytest.approx(differences.mean())
    assert pairs.variance[2, 1] == pytest.approx(differences.var(ddof=1))


def test_two_configurations_have_nothing_to_borrow():
    pairs = pair_statistics(draw([5.0, 6.0], [0.1, 0.5])[0])
    lent = moderated(pairs, np.ones(2, bool))
    assert lent.variance[0, 1] == pytest.approx(pairs.variance[0, 1])
    assert lent.df[0, 1] == pairs.df[0, 1]


def test_a_configuration_that_is_plainly_worse_is_out_and_a_close_one_is_not():
    found = best_set(draw([5.0, 5.02, 9.0], [0.1, 0.1, 0.1])[0])
    assert set(found.members) == {0, 1} and found.seeds == 5
    assert found.low[2] == 0 and 3.5 < found.high[2] < 4.5
    assert found.low[0] < 0 < found.high[0]


def test_a_sole_best_has_an_interval_that_ends_at_zero():
    found = best_set(draw([5.0, 8.0, 9.0], [0.1, 0.1, 0.1])[0])
    assert found.members == (0,) and found.high[0] == 0 and -3.5 < found.low[0] < -2


def test_one_seed_excludes_nobody():
    found = best_set(np.array([[5.0], [50.0]]))
    assert set(found.members) == {0, 1} and np.isinf(found.high).all()
    assert best_set(np.array([[5.0, 6.0]])).members == (0,)


@pytest.mark.parametrize("method", ["moderated", "own"])
@pytest.mark.parametrize("spreads", [(1, 1, 1, 1, 1), (1, 3, 1, 6, 2)])
def test_the_best_is_in_the_set_and_all_intervals_hold_as_often_as_promised(method, spreads):
    means = np.array([5.0, 5.0, 5.05, 5.1, 5.4])
    tables = draw(means, 0.1 * np.array(spreads), tables=2000, seed=1)
    out, low, high, _ = compare_with_best(tables, method=method)
    truth = np.array([row - np.delete(means, i).min() for i, row in enumerate(means)])
    held = ((low <= truth + 1e-12) & (truth <= high + 1e-12)).all(-1)
    assert (~out[:, 0]).mean() > 0.95 and held.mean() > 0.935


@pytest.mark.parametrize("spread", [0.2, 0.33, 0.5], ids=lambda spread: f"spread {spread}")
@pytest.mark.parametrize(("configurations", "seeds"), [(2, 4), (2, 5), (3, 3), (5, 5)])
def test_the_best_is_in_the_set_as_often_as_promised_where_errors_are_of_whole_images(
    configurations, seeds, spread
):
    step = 100 / 300  # of 300 test images
    rng = np.random.default_rng(7)
    tables = 30_000 if configurations < 5 else 6000
    centre = 10 + rng.uniform(0, step, size=(tables, 1, 1))
    errors = centre + spread * rng.normal(size=(tables, configurations, seeds))
    out = compare_with_best(np.round(errors / step) * step, resolution=step)[0]
    assert (~out[:, 0]).mean() > 0.949


def test_two_differences_of_one_image_exclude_nobody_where_errors_are_of_whole_images():
    step = 100 / 300
    errors = np.array([[30, 31], [31, 32]]) * step
    assert resolution_of(errors) == pytest.approx(step)
    assert set(best_set(errors, resolution=resolution_of(errors)).members) == {0, 1}
    assert best_set(errors).members == (0,)  # of 10,000 images, these are 33 images


def test_any_beta_from_3_to_8_tenths_does_as_well():
    betas = [0.8, 0.1, 0.3, 0.5, 0.9]
    errors = draw([4.0, 6.0, 4.0, 4.0, 6.0], [0.1] * 5, seed=2)[0]
    good = values_as_good(betas, errors, margin=0.5, name="β")
    (kept,) = good.may_be_best
    assert (kept.low, kept.high, kept.values) == (0.3, 0.8, (0.3, 0.5, 0.8))
    assert good.sentence == (
        "Any tested β from 0.3 to 0.8 may be the best; the other 2 values are shown to be worse. "
        "Any tested β from 0.3 to 0.8 costs at most 0.5 points against the best."
    )


def test_two_separate_ranges_are_two():
    errors = draw([4.0, 6.0, 4.0], [0.1] * 3, seed=3)[0]
    good = values_as_good([0.1, 0.5, 0.9], errors, name="β")
    assert [(run.low, run.high) for run in good.may_be_best] == [(0.1, 0.1), (0.9, 0.9)]
    said = "Any tested β 0.1 or 0.9 may be the best; the other value is shown to be worse."
    assert said in good.sentence
    assert good.shown_as_good == ()


def test_a_value_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="β occurs twice"):
        values_as_good([0.1, 0.1], np.zeros((2, 3)), name="β")

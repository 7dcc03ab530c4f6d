"""Repeated looks: a plain interval by hand, and the rate of false findings by simulation."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.looks import look_shares, repeated_interval

LOOKS = (5, 7, 9, 11, 13)


def test_an_extension_widens_the_interval_and_leaves_something_for_the_next():
    values = np.random.default_rng(1).normal(0.3, 1, 13)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    extended = repeated_interval(values, LOOKS)
    assert extended.low < low and high < extended.high
    assert (look_shares([*LOOKS, 99])[:-1] == look_shares(LOOKS)).all()
    assert (look_shares([*LOOKS, 99]) < 1).all()


def test_of_many_tests_each_look_has_a_smaller_share():
    assert (look_shares(LOOKS, tests=14)[1:] < look_shares(LOOKS)[1:]).all()


def test_a_look_has_the_share_that_it_had_before_the_extension():
    assert look_shares(LOOKS)[:2] == pytest.approx(look_shares([5, 7]))


def test_with_no_difference_hardly_any_look_finds_one_where_the_plain_interval_often_does():
    values = np.random.default_rng(2).normal(size=(600, 13))
    plain = np.array([stats.ttest_1samp(values[:, :n], 0, axis=1).pvalue for n in LOOKS])
    repeated = [repeated_interval(row, LOOKS).p < 0.05 for row in values]
    assert (plain < 0.05).any(0).mean() > 0.09
    assert np.mean(repeated) < 0.05


def test_p_below_the_level_is_the_interval_without_zero_at_some_look():
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = rng.normal(0.8, 1, 13)
        looks = [repeated_interval(values, LOOKS[: i + 1]) for i in range(5)]
        excluded = any(look.low > 0 or look.high < 0 for look in looks)
        assert excluded == (looks[-1].p < 0.05)


@pytest.mark.parametrize("looks", [[], [5, 5], [1, 3]])
def test_looks_that_do_not_rise_are_refused(looks):
    with pytest.raises(ValueError, match="looks must rise"):
        look_shares(looks)


def test_fewer_values_than_the_look_has_are_refused():
    with pytest.raises(ValueError, match="the last look has 5 seeds, but here are 3"):
        repeated_interval([1.0, 2.0, 3.0], [5])

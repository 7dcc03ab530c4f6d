import gc
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from analysis.statistics import summary as statistics_summary

FIVE = [19.2, 19.5, 19.3, 19.6, 19.4]


def test_mean_and_spread_of_five_by_hand():
    summary = statistics_summary.summarise_seeds(FIVE)
    assert summary.n == 5
    assert summary.mean == pytest.approx(19.4)
    assert summary.sd == pytest.approx(math.sqrt(0.1 / 4))
    # t(4, .975) = 2.776, from any printed table
    assert summary.high - summary.mean == pytest.approx(2.776 * summary.sd / math.sqrt(5), rel=1e-3)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_the_t_interval_is_that_of_scipy_and_statsmodels(n):
    values = np.random.default_rng(n).normal(20, 2, n)
    summary = statistics_summary.summarise_seeds(values)
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert (summary.low, summary.high) == pytest.approx(expected)
    assert (summary.low, summary.high) == pytest.approx(DescrStatsW(values).tconfint_mean())


def test_one_value_has_no_spread_and_none_has_no_mean():
    one, none = statistics_summary.summarise_seeds([3.0]), statistics_summary.summarise_seeds([])
    assert (one.n, one.mean) == (1, 3.0) and math.isnan(one.sd) and math.isnan(one.low)
    assert none.n == 0 and math.isnan(none.mean)


@pytest.mark.parametrize("method", ["t", "log-odds", "bca"])
@pytest.mark.parametrize("value", [0.0, 1.74, 100.0])
@pytest.mark.parametrize("last_bits", [0.0, 1e-15])
def test_equal_values_have_no_interval_for_nothing_says_how_far_they_spread(
    method, value, last_bits
):
    values = [value, value, value * (1 - last_bits)]
    summary = statistics_summary.summarise_seeds(values, method=method)
    assert (summary.mean, summary.sd) == pytest.approx((value, 0.0), abs=1e-12)
    assert math.isnan(summary.low) and math.isnan(summary.high)


def test_an_infinite_value_is_not_dropped():
    assert math.isinf(statistics_summary.summarise_seeds([1.0, math.inf]).mean)
    assert math.isnan(statistics_summary.summarise_seeds([1.0, math.nan]).mean)


def test_the_bootstrap_interval_is_scipys():
    values = np.random.default_rng(3).gamma(2, size=25)
    expected = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    summary = statistics_summary.summarise_seeds(values, method="bca")
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert statistics_summary.bca_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_from_few_seeds_t_covers_as_it_says_and_the_bootstrap_does_not():
    rng = np.random.default_rng(0)
    for n, most in [(3, 0.80), (5, 0.89)]:
        samples = rng.normal(size=(1500, n))
        half = stats.t.ppf(0.975, n - 1) * samples.std(axis=1, ddof=1) / math.sqrt(n)
        t_covers = np.mean(np.abs(samples.mean(axis=1)) < half)
        interval = stats.bootstrap(
            (samples,), np.mean, axis=1, n_resamples=400, rng=np.random.default_rng(1)
        ).confidence_interval
        bca_covers = np.mean((interval.low < 0) & (interval.high > 0))
        assert 0.93 < t_covers < 0.97
        assert 0.65 < bca_covers < most


def test_a_paired_difference_by_hand():
    first = pd.Series([2.0, 3.0, 4.0], index=[0, 1, 2])
    second = pd.Series([1.0, 1.0, 1.0, 9.0], index=[2, 1, 0, 5])
    paired = statistics_summary.paired_difference(first, second)
    assert (paired.n, paired.mean, paired.sd) == (3, 2.0, 1.0)
    assert paired.seeds == (0, 1, 2)
    assert paired.p == paired.smallest_p == 0.25  # all the same sign: 2 of 8 flips


def test_the_paired_interval_is_that_of_statsmodels():
    rng = np.random.default_rng(5)
    first, second = pd.Series(rng.normal(1, 1, 6)), pd.Series(rng.normal(0, 1, 6))
    paired = statistics_summary.paired_difference(first, second)
    assert (paired.low, paired.high) == pytest.approx(DescrStatsW(first - second).tconfint_mean())


def test_the_paired_t_stands_beside_the_sign_flips():
    first = pd.Series([1.0, 1.2, 0.9])
    paired = statistics_summary.paired_difference(first, pd.Series([0.0, 0.0, 0.0]))
    assert paired.t_p == pytest.approx(stats.ttest_1samp(first, 0).pvalue)
    assert paired.t_p < 0.05 < paired.p
    assert (paired.flip_low, paired.flip_high) == (-math.inf, math.inf)
    assert statistics_summary.paired_t_test([1.0]) != statistics_summary.paired_t_test([1.0])
    assert statistics_summary.paired_t_test([2.0, 2.0]) == 0.0
    assert statistics_summary.paired_t_test([0.0, 0.0]) == 1.0


def test_the_interval_by_sign_flips_holds_what_the_test_does_not_reject():
    differences = np.random.default_rng(4).normal(0.4, 1, 8)
    low, high = statistics_summary.sign_flip_interval(differences)
    for inside in (low + 1e-6, high - 1e-6):
        assert statistics_summary.sign_flip_test(differences - inside) > 0.05 - 2 / 2**8
    for outside in (low - 1e-6, high + 1e-6):
        assert statistics_summary.sign_flip_test(differences - outside) <= 0.05


def test_pairing_takes_the_seeds_out_of_the_spread():
    shift = pd.Series([0.0, 5.0, -5.0])
    paired = statistics_summary.paired_difference(shift + 1, shift)
    assert paired.sd == pytest.approx(0)


def test_a_seed_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="a seed occurs twice"):
        statistics_summary.paired_difference(
            pd.Series([1, 2], index=[0, 0]), pd.Series([1], index=[0])
        )


@pytest.mark.parametrize("n", [2, 4, 5, 9])
def test_the_sign_flip_test_is_scipys_exact_permutation_test(n):
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert statistics_summary.sign_flip_test(differences) == pytest.approx(expected)


def test_the_sign_flip_test_by_brute_force_with_ties_and_zeros():
    differences = [0.1, 0.2, -0.3, 0.0, 0.6]
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=5)
    ]
    expected = sum(flip >= 0.6 - 1e-12 for flip in flips) / 32
    assert statistics_summary.sign_flip_test(differences) == expected


def test_many_pairs_are_tested_by_random_flips_near_the_exact_value():
    differences = np.random.default_rng(2).normal(0.3, 1, 18)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=18)), dtype=np.float32)
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-6)
    assert statistics_summary.sign_flip_test(differences) == pytest.approx(exact, abs=0.005)


def test_five_pairs_are_said_to_be_too_few():
    five = pd.Series(FIVE)
    paired = statistics_summary.paired_difference(five + 1, five)
    assert paired.p == 0.0625
    assert paired.caution == (
        "with 5 pairs an exact two-sided test cannot go below p = .0625; "
        "the paired t can, and relies on normal differences"
    )
    six = pd.Series([*FIVE, 19.0])
    assert statistics_summary.paired_difference(six + 1, six).caution == ""
    one = pd.Series([1.0])
    assert "with 1 pair" in statistics_summary.paired_difference(one, one).caution
    nothing = statistics_summary.paired_difference(one, pd.Series([1.0], index=[9]))
    assert nothing.n == 0 and "no seed in common" in nothing.caution


def test_holm_is_that_of_statsmodels_and_leaves_nan_out():
    p = [0.01, 0.04, 0.03]
    assert statistics_summary.holm_correction(p) == pytest.approx(
        [0.03, 0.06, 0.06]
    )  # by hand: 3p, 2p, p, rising
    assert statistics_summary.holm_correction(p) == pytest.approx(
        multipletests(p, method="holm")[1]
    )
    with_gap = statistics_summary.holm_correction([0.01, math.nan, 0.04, 0.03])
    assert math.isnan(with_gap[1])
    assert [with_gap[i] for i in (0, 2, 3)] == pytest.approx([0.03, 0.06, 0.06])
    assert statistics_summary.holm_correction([]) == []


@pytest.fixture
def nothing_collected():
    """Let statsmodels, which collects garbage at each call, look at nothing that is there now."""
    gc.freeze()
    yield
    gc.unfreeze()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("nothing_collected")
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels_for_any_p(p):
    expected = multipletests(p, method="holm")[1]
    assert statistics_summary.holm_correction(p) == pytest.approx(expected)

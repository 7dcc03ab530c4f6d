"""Predictions from a pilot: against simulation, statsmodels' power and the race itself."""

import numpy as np
import pytest
from scipy import special
from statsmodels.stats.power import TTestPower

from analysis.statistics.prediction import (
    SeedSpread,
    detection_power,
    pooled_spread,
    predicted_half_width,
    probability_decided,
    seeds_to_decide,
    smallest_difference,
    spread_of_differences,
)
from analysis.statistics.race_outlook import next_look_outlook
from analysis.statistics.racing import RaceRule


def beyond_zero(means, sds, n):
    critical = special.stdtrit(n - 1, 0.975)
    return np.abs(means) > critical * sds / np.sqrt(n)


def test_the_power_is_that_of_statsmodels():
    for difference, n in ((0.5, 8), (1.0, 5), (0.2, 30)):
        expected = TTestPower().power(difference / 0.7, n, 0.05)
        assert detection_power(difference, 0.7, n) == pytest.approx(expected, abs=1e-6)


def test_the_smallest_difference_is_told_apart_with_the_probability_asked_for():
    for n in (3, 5, 20):
        found = smallest_difference(0.3, n)
        assert detection_power(found, 0.3, n) == pytest.approx(0.8, abs=1e-6)
    assert smallest_difference(0.3, 20) < smallest_difference(0.3, 5) < smallest_difference(0.3, 3)
    assert smallest_difference(0.3, 1) == np.inf and smallest_difference(0.0, 5) == 0


def test_two_pairs_at_a_tiny_level_still_have_a_smallest_difference():
    assert 0.3 < smallest_difference(0.3, 2) < smallest_difference(0.3, 2, level=1e-4) < np.inf


def test_the_pooled_spread_by_hand():
    errors = np.array([[1.0, 3.0, np.nan], [5.0, 5.0, 8.0]])
    spread = pooled_spread(errors)
    assert spread.df == 3 and spread.sd == pytest.approx(np.sqrt((2 + 6) / 3))


def test_pairing_shrinks_the_spread_of_differences():
    shared = np.random.default_rng(0).normal(0, 1, 50)
    errors = np.array([shared, shared + 2, shared + 3])
    errors = errors + np.random.default_rng(1).normal(0, 0.1, errors.shape)
    assert spread_of_differences(errors).sd == pytest.approx(0.1 * np.sqrt(2), rel=0.15)
    assert np.isnan(spread_of_differences([[1.0], [2.0]]).sd)


def test_predicted_and_realised_half_widths_agree_within_a_quarter():
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(300):
        errors = rng.normal(5, 0.3, (8, 10))
        predicted = predicted_half_width(pooled_spread(errors[:, :3]), 10)
        critical = special.stdtrit(9, 0.975)
        realised = (critical * errors.std(axis=1, ddof=1) / np.sqrt(10)).mean()
        ratios.append(predicted.expected / realised)
    assert np.mean(np.abs(np.log(ratios)) < np.log(1.25)) > 0.8
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)


def test_a_predicted_width_names_what_the_pilot_leaves_open():
    narrow = predicted_half_width(SeedSpread(0.3, 40), 10)
    wide = predicted_half_width(SeedSpread(0.3, 2), 10)
    assert narrow.low < narrow.expected < narrow.high
    assert wide.high / wide.low > 3 * narrow.high / narrow.low


def test_the_forecast_probability_is_how_often_the_further_seeds_do_decide():
    rng = np.random.default_rng(3)
    forecast, came_true = [], []
    for _ in range(400):
        truth = rng.normal(0, 1.0)  # as flat as the spread of the seeds makes it look
        values = rng.normal(truth, 1.0, 12)
        forecast.append(
            probability_decided(values[:5].mean(), values[:5].std(ddof=1), 5, 7, beyond_zero)
        )
        came_true.append(beyond_zero(values.mean(), values.std(ddof=1), 12))
    assert np.mean(forecast) == pytest.approx(np.mean(came_true), abs=0.08)
    likely = np.array(forecast) > 0.6
    assert np.mean(np.array(came_true)[likely]) > 0.6


def test_the_fewest_seeds_that_decide_come_with_their_probability():
    outlook = seeds_to_decide(0.4, 0.5, 5, beyond_zero)
    assert outlook.more is not None and outlook.probability >= 0.8
    assert probability_decided(0.4, 0.5, 5, max(outlook.more // 2, 1), beyond_zero) < 0.8
    assert f"{outlook.more} more seeds would decide with probability" in outlook.sentence


def test_where_no_number_of_seeds_decides_the_outlook_says_so():
    outlook = seeds_to_decide(0.0, 0.5, 5, beyond_zero)
    assert outlook.more is None and "even 100 more seeds" in outlook.sentence
    assert seeds_to_decide(0.0, np.nan, 1, beyond_zero).more is None


def test_the_next_look_costs_what_it_wants_and_decides_a_clear_race():
    rng = np.random.default_rng(4)
    clear = np.array([5.0, 5.5, 9.0])[:, None] + rng.normal(0, 0.15, (3, 3))
    outlook = next_look_outlook(clear, RaceRule())
    assert outlook is not None and outlook.trials == 4  # two seeds for each of two
    close = np.array([5.0, 5.0, 9.0])[:, None] + rng.normal(0, 0.15, (3, 3))
    tie = next_look_outlook(close, RaceRule())
    assert tie is not None and tie.over < outlook.over
    assert 0 <= tie.over <= tie.progress <= 1


def test_a_race_that_is_over_has_no_next_look():
    errors = np.array([[1.0, 1.1, 1.2], [9.0, 9.1, 9.2]])
    assert next_look_outlook(errors, RaceRule()) is None

"""Intervals of errors in percent: by hand, at the ends, and by simulation."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from analysis.statistics.claims import judge_table
from analysis.statistics.effects import design_points, part_effects
from analysis.statistics.intervals import (
    delta_interval,
    log_odds,
    logit_interval,
    possible_difference,
    simultaneous_intervals,
    single_level,
)
from analysis.statistics.published import CellMargin, PublishedCell, judge_cell
from analysis.tables.csv_rendering import to_csv
from analysis.tables.paired import contrast_grid, contrasts_against
from analysis.tables.rendering import to_text


def test_the_interval_by_hand():
    errors = np.array([10.0, 20.0, 40.0])
    z = np.log(errors / (100 - errors))
    expected = 100 * special.expit(stats.t.interval(0.95, 2, z.mean(), stats.sem(z)))
    interval = logit_interval(errors)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    assert interval.mean == pytest.approx(70 / 3)  # the arithmetic mean, not that of the log-odds


def test_an_error_of_50_percent_has_a_symmetric_interval():
    interval = logit_interval([48.0, 50.0, 52.0])
    assert 50 - interval.low == pytest.approx(interval.high - 50)


@pytest.mark.parametrize("make", [logit_interval, delta_interval])
def test_no_interval_leaves_the_range_of_a_percentage(make):
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = rng.integers(2, 8)
        errors = rng.choice([0.0, 0.01, 1.0, 60.0, 99.99, 100.0], n)
        interval = make(errors)
        if np.ptp(errors) == 0 and 0 < errors[0] < 100:
            assert np.isnan([interval.low, interval.high]).all()
        else:
            assert 0 <= interval.low <= interval.high <= 100


def test_the_delta_interval_contains_the_arithmetic_mean():
    rng = np.random.default_rng(1)
    for _ in range(200):
        interval = delta_interval(100 * rng.beta(0.4, 4, 5))
        assert interval.low <= interval.mean <= interval.high


def test_a_value_of_zero_counts_as_half_an_image():
    assert log_odds([0.0], images=1000) == pytest.approx(special.logit([0.0005]))
    assert logit_interval([0.0, 0.2, 0.1], images=1000) != logit_interval([0.0, 0.2, 0.1])
    assert logit_interval([0.0, 0.2, 0.1]).low > 0


def test_seeds_without_any_error_leave_what_the_images_cannot_exclude():
    interval = logit_interval([0.0, 0.0, 0.0], images=300)
    assert interval.low == 0
    # the rule of three: 3 / N at 95%
    assert interval.high == pytest.approx(1.0, rel=0.01)
    mirrored = logit_interval([100.0, 100.0], images=300)
    assert (100 - mirrored.low, mirrored.high) == pytest.approx((interval.high, 100.0))


def test_too_few_or_bad_values_have_no_interval():
    assert np.isnan(logit_interval([3.0]).low)
    assert np.isnan(logit_interval([3.0, np.inf]).high)
    assert np.isnan(logit_interval([3.0, 3.0]).low)  # nothing says how far they spread
    assert np.isnan(delta_interval([3.0, 3.0, 3.0]).high)
    with pytest.raises(ValueError, match=r"lies in \[0, 100\], but here is -1"):
        logit_interval([-1.0, 2.0])


def test_many_intervals_together_cover_as_often_as_promised():
    rng = np.random.default_rng(2)
    many, n, runs = 6, 4, 500
    shared = rng.normal(0, 0.3, (runs, 1, n))  # what a seed does to all configurations
    z = special.logit(0.02) + shared + rng.normal(0, 0.3, (runs, many, n))
    covered = [
        all(
            one.low < 2 < one.high for one in simultaneous_intervals(list(100 * special.expit(run)))
        )
        for run in z
    ]
    assert np.mean(covered) > 0.94
    alone = [logit_interval(100 * special.expit(run[0])) for run in z]
    assert 0.92 < np.mean([one.low < 2 < one.high for one in alone]) < 0.98


def test_sidak_is_a_little_narrower_than_bonferroni():
    assert 0.95 < single_level(10) < single_level(10, method="bonferroni")
    assert single_level(1) == 0.95


@pytest.mark.parametrize(
    ("low", "high", "possible"),
    [(-3.0, 4.0, (-3.0, 4.0)), (-167.0, 8.0, (-100.0, 8.0)), (60.0, 140.0, (60.0, 100.0))],
)
def test_a_difference_of_two_errors_lies_within_100_points(low, high, possible):
    assert possible_difference(low, high) == possible
    assert all(np.isnan(possible_difference(np.nan, np.nan)))


def test_no_table_shows_a_difference_that_cannot_be():
    errors = np.array([[5.0, 90.0, 20.0], [95.0, 10.0, 70.0]])
    (row,) = judge_table([errors], subject=0, forecast=False)
    assert (row.rivals[0].low, row.rivals[0].high) == (-100.0, 100.0)
    points = design_points(["a"], "one_in")
    for effect in part_effects(points, errors, "one_in"):
        assert (effect.low, effect.high) == (-100.0, 100.0)
    seeds = [pd.Series(row) for row in errors]
    (contrast,) = contrasts_against({"x": (seeds[0], seeds[1])}, trials={"x": pd.Series()})
    assert (contrast.paired.low, contrast.paired.high) == contrast.together == (-100.0, 100.0)
    cell = judge_cell([1.0, 60.0], PublishedCell(20.0, 0.1), CellMargin(1.0, 1.0), forecast=False)
    assert (cell.low, cell.high) == (-20.0, 80.0)


def test_the_columns_of_paired_differences_are_named_in_whole_words_and_no_two_alike():
    seeds = [pd.Series(values, index=range(4)) for values in ([5.0, 6, 7, 8.5], [4.0, 5.5, 6, 7])]
    grid = contrast_grid(
        contrasts_against({"x": (seeds[0], seeds[1])}, trials={"x": pd.Series()}),
        title="Minus the best",
    )
    heading, row = csv.reader(io.StringIO(to_csv(grid)))
    assert heading == [
        "configuration",
        *(f"difference (points) {part}" for part in ("mean", "low", "high")),
        *("all at once low", "all at once high", "pairs"),
        *("paired t-test p", "paired t-test p, corrected"),
        *("sign-flip test p", "sign-flip test p, corrected", "best"),
    ]
    assert float(row[1]) == pytest.approx(1.0)
    text = to_text(grid)
    assert "paired t-test" in text and "sign-flip test" in text and "flips" not in text
    (note, *_) = grid.notes
    assert "p, corrected: by Holm" in note

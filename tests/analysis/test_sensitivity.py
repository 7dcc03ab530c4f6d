"""Curves over a factor and Sobol indices, on functions whose truth is known."""

import numpy as np
import pytest

from analysis.figures.sensitivity import sobol_bars
from analysis.statistics import sensitivity, sobol
from analysis.statistics.sensitivity import SensitivityError, sensitivity_curve
from analysis.statistics.sobol import sobol_indices

BETAS = (0.1, 0.3, 0.5, 0.7, 0.9)


def valley(beta):
    return 20 + 12 * (np.asarray(beta) - 0.5) ** 2


def errors_of(betas, *, sd=0.15, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, sd, (len(betas), seeds))
    return valley(betas)[:, None] + rng.normal(0, 0.5, seeds) + noise


def test_the_curve_finds_the_valley_and_its_band_holds_it():
    curve = sensitivity_curve(BETAS, errors_of(BETAS), margin=0.8)
    assert abs(curve.best - 0.5) < 0.1
    shift = curve.mean.mean() - valley(curve.grid).mean()  # what the seeds do to all values
    assert (np.abs(curve.mean - shift - valley(curve.grid)) < 0.5).all()
    assert (curve.low <= curve.mean).all() and (curve.mean <= curve.high).all()


def test_the_good_range_lies_within_the_true_one_and_the_possible_around_it():
    betas = np.linspace(0.1, 0.9, 9)
    curve = sensitivity_curve(betas, errors_of(betas, sd=0.05), margin=0.48)
    # 12 (β − .5)² ≤ .48 from .3 to .7
    ((low, high),) = curve.shown_as_good
    assert 0.28 < low < 0.5 < high < 0.72
    ((widest_low, widest_high),) = curve.may_be_good
    assert widest_low <= low and high <= widest_high and widest_low < 0.32 and widest_high > 0.68


def test_the_whole_curve_lies_in_the_band_as_often_as_promised():
    rng = np.random.default_rng(1)
    held = []
    for seed in range(9):
        errors = valley(BETAS)[:, None] + rng.normal(0, 0.3, (5, 4))
        errors = errors - errors.mean(0) + 20  # the seeds' shift of the whole curve
        curve = sensitivity_curve(BETAS, errors, seed=seed, points=31)
        truth = valley(curve.grid) - valley(BETAS).mean() + 20
        held.append(((curve.low <= truth) & (truth <= curve.high)).all())
    assert sum(held) >= 7  # a band of 95% falls below that in 1 case of 100


def test_the_next_trials_go_where_the_curve_is_least_known():
    errors = errors_of((0.1, 0.2, 0.3, 0.9), sd=0.05)
    curve = sensitivity_curve((0.1, 0.2, 0.3, 0.9), errors, margin=0.1)
    assert 0.35 < curve.next_value < 0.85


def test_hundreds_of_values_are_taken_together_and_tell_the_same(monkeypatch):
    betas = np.random.default_rng(2).uniform(0.1, 0.9, 500)
    errors = errors_of(betas, sd=2.0, seeds=3)
    together = sensitivity_curve(betas, errors, margin=0.5)
    monkeypatch.setattr(sensitivity, "MOST_VALUES", 500)
    single = sensitivity_curve(betas, errors, margin=0.5)
    width = np.median(single.high - single.low)
    for name in ("mean", "low", "high"):
        assert np.abs(getattr(together, name) - getattr(single, name)).max() < 0.1 * width
    assert together.best == pytest.approx(single.best, abs=0.02)
    for ranges in ("shown_as_good", "may_be_good"):
        assert np.allclose(getattr(together, ranges), getattr(single, ranges), atol=0.03)


def test_a_logarithmic_factor_runs_over_its_logarithm():
    values = (1e-4, 1e-3, 1e-2, 1e-1)
    curve = sensitivity_curve(values, errors_of(BETAS[:4]), log=True)
    assert curve.grid[50] == pytest.approx(np.sqrt(1e-4 * 1e-1))
    assert curve.grid[0] == pytest.approx(1e-4) and curve.grid[-1] == pytest.approx(1e-1)


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ((0.1, 0.2, 0.3), np.ones((3, 2)), "at least 4 values"),
        ((0.1, 0.1, 0.2, 0.3), np.ones((4, 2)), "without repeats"),
        (BETAS, np.ones((5, 1)), "one seed for each value"),
        (BETAS, np.full((5, 2), np.nan), "no finite error"),
    ],
)
def test_values_that_tell_no_curve_are_refused(values, errors, message):
    with pytest.raises(SensitivityError, match=message):
        sensitivity_curve(values, errors)


def test_sobols_indices_of_a_sum_are_its_shares_of_variance():
    rng = np.random.default_rng(2)
    settings = rng.uniform(0, 1, (40, 3))
    truth = 10 + 4 * settings[:, 0] + 2 * settings[:, 1]  # variances 16 : 4 : 0
    found = sobol_indices(
        settings, truth[:, None] + rng.normal(0, 0.05, (40, 3)), names=["a", "b", "c"]
    )
    assert [index.factor for index in found.indices] == ["a", "b", "c"]
    assert [index.total for index in found.indices] == pytest.approx([0.8, 0.2, 0.0], abs=0.06)
    assert found.indices[0].alone == pytest.approx(0.8, abs=0.08)
    assert found.explained > 0.95


def test_of_many_configurations_a_sample_tells_the_indices(monkeypatch):
    rng = np.random.default_rng(4)
    settings = rng.uniform(0, 1, (700, 2))
    truth = 20 + 30 * (settings[:, :1] - 0.5) ** 2 + 10 * settings[:, 1:]
    errors = truth + rng.normal(0, 0.5, (700, 2))
    monkeypatch.setattr(sobol, "MOST_FITTED", 80)
    found = []
    for most in (10_000, 400):
        monkeypatch.setattr(sobol, "MOST_KNOWN", most)
        indices = sobol_indices(settings, errors, names=["a", "b"])
        assert indices.explained > 0.9
        assert indices.sample == (400 if most == 400 else None)
        told = "through a sample of 400 configurations:" in sobol_bars(indices).caption
        assert told is (most == 400)
        found.append({each.factor: each.total for each in indices.indices})
    assert found[0] == pytest.approx(found[1], abs=0.02)


def test_an_interaction_shows_in_the_total_and_not_alone():
    rng = np.random.default_rng(3)
    settings = rng.uniform(-1, 1, (50, 2))
    truth = 10 + 3 * settings[:, 0] * settings[:, 1]
    found = sobol_indices(settings, truth[:, None] + rng.normal(0, 0.05, (50, 2)), names=["a", "b"])
    assert all(index.total > 0.7 and index.alone < 0.25 for index in found.indices)


def test_pure_noise_is_not_explained():
    rng = np.random.default_rng(4)
    found = sobol_indices(rng.uniform(0, 1, (30, 2)), rng.normal(10, 1, (30, 3)), names=["a", "b"])
    assert found.explained < 0.3


def test_too_few_configurations_have_no_sobol_indices():
    with pytest.raises(SensitivityError, match="at least 6 configurations, but here are 5"):
        sobol_indices(np.zeros((5, 2)), np.zeros((5, 2)), names=["a", "b"])

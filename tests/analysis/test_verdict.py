import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from analysis.paper.verdict import (
    MOST_SEEDS,
    PublishedCell,
    Verdict,
    equivalence_margin,
    judge_cell,
    welch_interval,
)

LAMIX = PublishedCell(19.38, 0.16)


def values(mean, sd, n):
    """n numbers with exactly this mean and standard deviation."""
    raw = np.linspace(-1, 1, n)
    return list(mean + sd * raw / raw.std(ddof=1))


def test_the_margin_is_two_spreads_two_percent_or_a_tenth_of_a_point():
    assert equivalence_margin(PublishedCell(24.19, 1.27)) == pytest.approx(2.54)
    assert equivalence_margin(PublishedCell(16.9, 0.09)) == pytest.approx(0.338)
    assert equivalence_margin(PublishedCell(2.80, 0.02)) == 0.1


def test_welchs_interval_is_that_of_scipy_and_statsmodels():
    ours, theirs = values(19.6, 0.3, 4), values(19.38, 0.16, 5)
    low, high = welch_interval(np.mean(ours) - 19.38, 0.3, 4, LAMIX, 0.95)
    scipys = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (low, high) == pytest.approx((scipys.low, scipys.high))
    compare = CompareMeans(DescrStatsW(ours), DescrStatsW(theirs))
    assert (low, high) == pytest.approx(compare.tconfint_diff(usevar="unequal"))


def test_the_same_numbers_are_reproduced():
    judgement = judge_cell(values(19.40, 0.16, 5), LAMIX)
    assert judgement.verdict is Verdict.REPRODUCED
    assert judgement.difference == pytest.approx(0.02)
    assert judgement.margin == pytest.approx(0.3876)
    assert judgement.more_seeds is None


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.1, 0.2, 0.3])
def test_reproduced_is_the_two_one_sided_tests_of_statsmodels(shift):
    ours, theirs = values(19.38 + shift, 0.2, 5), values(19.38, 0.16, 5)
    limit = equivalence_margin(LAMIX)
    p, _, _ = ttost_ind(ours, theirs, -limit, limit, usevar="unequal")
    assert (judge_cell(ours, LAMIX).verdict is Verdict.REPRODUCED) == (p <= 0.05)


@pytest.mark.parametrize("mean", [21.4, 17.4])
def test_far_away_is_not_reproduced_in_either_direction(mean):
    judgement = judge_cell(values(mean, 0.2, 5), LAMIX)
    assert judgement.verdict is Verdict.NOT_REPRODUCED
    assert np.sign(judgement.difference) == np.sign(mean - 19.38)
    assert judgement.low * judgement.high > 0


def test_a_wide_spread_is_underpowered_and_says_how_many_seeds_decide():
    ours = values(19.6, 0.8, 3)
    judgement = judge_cell(ours, LAMIX)
    assert judgement.verdict is Verdict.UNDERPOWERED
    more = judgement.more_seeds
    assert more is not None
    assert judge_cell(values(19.6, 0.8, 3 + more), LAMIX).verdict is not Verdict.UNDERPOWERED
    assert judge_cell(values(19.6, 0.8, 2 + more), LAMIX).verdict is Verdict.UNDERPOWERED
    assert f"{more} more seeds would decide" in judgement.reason


def test_where_the_papers_own_runs_are_too_few_no_number_of_seeds_decides():
    published = PublishedCell(5.0, 1.0)  # margin 2; five runs leave 90% within ±.95
    judgement = judge_cell(values(6.5, 0.5, 5), published)
    assert judgement.verdict is Verdict.UNDERPOWERED
    assert judgement.more_seeds is None
    assert "no number of seeds would decide" in judgement.reason
    assert judge_cell(values(6.5, 0.5, MOST_SEEDS), published).verdict is Verdict.UNDERPOWERED


def test_one_seed_is_underpowered_and_borrows_the_papers_spread_for_the_count():
    judgement = judge_cell([19.40], LAMIX)
    assert judgement.verdict is Verdict.UNDERPOWERED
    assert math.isnan(judgement.low)
    assert judgement.more_seeds is not None and 1 <= judgement.more_seeds <= 5


def test_missing_seeds_are_incomplete():
    judgement = judge_cell(values(19.4, 0.16, 3), LAMIX, planned=5)
    assert judgement.verdict is Verdict.INCOMPLETE
    assert judgement.reason == "3 of 5 seeds have run in full"
    assert judge_cell([], LAMIX).verdict is Verdict.INCOMPLETE


def test_a_lost_seed_fails_the_cell_whatever_the_others_say():
    judgement = judge_cell(values(19.4, 0.16, 4), LAMIX, planned=5, failed=1)
    assert judgement.verdict is Verdict.FAILED
    assert "1 of 5 seeds" in judgement.reason


def test_another_setting_is_not_compared():
    judgement = judge_cell(values(19.4, 0.16, 5), LAMIX, comparable=False)
    assert judgement.verdict is Verdict.NOT_COMPARED


def test_no_spread_at_all_is_decided_by_the_margin():
    exact = PublishedCell(10.0, 0.0)
    assert judge_cell([10.1, 10.1], exact).verdict is Verdict.REPRODUCED
    assert judge_cell([10.3, 10.3], exact).verdict is Verdict.NOT_REPRODUCED


def test_the_rule_is_right_about_a_true_reproduction_most_of_the_time():
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(400):
        paper = rng.normal(19.4, 0.2, 5)
        published = PublishedCell(float(paper.mean()), float(paper.std(ddof=1)))
        verdicts.append(judge_cell(list(rng.normal(19.4, 0.2, 5)), published).verdict)
    assert verdicts.count(Verdict.NOT_REPRODUCED) < 0.05 * len(verdicts)
    assert verdicts.count(Verdict.REPRODUCED) > 0.5 * len(verdicts)

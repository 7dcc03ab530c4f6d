"""Verdicts on claims: by hand, on made-up records with known truth, and on null tables."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.claims import (
    ClaimVerdict,
    judge_order,
    judge_table,
    supported_order,
)
from analysis.statistics.p_values import holm_adjusted
from analysis.statistics.published import PublishedCell, equivalence_margin, judge_cell
from analysis.statistics.summary import holm_correction

SUPPORTED, CONTRADICTED = ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED
UNDECIDED = ClaimVerdict.UNDECIDED


def draw(means, sd=0.1, *, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(means)[:, None] + rng.normal(0, sd, (len(means), seeds))


def test_a_comparison_is_the_paired_t_of_scipy():
    errors = draw([5.0, 5.1, 5.3], seed=1)
    (row,) = judge_table([errors], subject=0)
    first = row.rivals[0]
    expected = stats.ttest_rel(errors[0], errors[1])
    assert first.p == pytest.approx(expected.pvalue)
    assert (first.low, first.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert first.n == 5 and first.rival == 1


def test_holm_here_is_that_of_statsmodels():
    p = [0.01, np.nan, 0.04, 0.03, 0.9]
    assert holm_adjusted(p) == pytest.approx(holm_correction(p), nan_ok=True)


def test_the_correction_counts_the_whole_table():
    errors = draw([5.0, 5.2], seed=2)
    (alone,) = judge_table([errors], subject=0)
    many = judge_table([errors, *(draw([5.0, 5.0], seed=9 + i) for i in range(9))], subject=0)
    assert many[0].rivals[0].holm_p > 5 * alone.rivals[0].holm_p


def test_a_clear_row_supports_its_claim_and_its_reverse_is_contradicted():
    errors = draw([5.0, 7.0, 9.0])
    (row,) = judge_table([errors], subject=0, margin=0.3)
    assert (row.better, row.on_par) == (SUPPORTED, SUPPORTED) and row.outlook is None
    (reverse,) = judge_table([errors], subject=1, margin=0.3)
    assert (reverse.better, reverse.on_par) == (CONTRADICTED, CONTRADICTED)
    assert {(pair.first, pair.second) for pair in row.order} == {(0, 1), (0, 2), (1, 2)}


def test_equal_methods_are_on_par_by_a_margin_and_better_is_undecided():
    (row,) = judge_table([draw([5.0, 5.0], seeds=10, seed=3)], subject=0, margin=0.3)
    assert (row.better, row.on_par) == (UNDECIDED, SUPPORTED)


def test_an_undecided_row_says_what_would_decide():
    (row,) = judge_table([draw([5.0, 5.1], sd=0.05, seeds=3, seed=4)], subject=0)
    assert row.better is UNDECIDED and row.outlook is not None
    assert row.outlook.more is not None and 0.8 <= row.outlook.probability <= 1


def test_one_common_seed_decides_nothing():
    errors = np.array([[1.0, np.nan], [9.0, 9.0]])
    (row,) = judge_table([errors], subject=0, margin=0.3)
    assert (row.better, row.on_par) == (UNDECIDED, UNDECIDED)
    assert np.isnan(row.rivals[0].p) and row.order == ()


def test_a_margin_below_zero_is_refused():
    with pytest.raises(ValueError, match="at least 0 points, but here is -1"):
        judge_table([draw([5.0, 6.0])], subject=0, margin=-1)


def test_an_order_is_supported_contradicted_or_undecided():
    errors = draw([5.0, 6.0, 6.02])
    assert judge_order(errors, [0, 1]) is SUPPORTED
    assert judge_order(errors, [2, 0]) is CONTRADICTED
    assert judge_order(errors, [0, 1, 2]) is UNDECIDED
    assert supported_order(errors[:1]) == ()


def test_of_null_tables_hardly_any_calls_the_subject_better():
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(200):
        shared = rng.normal(0, 0.2, (6, 1, 5))
        rows = list(5 + shared + rng.normal(0, 0.2, (6, 4, 5)))
        judged = judge_table(rows, subject=3, forecast=False)
        called += any(c.better is SUPPORTED for row in judged for c in row.rivals)
    assert called <= 0.05 * 200  # the level of one direction is 2.5%


@pytest.mark.parametrize(
    ("difference", "wrong"), [(0.0, CONTRADICTED), (0.9, CONTRADICTED), (1.1, SUPPORTED)]
)
def test_a_verdict_on_a_cell_contradicts_the_truth_in_at_most_a_twentieth(difference, wrong):
    rng = np.random.default_rng(6)
    said = 0
    for _ in range(400):
        theirs = rng.normal(10, 0.3, 5)
        published = PublishedCell(theirs.mean(), theirs.std(ddof=1))
        margin = equivalence_margin(published)
        ours = rng.normal(10 + difference * margin.points, 0.3, 8)
        said += judge_cell(ours, published, margin, forecast=False).verdict is wrong
    assert said <= 0.05 * 400 + 2 * np.sqrt(400 * 0.05 * 0.95)


def test_a_margin_that_would_accept_anything_is_capped_and_says_so():
    cutmix_on_lenet = PublishedCell(62.5, 3.09)
    margin = equivalence_margin(cutmix_on_lenet, [58.9, 56.4, 62.5, 56.3])
    assert margin.uncapped == pytest.approx(6.18) and margin.points == 2.0
    assert margin.caution.startswith("the margin is capped at ±2.00 points")
    assert equivalence_margin(PublishedCell(19.38, 0.16)).caution == ""
    assert equivalence_margin(PublishedCell(19.38, 0.16)).points == pytest.approx(0.3876)


def test_no_margin_reaches_half_way_from_the_best_method_to_the_worst():
    margin = equivalence_margin(PublishedCell(5.0, 0.4), [5.0, 5.6])
    assert margin.points == pytest.approx(0.3)
    assert equivalence_margin(PublishedCell(5.0, 0.4), [5.0, 5.01]).points == pytest.approx(0.1)


def test_a_cell_within_the_margin_is_supported_and_one_beyond_contradicted():
    published = PublishedCell(10.0, 0.3)
    margin = equivalence_margin(published)
    ours = [9.9, 10.0, 10.1, 10.05, 9.95]
    close = judge_cell(ours, published, margin)
    assert close.verdict is SUPPORTED and close.outlook is None
    assert judge_cell(np.add(ours, 3), published, margin).verdict is CONTRADICTED
    single = judge_cell([10.0], published, margin)
    assert single.verdict is UNDECIDED and single.outlook.more is None


def test_where_the_published_runs_are_too_few_no_number_of_seeds_decides():
    published = PublishedCell(62.5, 3.09)
    margin = equivalence_margin(published, [58.9, 56.4, 62.5, 56.3])
    cell = judge_cell([62.0, 63.0, 62.6], published, margin)
    assert cell.verdict is UNDECIDED
    assert cell.outlook.more is None and "even 100 more" in cell.outlook.sentence

"""Verdicts of studies that were looked at before: they allow for every look."""

import numpy as np

from analysis.paper.claim_words import claims_grid
from analysis.paper.figure_claims import figure_sentence
from analysis.paper.verdict import Verdict, judge_values
from analysis.statistics.claims import ClaimVerdict, judge_table
from analysis.statistics.looks import look_shares, looks_taken, present_share
from analysis.statistics.published import CellMargin, PublishedCell
from tests.analysis.test_figure_claims import trials
from tests.analysis.test_table_claims import EQUAL, PLACE, judged, table

LOOKS = (3, 5, 7, 9, 11)


def test_an_earlier_look_takes_its_share_and_the_present_one_the_rest():
    assert looks_taken([7, 3, 3, 9], 7) == (3, 7)
    assert present_share([], 5) == present_share([5], 5) == present_share([7], 5) == 1.0
    assert present_share([5], 7) == look_shares([5, 7])[-1]
    assert present_share([5], 7) < 0.5


def false_calls(looks, *, at):
    """The share of studies without a difference that are called at one of these looks."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        errors = rng.normal(20, 0.3, (2, LOOKS[-1]))
        judged = (
            judge_table([errors[:, :seeds]], subject=0, forecast=False, looks=looks)[0]
            for seeds in at
        )
        wrong += any(row.better is not ClaimVerdict.UNDECIDED for row in judged)
    return wrong / 400


def test_the_verdict_after_five_looks_misleads_in_at_most_one_study_of_twenty():
    assert false_calls(LOOKS[:-1], at=LOOKS[-1:]) <= 0.05
    assert false_calls((), at=LOOKS) > 0.08  # what is shown at any look, were they not allowed for


def test_what_an_earlier_look_has_shown_stays_shown():
    rng = np.random.default_rng(1)
    early = np.array([[19.0], [20.0]]) + rng.normal(0, 0.01, (2, 5))
    late = np.hstack([early, np.array([[25.0, 15.0], [15.0, 25.0]])])
    (row,) = judge_table([late], subject=0, forecast=False, looks=(5,))
    assert row.better is ClaimVerdict.SUPPORTED
    (alone,) = judge_table([late], subject=0, forecast=False)
    assert alone.better is ClaimVerdict.UNDECIDED


def test_the_interval_of_a_claim_is_wider_for_the_looks_before():
    frame = table("table1", PLACE, EQUAL)
    once, twice = judged(frame, "table1"), judged(frame, "table1", looks=(3,))
    for plain, extended in zip(
        once.rows[0].judgement.rivals, twice.rows[0].judgement.rivals, strict=True
    ):
        assert extended.high - extended.low > plain.high - plain.low
        assert extended.p >= plain.p
    assert twice.looks == (3, 5) and once.looks == ()
    assert "allow for looks at 3, 5 seeds" in " ".join(claims_grid(twice).notes)
    assert "looks" not in " ".join(claims_grid(once).notes)


def test_a_cell_that_one_look_would_call_reproduced_may_need_more_after_several():
    values, cell = [20.1, 20.0, 19.9, 20.05, 19.95], PublishedCell(20.0, 0.1)
    close = CellMargin(0.13, 0.13)
    assert judge_values(values, cell, close).verdict is Verdict.REPRODUCED
    assert judge_values(values, cell, close, looks=(3,)).verdict is Verdict.UNDERPOWERED


def test_the_claims_of_a_curve_allow_for_looks_too():
    plain, extended = (
        figure_sentence("fig4", trials()),
        figure_sentence("fig4", trials(), looks=(3,)),
    )
    assert "serve alike, within 0.4 points, is supported" in plain
    assert extended.startswith("Of the paper's claims: that β = 0.5 is best is undecided")

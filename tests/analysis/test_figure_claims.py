"""The claims of Figs. 4 and 6, judged on curves of known truth."""

import numpy as np
import pytest

from analysis.paper.comparable import paper_configurations
from analysis.paper.figure_claims import CURVE_CLAIMS, figure_sentence, judge_curve
from analysis.statistics.claims import ClaimVerdict
from tests.analysis.paper_trials import frame_of, with_seeds

BETAS = [round(0.1 * i, 1) for i in range(1, 10)]
FIG4, FIG6 = CURVE_CLAIMS["fig4"], CURVE_CLAIMS["fig6"]


def curve(means, *, noise=0.05, seeds=5):
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 0.3, seeds)
    return np.array([mean + luck + rng.normal(0, noise, seeds) for mean in means])


def flat_between(low, high, *, best=None):
    return [19.4 - 0.5 * (b == best) + 3 * (not low <= b <= high) for b in BETAS]


def test_a_flat_range_serves_alike_and_none_is_shown_to_be_best():
    judged = judge_curve(BETAS, curve(flat_between(0.3, 0.8)), FIG4, comparable=True)
    assert judged.alike is ClaimVerdict.SUPPORTED
    assert judged.best is ClaimVerdict.UNDECIDED


def test_a_range_that_rises_within_is_contradicted():
    judged = judge_curve(BETAS, curve(flat_between(0.3, 0.6)), FIG4, comparable=True)
    assert judged.alike is ClaimVerdict.CONTRADICTED


def test_a_single_lowest_value_is_the_best_or_not():
    five = judge_curve(BETAS, curve(flat_between(0.3, 0.8, best=0.5)), FIG4, comparable=True)
    three = judge_curve(BETAS, curve(flat_between(0.3, 0.8, best=0.3)), FIG4, comparable=True)
    assert (five.best, three.best) == (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED)


@pytest.mark.parametrize(
    ("level", "verdict"),
    [(21.5, ClaimVerdict.SUPPORTED), (18.0, ClaimVerdict.CONTRADICTED),
     (19.4, ClaimVerdict.UNDECIDED)],
)  # fmt: skip
def test_smoothing_stays_above_lamixs_printed_error_or_not(level, verdict):
    errors = curve([level] * len(BETAS))
    assert judge_curve(BETAS, errors, FIG6, comparable=True).above is verdict
    assert judge_curve(BETAS, errors, FIG6, comparable=False).above is None


def trials(**changes):
    errors = curve(flat_between(0.3, 0.8))
    return frame_of(
        *(
            with_seeds({**wanted.settings, **changes}, row, configuration=f"{i}{changes}")
            for i, (wanted, row) in enumerate(
                zip(paper_configurations("fig4_beta"), errors, strict=True)
            )
        )
    )


def test_the_sentence_says_each_verdict_and_the_setting():
    assert figure_sentence("fig4", trials()) == (
        "Of the paper's claims: that β = 0.5 is best is undecided (9 values tested); that β from "
        "0.3 to 0.8 "
        "(6 values tested) serve alike, within 0.4 points, is supported."
    )
    narrow = figure_sentence("fig4", trials(**{"network.width": 4}))
    assert narrow.startswith("Of this setting alone, which is not the paper's: that β = 0.5 ")


def test_a_few_values_support_no_claim_of_all_and_may_yet_contradict_it():
    few = [0.2, 0.5]
    errors = curve([22.0, 19.0])
    judged = judge_curve(few, errors, FIG4, comparable=True)
    assert (judged.best, judged.alike) == (ClaimVerdict.UNDECIDED, ClaimVerdict.UNDECIDED)
    assert judge_curve(few, errors[::-1], FIG4, comparable=True).best is ClaimVerdict.CONTRADICTED
    above = judge_curve(few, curve([22.0, 23.0]), FIG6, comparable=True).above
    below = judge_curve(few, curve([22.0, 17.0]), FIG6, comparable=True).above
    assert (above, below) == (ClaimVerdict.UNDECIDED, ClaimVerdict.CONTRADICTED)


def test_one_value_in_the_range_is_not_plural():
    frame = trials()
    held = frame[frame["regularizer.beta"].isin([0.1, 0.5, 0.9])]
    assert "(1 value tested)" in figure_sentence("fig4", held)


def test_where_something_else_varies_there_is_no_curve():
    two = frame_of(trials().to_dict("records"), trials(**{"network.width": 4}).to_dict("records"))
    assert figure_sentence("fig4", two) == ""
    assert figure_sentence("fig2", trials()) == ""

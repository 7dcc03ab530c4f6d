import math

import numpy as np
import pytest

from analysis.paper.verdict import Verdict, judge_values
from analysis.statistics.published import PublishedCell, equivalence_margin

LAMIX = PublishedCell(19.38, 0.16)
MARGIN = equivalence_margin(LAMIX)


def values(mean, sd, n):
    """n numbers with exactly this mean and standard deviation."""
    raw = np.linspace(-1, 1, n)
    return list(mean + sd * raw / raw.std(ddof=1))


def judged(ours, **options):
    return judge_values(ours, LAMIX, MARGIN, **options)


def test_the_same_numbers_are_reproduced():
    judgement = judged(values(19.40, 0.16, 5))
    assert judgement.verdict is Verdict.REPRODUCED
    assert judgement.difference == pytest.approx(0.02)
    assert judgement.margin == pytest.approx(0.3876)
    assert judgement.outlook == ""


@pytest.mark.parametrize("mean", [21.4, 17.4])
def test_far_away_is_not_reproduced_in_either_direction(mean):
    judgement = judged(values(mean, 0.2, 5))
    assert judgement.verdict is Verdict.NOT_REPRODUCED
    assert np.sign(judgement.difference) == np.sign(mean - 19.38)
    assert judgement.low * judgement.high > 0


def test_a_little_beyond_the_margin_is_not_yet_not_reproduced():
    judgement = judged(values(19.38 + 0.45, 0.2, 5))
    assert judgement.verdict is Verdict.UNDERPOWERED
    assert judgement.low < MARGIN.points < judgement.high


def test_a_wide_spread_is_underpowered_and_says_how_many_seeds_decide_and_how_likely():
    judgement = judged(values(19.6, 0.8, 5))
    assert judgement.verdict is Verdict.UNDERPOWERED
    assert "more seeds would decide with" in judgement.outlook
    assert "probability" in judgement.outlook and judgement.outlook in judgement.reason


def test_one_seed_decides_nothing_and_forecasts_nothing():
    judgement = judged([19.40])
    assert judgement.verdict is Verdict.UNDERPOWERED
    assert math.isnan(judgement.low)
    assert judgement.outlook == "two seeds are needed before a forecast can be made"


def test_missing_seeds_are_incomplete():
    judgement = judged(values(19.4, 0.16, 3), planned=5)
    assert judgement.verdict is Verdict.INCOMPLETE
    assert judgement.reason == "3 of 5 seeds have run in full"
    assert judged([]).verdict is Verdict.INCOMPLETE


def test_a_lost_seed_fails_the_cell_whatever_the_others_say():
    judgement = judged(values(19.4, 0.16, 4), planned=5, failed=1)
    assert judgement.verdict is Verdict.FAILED
    assert "1 of 5 seeds" in judgement.reason


def test_another_setting_is_not_compared_and_says_which():
    judgement = judged(values(19.4, 0.16, 5), differing="width 2, the paper's 64")
    assert (judgement.verdict, judgement.reason) == (
        Verdict.NOT_COMPARED,
        "width 2, the paper's 64",
    )


def test_a_capped_margin_is_said():
    wide = PublishedCell(62.5, 3.09)
    judgement = judge_values(values(62.5, 0.2, 5), wide, equivalence_margin(wide))
    assert "capped at ±2.00" in judgement.caution and judgement.caution in judgement.reason

"""Whether more seeds would tell the best configuration from the next, and at what price."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.counted import count_text
from analysis.record.names import CONFIGURATION
from analysis.statistics.looks import look_shares
from analysis.statistics.pairs import Booleans, Floats
from analysis.statistics.prediction import probability_decided, seeds_to_decide
from analysis.statistics.repeated_pairs import difference_over_looks
from analysis.tables.configurations import data_sets
from analysis.tables.display_names import with_capital
from analysis.tables.feasibility import feasible_rows
from analysis.tables.seed_values import by_seed
from analysis.tables.test_images import error_step

MOST_FURTHER = 20
"""Further seeds beyond which nobody is invited."""
LEVEL = 0.05
BEST_IS_TOLD = "the best is told from the next, and more seeds are not needed for that"


@dataclass(frozen=True)
class NextLook:
    """What more seeds for all configurations would bring."""

    more: int
    """Further seeds; 0 where none is worth its price."""
    trials: int
    """What these seeds cost."""
    sentence: str

    @property
    def remark(self) -> str:
        """Return the sentence as it stands among others."""
        return f"{with_capital(self.sentence)}."


def foresee_next_look(
    frame: pd.DataFrame, table: pd.DataFrame, objective: str, looks: Sequence[int]
) -> NextLook | None:
    """Return how many more seeds would tell the best two apart; None where two cannot be compared.

    Args:
        frame: the trials.
        table: as from `over_configurations`, of one objective.
        objective: by which the best is chosen.
        looks: numbers of seeds at which was looked, the present one included. What is decided
            later allows for all of them.
    """
    ran = table[(table["n"] > 1) & feasible_rows(table)]
    if len(ran) < 2 or data_sets(ran).nunique() > 1:
        return None
    best, other = (by_seed(frame, key, objective) for key in ran[CONFIGURATION].iloc[:2])
    # Without it differences that are equal by chance would have no spread, and prove anything.
    step = error_step(frame[objective], objective, frame.iloc[0])
    seen = difference_over_looks(other, best, looks, resolution=step)
    if seen.n < 2:
        return None
    if seen.low > 0 or seen.high < 0:
        return NextLook(0, 0, BEST_IS_TOLD)
    before = tuple(look for look in sorted(set(looks)) if 2 <= look <= seen.n) or (seen.n,)

    def is_decided(means: Floats, sds: Floats, n: int) -> Booleans:
        share = float(look_shares((*before, n))[-1])
        bound = special.stdtrit(n - 1, 1 - LEVEL * share / 2) * sds / np.sqrt(n)
        told: Booleans = np.abs(means) > bound
        return told

    found = seeds_to_decide(seen.mean, seen.sd, seen.n, is_decided, most=MOST_FURTHER)
    if found.more is None:
        chance = probability_decided(seen.mean, seen.sd, seen.n, MOST_FURTHER, is_decided)
        sentence = (
            f"even {MOST_FURTHER} more seeds would tell the best from the next with probability "
            f"{chance:.2f} only"
        )
        return NextLook(0, 0, sentence)
    trials = found.more * len(table)
    sentence = (
        f"{count_text(found.more, 'more seed')}, {count_text(trials, 'trial')}: tells the best "
        f"from the next with probability {found.probability:.2f}"
    )
    return NextLook(found.more, trials, sentence)

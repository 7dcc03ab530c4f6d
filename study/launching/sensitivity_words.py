"""What a launch says of the numbers that were searched: which values do as well as the best."""

from typing import TYPE_CHECKING

from analysis.tables.race import race_margin
from analysis.trials import shown_objectives
from study.file.resolved import ResolvedStudy
from trainables.metrics import TEST_ERROR_LAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def sensitivity_words(
    study: ResolvedStudy,
    frame: "pd.DataFrame",
    table: "pd.DataFrame",
    factors: list[str],
    looks: "Sequence[int]" = (),
) -> tuple[str, ...]:
    """Return a sentence for each curve over a searched number; nothing where there is none.

    Args:
        study: which was launched.
        frame: its trials.
        table: as from `over_configurations`.
        factors: what names a configuration.
        looks: numbers of seeds at which the study was looked at.
    """
    # Late: the Gaussian processes take a second to load, which a launch without trials need not.
    from analysis.tables.numeric_factors import study_sensitivity

    objective = shown_objectives(study.search.objectives)[0]
    found = study_sensitivity(
        frame,
        table,
        factors,
        metric=objective if study.search.selects else TEST_ERROR_LAST,
        space=study.search.space,
        margin=race_margin(study.as_dict()["search"]),
        looks=looks,
    )
    return found.sentences if found.curves else ()

"""What a launch says of the numbers that were searched: which values do as well as the best."""

from typing import TYPE_CHECKING

from analysis.tables.race import race_margin
from analysis.trials import shown_objectives
from study.file.resolved import ResolvedStudy
from trainables.metrics import TEST_ERROR_LAST

if TYPE_CHECKING:
    import pandas as pd


def sensitivity_words(
    study: ResolvedStudy, frame: "pd.DataFrame", table: "pd.DataFrame", factors: list[str]
) -> tuple[str, ...]:
    """Return a sentence for each curve over a searched number; nothing where there is none.

    Args:
        study: which was launched.
        frame: its trials.
        table: as from `over_configurations`.
        factors: what names a configuration.
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
    )
    return found.sentences if found.curves else ()

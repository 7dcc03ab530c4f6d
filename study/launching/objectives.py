"""Whether a study's data lets its objectives be measured, which the study file alone cannot say."""

from collections.abc import Sequence
from pathlib import Path

from trainables import datasets
from trainables.datasets import DatasetError
from trainables.metrics import description_of


def check_objectives(objectives: Sequence[str], settings: datasets.AnySettings, data: Path) -> None:
    """Check that a data set has the classes that each objective needs.

    Raises:
        DatasetError: if it has too few.
    """
    for objective in objectives:
        fewest = description_of(objective).fewest_classes
        if fewest and (classes := datasets.load(settings, data).num_classes) < fewest:
            raise DatasetError(
                f"`search.objective`: {objective} needs {fewest} classes or more, but "
                f"{settings.name} has {classes}"
            )

"""What `trainables.robustness` is asked and answers, and what of that stands on record.

The standard library is all that this module needs, so that the analysis, which begins that process
and reads its answers without PyTorch, takes the names from here.
"""

from typing import Any, Final, Literal, TypedDict, get_args

VERSION = 1
"""Of what is measured; scores of another version do not count and are made anew."""

Kind = Literal["clean", "fgsm", "corruption", "occlusion"]
"""What test images go through."""
CLEAN: Final = "clean"
FGSM: Final = "fgsm"
CORRUPTION: Final = "corruption"
OCCLUSION: Final = "occlusion"
KINDS: tuple[Kind, ...] = get_args(Kind)


class ScoreRequest(TypedDict):
    """A line that the process reads."""

    settings: dict[str, Any]
    """Of the trial, by their parts."""
    weights: str
    """The path of the file that the trial has kept."""
    seed: int
    key: str
    """The trial's."""


class PerturbationScores(TypedDict):
    """A network's scores under one perturbation."""

    kind: Kind
    name: str
    severity: int
    scores: dict[str, float | None]
    """By name as in `evaluation.SplitScores`."""


PERTURBATION_KEYS = ("kind", "name", "severity")
"""Of `PerturbationScores`: which perturbation it is."""


class TrialScores(TypedDict):
    """A line that the process writes of a trial that it could score."""

    version: int
    device: str
    scores: list[PerturbationScores]


class RefusedTrial(TypedDict):
    """A line that the process writes of a trial that it could not score."""

    reason: str

"""What the paper claims of the curves of Figs. 4 and 6, judged on our own trials by seed.

Each figure gives an error against one number. Its claims are that some value is best, and that a
range of values serves alike. The paper prints no values of these figures but the best.

- *best*: contradicted where the value is not in the set that may be the best
  (`analysis.statistics.best_set`), supported where it alone is.
- *alike*: every tested value of the range costs at most the margin against the best of the others;
  contradicted where one is shown to cost more.
- *above*: every value errs more than the published error, one-sided by Welch's t at 5% over all
  values; contradicted where one is shown to err less.

A claim of all values is supported only where the figure's own values are among those tested, and a
claim of a range where its ends are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.paper.comparable import differing_settings, paper_configurations
from analysis.paper.reproduction import first_trials
from analysis.record.names import BETA, CONFIGURATION, SMOOTHING
from analysis.statistics.best_set import best_set, values_as_good
from analysis.statistics.claims import ClaimVerdict
from analysis.statistics.looks import present_share
from analysis.statistics.pairs import Floats, resolution_of
from analysis.statistics.published import PublishedCell, welch_half_width
from analysis.tables.display_names import SYMBOLS
from analysis.tables.seed_values import errors_by_seed
from analysis.tables.test_images import error_step
from trainables.metrics import TEST_ERROR_LAST

LEVEL = 0.05
MARGIN = 0.4
"""Points that count as alike: 2% of LaMix's published error on CIFAR-100, 19.38."""
LAMIX = PublishedCell(19.38, 0.16)


@dataclass(frozen=True)
class CurveClaim:
    """What is claimed of an error against one number."""

    study: str
    """Whose settings at scale `paper` are the paper's."""
    factor: str
    best: float
    alike: tuple[float, float] | None = None
    """The ends of the range that serves alike."""
    above: PublishedCell | None = None
    """What every value errs more than."""


CURVE_CLAIMS = {
    "fig4": CurveClaim("fig4_beta", BETA, 0.5, alike=(0.3, 0.8)),
    "fig6": CurveClaim("fig6_smoothing", SMOOTHING, 0.2, above=LAMIX),
}


@dataclass(frozen=True)
class JudgedCurve:
    """The verdicts on the claims of one figure; None where the figure has no such claim."""

    best: ClaimVerdict
    alike: ClaimVerdict | None
    above: ClaimVerdict | None
    inside: int = 0
    """Tested values in the range that is to serve alike."""
    tested: int = 0


def figure_sentence(
    figure: str | None,
    frame: pd.DataFrame,
    *,
    test: str = TEST_ERROR_LAST,
    looks: Sequence[int] = (),
) -> str:
    """Return the verdicts on what the paper claims of a figure, or nothing.

    Args:
        figure: of the paper, as from `cells.figure_of`.
        frame: the study's trials at one scale.
        test: the test error that is judged.
        looks: numbers of seeds at which the study was looked at.
    """
    claim = CURVE_CLAIMS.get(figure or "")
    if claim is None or claim.factor not in frame:
        return ""
    first = first_trials(frame)
    values = [float(value) for value in first[claim.factor]]
    if len(set(values)) < len(values) or any(value != value for value in values):
        return ""  # something else varies: there is no curve
    errors = errors_by_seed(frame, list(first[CONFIGURATION]), test)
    enough = np.isfinite(errors).sum(1) > 1
    if enough.sum() < 2:
        return ""
    kept = [value for value, held in zip(values, enough, strict=True) if held]
    same = _has_the_papers_setting(first, claim)
    level = LEVEL * present_share(looks, errors.shape[1], tests=len(kept) - 1)
    step = error_step(errors, test, first.iloc[0])
    judged = judge_curve(kept, errors[enough], claim, comparable=same, level=level, resolution=step)
    return _words(judged, claim, comparable=same)


def judge_curve(
    values: Sequence[float],
    errors: Floats,
    claim: CurveClaim,
    *,
    comparable: bool,
    level: float = LEVEL,
    resolution: float | None = None,
) -> JudgedCurve:
    """Return the verdicts on a figure's claims.

    Args:
        values: of the factor, one per row.
        errors: shape (values, seeds), in percent; NaN for what is missing.
        claim: of the figure.
        comparable: whether the setting is the paper's: only then do its numbers compare.
        level: probability that a verdict is wrong.
        resolution: points of percent that one test image is worth; None takes what the errors show.
    """
    step = resolution_of(errors) if resolution is None else resolution
    found = best_set(errors, level=1 - level, resolution=step)
    members = [values[row] for row in found.members]
    name = SYMBOLS.get(claim.factor, claim.factor)
    good = values_as_good(
        values, errors, margin=MARGIN, level=1 - level, name=name, resolution=step
    )
    best = ClaimVerdict.UNDECIDED
    if claim.best in values and claim.best not in members:
        best = ClaimVerdict.CONTRADICTED
    elif members == [claim.best] and _holds_the_grid(values, claim):
        best = ClaimVerdict.SUPPORTED
    shown = {value for run in good.shown_as_good for value in run.values}
    inside = _inside(values, claim.alike) if claim.alike else []
    return JudgedCurve(
        best=best,
        alike=_alike(values, errors, claim.alike, shown, level, step) if claim.alike else None,
        inside=len(inside),
        above=_above(values, errors, claim, level) if claim.above and comparable else None,
        tested=len(values),
    )


def _holds_the_grid(values: Sequence[float], claim: CurveClaim) -> bool:
    """Return whether all values of the paper's figure are among those tested."""
    grid = [float(c.settings[claim.factor]) for c in paper_configurations(claim.study)]
    return all(np.isclose(wanted, values, rtol=0, atol=1e-9).any() for wanted in grid)


def _inside(values: Sequence[float], ends: tuple[float, float]) -> list[int]:
    return [i for i, value in enumerate(values) if ends[0] - 1e-9 <= value <= ends[1] + 1e-9]


def _alike(
    values: Sequence[float],
    errors: Floats,
    ends: tuple[float, float],
    shown: set[float],
    level: float,
    step: float,
) -> ClaimVerdict:
    inside = _inside(values, ends)
    if not inside:
        return ClaimVerdict.UNDECIDED
    held = [values[i] for i in inside]
    if all(value in shown for value in held):
        whole = all(np.isclose(end, held, rtol=0, atol=1e-9).any() for end in ends)
        return ClaimVerdict.SUPPORTED if whole else ClaimVerdict.UNDECIDED
    for i in inside:
        eased = errors.copy()
        eased[i] -= MARGIN
        if i not in best_set(eased, level=1 - level / len(inside), resolution=step).members:
            return ClaimVerdict.CONTRADICTED
    return ClaimVerdict.UNDECIDED


def _above(
    values: Sequence[float], errors: Floats, claim: CurveClaim, level: float
) -> ClaimVerdict:
    published = claim.above
    assert published is not None
    bounds = []
    for row in errors:
        held = row[np.isfinite(row)]
        reach = welch_half_width(
            np.array([held.std(ddof=1)]), len(held), published, level / len(errors)
        )[0]
        difference = held.mean() - published.mean
        bounds.append((difference - reach, difference + reach))
    if any(high < 0 for _, high in bounds):
        return ClaimVerdict.CONTRADICTED
    supported = all(low > 0 for low, _ in bounds) and _holds_the_grid(values, claim)
    return ClaimVerdict.SUPPORTED if supported else ClaimVerdict.UNDECIDED


def _has_the_papers_setting(first: pd.DataFrame, claim: CurveClaim) -> bool:
    """Return whether all trials have the paper's settings but for the number that varies."""
    wanted = paper_configurations(claim.study)[0]
    differing: set[str] = set()
    for _, row in first.iterrows():
        trial: dict[str, Any] = {str(name): value for name, value in row.items()}
        differing |= set(
            differing_settings({**trial, claim.factor: wanted.settings[claim.factor]}, wanted)
        )
    return not differing


def _words(judged: JudgedCurve, claim: CurveClaim, *, comparable: bool) -> str:
    name = SYMBOLS.get(claim.factor, claim.factor)
    tested = count_text(judged.tested, "value")
    parts = [f"that {name} = {claim.best:g} is best is {judged.best} ({tested} tested)"]
    if judged.alike and claim.alike:
        low, high = claim.alike
        parts.append(
            f"that {name} from {low:g} to {high:g} ({count_text(judged.inside, 'value')} tested) "
            f"serve alike, within {MARGIN:g} points, is {judged.alike}"
        )
    if judged.above and claim.above:
        parts.append(
            f"that every {name} errs more than the {claim.above.mean:g}% printed for LaMix is "
            f"{judged.above}"
        )
    opening = "Of the paper's claims"
    if not comparable:
        opening = "Of this setting alone, which is not the paper's"
    return f"{opening}: {'; '.join(parts)}."

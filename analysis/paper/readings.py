"""Whether the conclusion depends on what the paper leaves open: the study of its readings, judged.

The study crosses *open questions*, each a list of the study file whose first value is the base:
settings of network and training, and LaMix's own alternatives. A *reading* answers each of them,
and a *case* is a reading on one data set. In each case LaMix minus Mixup and LaMix minus CutMix are
judged as the paper's claims are, with Holm's correction over all cases together; a reading upholds
the conclusion where all data sets do.

What an alternative changes is an average over all else, taken seed by seed (`averaged_effects`):
LaMix with it minus LaMix as the base has it; of a setting of network or training, and of the data
set, by how much it moves LaMix's difference from each rival.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis.paper.filled_places import (
    MARGINS_FROM,
    SUBJECT,
    FilledPlace,
    Places,
    error_array,
    fill_places,
)
from analysis.paper.open_questions import (
    METHODS,
    Case,
    OpenQuestion,
    case_text,
    places_of_method,
    questions_of,
)
from analysis.paper.table_claims import JudgedClaim, judge_claim
from analysis.paper.table_rows import ClaimKind, MethodClaim, MethodRow, published_row
from analysis.record.names import DATASET_NAME, NETWORK_NAME
from analysis.statistics.averaged_effects import LEVEL, AveragedEffect, averaged_effects
from analysis.statistics.claims import ClaimVerdict
from analysis.statistics.looks import present_share
from analysis.statistics.pairs import Floats
from analysis.tables.test_images import image_share
from trainables.metrics import TEST_ERROR_LAST

READINGS = "readings"
"""The name of the study."""
RIVALS = ("mixup", "cutmix")
CONCLUSION = MethodClaim(SUBJECT, RIVALS, ClaimKind.ON_PAR)
AVERAGE = (-1, 0)
"""In place of a question and its value: LaMix's difference from each rival over all of them."""


@dataclass(frozen=True)
class JudgedValue:
    """One value of an open question, and what it changes."""

    question: str
    text: str
    phrase: str
    is_base: bool
    counts: Mapping[ClaimVerdict, int]
    """How many cases with it have which verdict."""
    effects: tuple[AveragedEffect, ...] = ()
    """On LaMix minus each rival, against the base; of an alternative of LaMix's own a single one,
    since the rivals stay as they are."""


@dataclass(frozen=True)
class JudgedReadings:
    """What the trials say of the conclusion in each reading."""

    questions: tuple[OpenQuestion, ...]
    """Those with several values; LaMix's alternatives last."""
    claim: JudgedClaim
    verdicts: Mapping[Case, ClaimVerdict]
    """Of each case of the study, undecided where it has not run."""
    values: tuple[JudgedValue, ...]
    leads: tuple[AveragedEffect, ...]
    """LaMix minus each rival, averaged over all readings and data sets."""
    lost: int
    """Trials of LaMix or a rival that diverged or failed."""
    several: int
    """Places of the study that several configurations fill: none of these is chosen."""
    begun: frozenset[Case]
    """Cases with a trial of LaMix, finished or not."""
    absent: tuple[str, ...]
    """Rivals without a finished trial."""

    def readings(self) -> dict[Case, ClaimVerdict]:
        """Return the verdict of each reading over the data sets."""
        kept = [axis for axis, question in enumerate(self.questions) if question.is_reading]
        found: dict[Case, set[ClaimVerdict]] = {}
        for case, verdict in self.verdicts.items():
            found.setdefault(tuple(case[axis] for axis in kept), set()).add(verdict)
        return {reading: _verdict_over_data(verdicts) for reading, verdicts in found.items()}

    def verdicts_by_data(self) -> dict[Case, list[ClaimVerdict]]:
        """Return by data set the verdict of each of its cases."""
        found: dict[Case, list[ClaimVerdict]] = {}
        for case, verdict in self.verdicts.items():
            found.setdefault(self.data_of(case), []).append(verdict)
        return found

    def data_of(self, case: Case) -> Case:
        """Return what data a case has, as the places of the questions that are no reading."""
        pairs = zip(case, self.questions, strict=True)
        return tuple(place for place, question in pairs if not question.is_reading)

    def shared_seeds(self) -> list[int]:
        """Return for each comparison of a case how many seeds LaMix shares with the rival."""
        return [c.n for row in self.claim.rows for c in row.judgement.rivals if c.n]

    @property
    def seeds(self) -> int:
        """The most seeds that LaMix shares with a rival in a case."""
        return max(self.shared_seeds(), default=0)

    @property
    def open_questions(self) -> tuple[OpenQuestion, ...]:
        """The questions that a reading answers, in the order of its places."""
        return tuple(question for question in self.questions if question.is_reading)


def asks_for_readings(space: Mapping[str, Any]) -> bool:
    """Return whether a space sets LaMix beside one Mixup and one CutMix, in a grid."""
    _, methods = questions_of(space)
    rivals = [len(places_of_method(methods, name)) for name in RIVALS]
    return bool(places_of_method(methods, SUBJECT)) and rivals == [1] * len(RIVALS)


def judge_readings(
    frame: pd.DataFrame,
    space: Mapping[str, Any],
    *,
    test: str = TEST_ERROR_LAST,
    looks: Sequence[int] = (),
    forecast: bool = False,
) -> JudgedReadings | None:
    """Return the verdicts, or None where no case has a seed of LaMix and one of a rival.

    Args:
        frame: the trials of the study at one scale.
        space: its space as the study file gives it.
        test: the test error that is judged.
        looks: numbers of seeds at which the study was looked at.
        forecast: whether to say what would decide the undecided.
    """
    axes, methods = questions_of(space)
    own = places_of_method(methods, SUBJECT)
    rival_places = [place for name in RIVALS for place in places_of_method(methods, name)]
    if methods is None or frame.empty or not asks_for_readings(space):
        return None
    places = fill_places(frame, axes, methods, test=test)
    alternatives = OpenQuestion(METHODS, tuple(methods.options[n] for n in own))
    questions = (*axes, alternatives)
    cases = list(product(*(range(len(question.options)) for question in questions)))
    rows = {
        case: row
        for case in cases
        if (row := _case_row(case, questions, places, own, rival_places)) is not None
    }
    claim = judge_claim(
        list(rows.values()), CONCLUSION, expected=len(cases), forecast=forecast, looks=looks
    )
    if claim is None:
        return None
    by_label = {judged.row.label: judged.verdict for judged in claim.rows}
    verdicts = {
        case: by_label.get(rows[case].label, ClaimVerdict.UNDECIDED)
        if case in rows
        else ClaimVerdict.UNDECIDED
        for case in cases
    }
    effects = _effects(questions, places, own, rival_places, looks=looks)
    counted = [place for n in (*own, *rival_places) for place in _with_method(places, n)]
    return JudgedReadings(
        questions=questions,
        claim=claim,
        verdicts=verdicts,
        values=tuple(_judged_values(questions, verdicts, effects)),
        leads=effects[AVERAGE],
        lost=sum(place.lost for place in counted),
        several=sum(place.several for place in places.values()),
        begun=frozenset(rows),
        absent=tuple(
            name
            for name, n in zip(RIVALS, rival_places, strict=True)
            if not any(place.several or len(place.errors) for place in _with_method(places, n))
        ),
    )


def _with_method(places: Places, method: int) -> list[FilledPlace]:
    return [place for (_, at), place in places.items() if at == method]


def _case_row(
    case: Case,
    questions: Sequence[OpenQuestion],
    places: Places,
    own: Sequence[int],
    rivals: Sequence[int],
) -> MethodRow | None:
    """Return LaMix and its rivals in one case, or None where that LaMix is not on record."""
    context, alternative = case[:-1], own[case[-1]]
    subject = places.get((context, alternative))
    if subject is None:
        return None
    beside = {name: places.get((context, n)) for name, n in zip(RIVALS, rivals, strict=True)}
    held = {SUBJECT: subject, **{name: place for name, place in beside.items() if place}}
    names = str(subject.trial.get(DATASET_NAME)), str(subject.trial.get(NETWORK_NAME))
    data = [axis for axis, question in enumerate(questions) if not question.is_reading]
    return MethodRow(
        label=case_text(case, questions),
        errors={name: place.errors for name, place in held.items()},
        margin=published_row(MARGINS_FROM, *names)[1],
        lost={name: place.lost for name, place in held.items()},
        comparable=any(
            place.comparable
            for (other, method), place in places.items()
            if method in own and all(other[axis] == context[axis] for axis in data)
        ),
        resolution=image_share(subject.trial),
    )


def _effects(
    questions: Sequence[OpenQuestion],
    places: Places,
    own: Sequence[int],
    rivals: Sequence[int],
    *,
    looks: Sequence[int],
) -> dict[tuple[int, int], tuple[AveragedEffect, ...]]:
    """Return by question and place what a value changes against the base; and the average."""
    errors = error_array(questions, places, [*own, *rivals])
    lamix, others = errors[..., : len(own), :], errors[..., len(own) :, :]
    seeds = errors.shape[-1]
    leads = [lamix - others[..., r : r + 1, :] for r in range(len(rivals))]
    asked: list[tuple[int, int]] = [AVERAGE] * len(leads)
    differences: list[Floats] = [lead.reshape(-1, seeds) for lead in leads]
    last = len(questions) - 1
    for axis, question in enumerate(questions):
        for place in range(1, len(question.options)):
            if axis == last:
                moved = [lamix[..., place, :] - lamix[..., 0, :]]
            else:
                moved = [np.asarray(lead.take(place, axis) - lead.take(0, axis)) for lead in leads]
            asked += [(axis, place)] * len(moved)
            differences += [each.reshape(-1, seeds) for each in moved]
    share = present_share(looks, seeds, tests=len(asked))
    found = averaged_effects(
        differences,
        kinds=["LaMix" if axis == last else "setting" for axis, _ in asked],
        level=LEVEL * share,
        resolution=max((image_share(place.trial) for place in places.values()), default=0.0),
    )
    by_value: dict[tuple[int, int], tuple[AveragedEffect, ...]] = {}
    for key, effect in zip(asked, found, strict=True):
        by_value[key] = (*by_value.get(key, ()), effect)
    return by_value


def _judged_values(
    questions: Sequence[OpenQuestion],
    verdicts: Mapping[Case, ClaimVerdict],
    effects: Mapping[tuple[int, int], tuple[AveragedEffect, ...]],
) -> Iterator[JudgedValue]:
    """Yield LaMix's alternatives first, then the values of the other questions."""
    last = len(questions) - 1
    for axis in (last, *range(last)):
        question = questions[axis]
        for place in range(len(question.options)) if len(question.options) > 1 else ():
            within = [verdict for case, verdict in verdicts.items() if case[axis] == place]
            yield JudgedValue(
                question=question.name(place),
                text=question.value(place),
                phrase=question.phrase(place),
                is_base=place == 0,
                counts={verdict: within.count(verdict) for verdict in ClaimVerdict},
                effects=effects.get((axis, place), ()),
            )


def _verdict_over_data(verdicts: set[ClaimVerdict]) -> ClaimVerdict:
    if ClaimVerdict.CONTRADICTED in verdicts:
        return ClaimVerdict.CONTRADICTED
    return (
        ClaimVerdict.SUPPORTED if verdicts == {ClaimVerdict.SUPPORTED} else ClaimVerdict.UNDECIDED
    )

"""The judged readings in words and as tables: does the conclusion depend on what is left open?"""

from collections.abc import Iterator, Sequence

from analysis.counted import count_text
from analysis.paper.claim_words import claims_grid, margins_text, outlook_text
from analysis.paper.filled_places import SUBJECT
from analysis.paper.methods import method_word
from analysis.paper.open_questions import Case, case_text
from analysis.paper.readings import RIVALS, JudgedReadings, JudgedValue
from analysis.statistics.averaged_effects import AveragedEffect
from analysis.statistics.claims import ClaimVerdict
from analysis.tables.display_names import number_text
from analysis.tables.printed import interval_text
from analysis.tables.rendering import TableCell, TableGrid

SHOWN = 3
"""Readings, and effects, that a sentence names; the tables have all."""
CONCLUSION = "LaMix is on par with Mixup and CutMix, or better"
NOTHING_COMMON = (
    "No answer yet: in no reading does LaMix share a finished seed with Mixup or with CutMix."
)


def readings_sentence(judged: JudgedReadings) -> str:
    """Return the answer: whether the conclusion depends on the reading, and what differs."""
    return " ".join(
        [_verdict_text(judged), *_lead_text(judged), *_effects_text(judged), *_further(judged)]
    )


def readings_grid(judged: JudgedReadings) -> TableGrid:
    """Return a row for each value of each open question."""
    pairs = [f"{method_word(SUBJECT)} − {method_word(rival)}" for rival in RIVALS]
    header = [("", "open question"), ("", "reading")]
    header += [("cases", name) for name in ("on par", "not on par", "undecided")]
    header += [(pair, name) for pair in pairs for name in ("change", "95% interval")]
    header += [("", "in single cases"), ("", "seeds")]
    return TableGrid(
        title="What the paper leaves open",
        header=header,
        rows=[[TableCell(text) for text in _value_texts(value)] for value in judged.values],
        notes=list(_grid_notes(judged)),
        numeric=[False, False, *([True] * (len(header) - 2))],
    )


def cases_grid(judged: JudgedReadings) -> TableGrid:
    """Return a row for each comparison of LaMix with a rival in each case."""
    return claims_grid(judged.claim)


def _verdict_text(judged: JudgedReadings) -> str:
    readings = judged.readings()
    found = {
        verdict: [reading for reading, held in readings.items() if held is verdict]
        for verdict in ClaimVerdict
    }
    upheld, denied = found[ClaimVerdict.SUPPORTED], found[ClaimVerdict.CONTRADICTED]
    count = count_text(len(readings), "reading")
    if not judged.seeds:
        return NOTHING_COMMON
    if judged.seeds < 2:
        return (
            "Not decided: with one seed for each nothing tells a difference from chance, so that "
            f"none of {count} shows whether {CONCLUSION}."
        )
    here = "" if _is_the_papers(judged) else " here"
    if len(upheld) == len(readings):
        return f"No, it does not{here}: in all of {count} {CONCLUSION}."
    if len(denied) == len(readings):
        return (
            f"No, it does not{here}, for the conclusion holds in none: in all of {count} LaMix "
            "errs more than a rival, by more than the margin."
        )
    said = (
        f"that {CONCLUSION}, is shown in {len(upheld)} of {count}{_named(upheld, judged)}, "
        f"contradicted in {len(denied)}{_named(denied, judged)} and undecided in "
        f"{len(found[ClaimVerdict.UNDECIDED])}"
    )
    if upheld and denied:
        return f"Yes, it does{here}: {said}."
    return f"Not decided: {said}{outlook_text(judged.claim)}."


def _named(readings: Sequence[Case], judged: JudgedReadings) -> str:
    """Return which readings these are: by what they share, or the first of them by name."""
    questions = judged.open_questions
    if not readings:
        return ""
    if len(readings) <= SHOWN:
        return f" ({'; '.join(case_text(reading, questions) for reading in readings)})"
    shared = {
        axis: readings[0][axis]
        for axis, question in enumerate(questions)
        if len(question.options) > 1 and len({reading[axis] for reading in readings}) == 1
    }
    if shared:
        named = " and ".join(questions[axis].phrase(place) for axis, place in shared.items())
        alike = sum(all(r[a] == p for a, p in shared.items()) for r in judged.readings())
        return f" ({'just those' if alike == len(readings) else 'each of them'} with {named})"
    named = "; ".join(case_text(reading, questions) for reading in readings[:SHOWN])
    return f" ({named}; and {len(readings) - SHOWN} more)"


def _lead_text(judged: JudgedReadings) -> Iterator[str]:
    if any(lead.low == lead.low for lead in judged.leads):
        parts = [
            f"{method_word(SUBJECT)} − {method_word(rival)} {_signed(lead.mean)} points "
            f"{interval_text(lead.low, lead.high)}"
            for rival, lead in zip(RIVALS, judged.leads, strict=True)
        ]
        yield f"On average over the cases it is {' and '.join(parts)}."


def _effects_text(judged: JudgedReadings) -> Iterator[str]:
    """Yield what a reading is shown to change, or how much none changes more than."""
    known = [
        (value, place, effect)
        for value in judged.values
        for place, effect in enumerate(value.effects)
        if effect.low == effect.low
    ]
    if not known:
        return
    told = sorted((k for k in known if k[2].is_told), key=lambda k: -abs(k[2].mean))
    if not told:
        most = max(max(-effect.low, effect.high) for _, _, effect in known)
        yield (
            "No alternative is told apart from the base: on average over the other settings each "
            f"changes them by less than {number_text(most)} points (95%, all at once)."
        )
        return
    named = "; ".join(_effect_text(*each) for each in told[:SHOWN])
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    yield (
        f"Against the base, on average over the other settings: {named}{more} (95%, all at once; "
        f"told apart from none: {len(told)} of {len(known)} changes)."
    )


def _effect_text(value: JudgedValue, place: int, effect: AveragedEffect) -> str:
    what = "LaMix's error"
    if len(value.effects) > 1:
        what = f"{method_word(SUBJECT)} − {method_word(RIVALS[place])}"
    interval = interval_text(effect.low, effect.high)
    return f"{value.phrase} changes {what} by {_signed(effect.mean)} points {interval}"


def _further(judged: JudgedReadings) -> Iterator[str]:
    if judged.seeds > 1:
        yield f"On par means less than {margins_text(judged.claim)}."
    if judged.lost:
        yield (
            f"{count_text(judged.lost, 'trial')} diverged or failed: cases with such a trial stay "
            "undecided, and no change counts its seed."
        )
    if judged.several:
        yield (
            f"{count_text(judged.several, 'place')} of the study {_has(judged.several)} several "
            "configurations; none of these is taken."
        )
    if judged.claim.unfinished:
        yield (
            f"{count_text(judged.claim.unfinished, 'case')} {_has(judged.claim.unfinished)} no "
            "finished seed of LaMix or of any rival."
        )
    if judged.claim.missing:
        yield (
            f"{count_text(judged.claim.missing, 'case')} {_has(judged.claim.missing)} not run yet."
        )
    if not _is_the_papers(judged):
        yield "The setting is not the paper's: this says nothing of its claim or its numbers."


def _is_the_papers(judged: JudgedReadings) -> bool:
    return all(row.row.comparable for row in judged.claim.rows)


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _value_texts(value: JudgedValue) -> list[str]:
    verdicts = (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED, ClaimVerdict.UNDECIDED)
    texts = [value.question, value.text, *(str(value.counts[verdict]) for verdict in verdicts)]
    if value.is_base or not value.effects:
        return [*texts, *(["base" if value.is_base else "–", ""] * len(RIVALS)), "", ""]
    effects = value.effects * (len(RIVALS) if len(value.effects) == 1 else 1)
    for effect in effects:
        texts += [_signed(effect.mean), interval_text(effect.low, effect.high)]
    lowest = min(effect.smallest for effect in effects)
    highest = max(effect.largest for effect in effects)
    single = "–" if lowest != lowest else f"{_signed(lowest)} to {_signed(highest)}"
    return [*texts, single, str(min(effect.seeds for effect in effects))]


def _grid_notes(judged: JudgedReadings) -> Iterator[str]:
    yield (
        "A case is a reading on one data set. On par: LaMix is shown to err less than the margin "
        f"above both rivals ({margins_text(judged.claim)}), one-sided at 5%; not on par: it is "
        "shown to err more than that above one. Both are corrected by Holm over all cases and "
        "rivals."
    )
    yield (
        "Change: against the base, averaged over all other settings seed by seed, in points; above "
        "0 LaMix errs more. All intervals hold at once."
    )
    if any(
        0 < effect.settings < sum(value.counts.values())  # a case of the value each
        for value in judged.values
        for effect in value.effects
    ):
        yield "Some changes are averages over the settings alone that have all seeds."


def _signed(value: float) -> str:
    text = number_text(value)
    return f"+{text}" if value > 0 and text != "0.00" else text

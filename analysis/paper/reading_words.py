"""The judged readings in words and as tables: does the conclusion depend on what is left open?"""

import math
from collections.abc import Iterator, Sequence

from analysis.counted import agreeing, count_text
from analysis.paper.claim_words import claims_grid, margins_text
from analysis.paper.filled_places import SUBJECT
from analysis.paper.methods import method_word
from analysis.paper.reading_verdicts import is_the_papers, verdict_texts
from analysis.paper.readings import RIVALS, JudgedReadings, JudgedValue
from analysis.statistics.averaged_effects import AveragedEffect
from analysis.statistics.claims import ClaimVerdict
from analysis.tables.display_names import number_text
from analysis.tables.printed import interval_text
from analysis.tables.rendering import TableCell, TableGrid

SHOWN = 3
"""Effects that a sentence names; the tables have all."""
ALL_AT_ONCE = "95%, all at once"
NOTHING_COMMON = (
    "No answer yet: in no reading does LaMix share a finished seed with Mixup or with CutMix."
)


def readings_sentence(judged: JudgedReadings) -> str:
    """Return the answer: whether the conclusion depends on the reading, and what differs."""
    return " ".join(
        [
            *(verdict_texts(judged) if judged.seeds else [NOTHING_COMMON]),
            *_seeds_text(judged),
            *_lead_text(judged),
            *_effects_text(judged),
            *_further(judged),
        ]
    )


def readings_grid(judged: JudgedReadings) -> TableGrid:
    """Return a row for each value of each open question."""
    pairs = [_difference_text(rival) for rival in RIVALS]
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


def _seeds_text(judged: JudgedReadings) -> Iterator[str]:
    if judged.seeds > 1:
        shared = judged.shared_seeds()
        least = f"{min(shared)} to " if min(shared) < max(shared) else ""
        yield f"Each comparison of a case is over {least}{count_text(max(shared), 'seed')}."


def _lead_text(judged: JudgedReadings) -> Iterator[str]:
    """Yield LaMix's average difference from each rival, and why there is none."""
    pairs = list(zip(RIVALS, judged.leads, strict=True))
    known = [(_difference_text(rival), lead) for rival, lead in pairs if lead.low == lead.low]
    overs = [_over_text(lead, len(judged.verdicts)) for _, lead in known]
    parts = [
        f"{what} {_signed(lead.mean)} points {interval_text(lead.low, lead.high)}"
        for what, lead in known
    ]
    if len(set(overs)) == 1:
        yield f"On average over {overs[0]} it is {' and '.join(parts)} ({ALL_AT_ONCE})."
    elif known:
        named = "; ".join(f"{part} over {over}" for part, over in zip(parts, overs, strict=True))
        yield f"On average it is {named} ({ALL_AT_ONCE})."
    for rival, lead in pairs:
        if rival in judged.absent:
            yield (
                f"No trial of {method_word(rival)} has finished: without it no reading is shown to "
                "uphold the conclusion."
            )
        elif known and lead.low != lead.low:
            yield f"{_difference_text(rival)} has no average, for want of a second shared seed."


def _over_text(effect: AveragedEffect, cases: int) -> str:
    """Return over how many of the cases, and how many seeds, an average is."""
    which = f"{effect.settings} of {count_text(cases, 'case')}"
    if effect.settings == cases:
        which = {1: "the one case", 2: "both cases"}.get(cases, f"all {cases} cases")
    return f"{which} and {count_text(effect.seeds, 'seed')}"


def _effects_text(judged: JudgedReadings) -> Iterator[str]:
    """Yield what a reading is shown to change, or how much none changes more than."""
    changed = [value for value in judged.values if not value.is_base]
    known = [
        (value, place, effect)
        for value in changed
        for place, effect in enumerate(value.effects)
        if effect.low == effect.low
    ]
    told = sorted((k for k in known if k[2].is_told), key=lambda k: -abs(k[2].mean))
    if judged.seeds < 2 and not told:
        return
    partly = any(effect.settings < sum(value.counts.values()) for value, _, effect in known)
    others = "those of the other settings that have all seeds" if partly else "the other settings"
    if told:
        named = "; ".join(_effect_text(*each) for each in told[:SHOWN])
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        yield (
            f"Against the base, on average over {others}: {named}{more} ({ALL_AT_ONCE}; "
            f"told apart from none: {len(told)} of {count_text(len(known), 'change')})."
        )
    elif known:
        bound = _bound_text(known, judged.absent)
        yield f"{_none_told_text(changed)}: on average over {others} {bound}."
    if missing := list(_unmeasured(changed, judged.absent)):
        named = f"is no number for {'; '.join(missing)}."
        yield (
            f"There {named}"
            if known and not told
            else f"{_measured_text(changed)}, and there {named}"
        )


def _none_told_text(changed: Sequence[JudgedValue]) -> str:
    if all(map(_is_measured, changed)):
        return "No alternative is told apart from the base"
    return f"{_measured_text(changed)}, and none is told apart from the base"


def _measured_text(changed: Sequence[JudgedValue]) -> str:
    measured = sum(map(_is_measured, changed))
    verb = agreeing(max(measured, 1), "is", "are")
    return f"Of {count_text(len(changed), 'alternative')} {measured or 'none'} {verb} measured"


def _bound_text(
    known: Sequence[tuple[JudgedValue, int, AveragedEffect]], absent: Sequence[str]
) -> str:
    """Return what no alternative changes by more; rounded up, since it is a bound."""
    most = max(max(-effect.low, effect.high) for _, _, effect in known)
    bound = number_text((math.floor(100 * most) + 1) / 100)
    left = [_difference_text(rival) for rival in RIVALS if rival not in absent]
    what = left[0] if len(left) == 1 else "LaMix's differences"
    return f"each changes {what} by less than {bound} points ({ALL_AT_ONCE})"


def _is_measured(value: JudgedValue) -> bool:
    return any(effect.low == effect.low for effect in value.effects)


def _unmeasured(changed: Sequence[JudgedValue], absent: Sequence[str]) -> Iterator[str]:
    """Yield what has no number; a rival without any trial is told of elsewhere."""
    for value in changed:
        if not _is_measured(value):
            yield value.phrase
        elif len(value.effects) > 1:
            for rival, effect in zip(RIVALS, value.effects, strict=True):
                if effect.low != effect.low and rival not in absent:
                    yield f"{value.phrase} in {_difference_text(rival)}"


def _difference_text(rival: str) -> str:
    return f"{method_word(SUBJECT)} − {method_word(rival)}"


def _effect_text(value: JudgedValue, place: int, effect: AveragedEffect) -> str:
    what = _difference_text(RIVALS[place]) if len(value.effects) > 1 else "LaMix's error"
    interval = interval_text(effect.low, effect.high)
    return f"{value.phrase} changes {what} by {_signed(effect.mean)} points {interval}"


def _further(judged: JudgedReadings) -> Iterator[str]:
    if judged.seeds > 1:
        yield f"On par means less than {margins_text(judged.claim)}."
    if judged.lost:
        yield (
            f"{count_text(judged.lost, 'trial')} diverged or failed: cases with such a trial stay "
            "undecided, and the averages leave those cases out, or the seed in all cases where "
            "that loses less."
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
    if not is_the_papers(judged):
        yield "The setting is not the paper's: this says nothing of its claim or its numbers."


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

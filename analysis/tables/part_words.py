"""The effects of an ablation's parts in a sentence, with intervals that hold at once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.statistics.effects import PartEffect
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import (
    display_name,
    number_text,
    setting_value_text,
    with_capital,
)
from analysis.tables.part_effects import LEVEL, LostSeeds, SettingEffects, effects_of
from analysis.tables.part_names import PartNamer, direction_of, meaning_of
from trainables.metrics import PERCENT, TEST_ERROR_LAST, description_of

SHOWN = 3
"""Effects that the sentence names; the table has all."""
MOST_DIGITS = 6
"""Decimals of an effect that two would round to none."""


@dataclass(frozen=True)
class _KnownEffect:
    """An effect, in which setting it is, and the seeds that its configurations lost."""

    effect: PartEffect
    where: str
    lost: tuple[LostSeeds, ...]

    @property
    def is_measured(self) -> bool:
        return self.effect.low == self.effect.low

    @property
    def is_told(self) -> bool:
        return self.effect.low > 0 or self.effect.high < 0


def parts_sentence(
    frame: pd.DataFrame,
    resolved: Mapping[str, Any],
    metric: str = TEST_ERROR_LAST,
    *,
    looks: Sequence[int] = (),
) -> str:
    """Return what the parts of an ablation do to an error, or nothing where no trial has it.

    Args:
        frame: the trials.
        resolved: the resolved study, with its ablation and its space.
        metric: an error.
        looks: numbers of seeds at which the study was looked at.
    """
    found = effects_of(frame, resolved, metric, looks=looks)
    count = sum(effect.low == effect.low for each in found for effect in each.effects)
    effects = [
        _KnownEffect(effect, _setting_text(each), each.lost_of(effect))
        for each in effects_of(
            frame, resolved, metric, looks=looks, level=1 - (1 - LEVEL) / max(count, 1)
        )
        for effect in each.effects
    ]
    if not found:
        return ""
    if not any(each.is_measured or each.lost for each in effects):
        return "With fewer than two seeds in common no effect of a part is told from chance."
    return " ".join(_sentences(effects, resolved["ablate"], metric))


def _sentences(
    effects: Sequence[_KnownEffect], ablate: Mapping[str, Any], metric: str
) -> Iterator[str]:
    namer = PartNamer(ablate)
    known = [each for each in effects if each.is_measured and not each.lost]
    if known:
        yield from _known_sentences(known, namer, metric, alone=len(effects) == 1)
    yield from _lost_sentences([each for each in effects if each.lost], namer)
    unmeasured = [each for each in effects if not each.is_measured and not each.lost]
    if unmeasured:
        named = (
            f"For {'; '.join(_named(each, namer) for each in unmeasured)}"
            if len(unmeasured) <= SHOWN
            else f"For {count_text(len(unmeasured), 'further effect')}"
        )
        yield f"{named} there are no two seeds in common to measure by."


def _known_sentences(
    known: Sequence[_KnownEffect], namer: PartNamer, metric: str, *, alone: bool
) -> Iterator[str]:
    told = sorted((k for k in known if k.is_told), key=lambda k: -abs(k.effect.estimate))
    what, _, which = display_name(metric).partition(", ")
    subject = f"{what}{f' ({which})' if which else ''}"
    read = f"(95%{', all at once' if len(known) > 1 else ''}; {meaning_of(namer.ablate)})"
    rest = [each for each in known if not each.is_told]
    if told:
        named = "; ".join(_effect_text(each, namer, subject) for each in told[:SHOWN])
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        yield f"{with_capital(named)}{more} {read}."
        if 0 < len(rest) <= SHOWN:
            listed = "; ".join(_named(each, namer) for each in rest)
            yield f"No effect is told apart from none of: {listed}."
        elif rest:
            others = f"The other {count_text(len(rest), 'effect')}"
            yield f"{others}{_summed_text(rest, 'their')} are not told apart from none."
    else:
        most = max(max(-k.effect.low, k.effect.high) for k in known)
        bounded = f"each of the {len(known)}" if len(known) > 1 else "it"
        if len(known) == 1 and not alone:
            bounded = f"that of {_named(known[0], namer)}"
        reach = f"is smaller than {bound_text(most)} points"
        if description_of(metric).unit == PERCENT and most >= 100:  # as any effect is
            reach = "may still be of any size"
        yield (
            f"No effect of a part on the {subject} is told apart from none: {bounded}"
            f"{_summed_text(known, 'its')} {reach} {read}."
        )
    if any(each.effect.aliases for each in rest):
        yield "Effects that cancel in such a sum stay unseen."


def _summed_text(effects: Sequence[_KnownEffect], whose: str) -> str:
    """Return that it is sums with aliases which are spoken of, where there are any."""
    aliased = [bool(each.effect.aliases) for each in effects]
    if not any(aliased):
        return ""
    return f", summed with {whose} aliases{'' if all(aliased) else ' where there are any'},"


def _lost_sentences(effects: Sequence[_KnownEffect], namer: PartNamer) -> Iterator[str]:
    """Say which effects are undecided, by the lost seeds: the survivors flatter their side."""
    groups: dict[tuple[str, str], list[_KnownEffect]] = {}
    for each in effects:
        groups.setdefault((_loss_text(each.lost, namer), each.where), []).append(each)
    for (loss, where), group in groups.items():
        names = [namer.with_aliases(each.effect.term, each.effect.aliases) for each in group]
        if len(names) == 1:
            said = f"the effect of {names[0]} is undecided"
        elif len(names) <= SHOWN:
            said = f"these effects are undecided: {'; '.join(names)}"
        else:
            said = f"{len(names)} effects are undecided"
        yield f"{loss}{where}: {said}."


def _loss_text(lost: Sequence[LostSeeds], namer: PartNamer) -> str:
    outcomes = sorted({outcome for each in lost for outcome in each.outcomes})
    count = sum(len(each.outcomes) for each in lost)
    total = count_text(sum(each.seeds for each in lost), "seed")
    place = (
        namer.point_text(lost[0].on)
        if len(lost) == 1
        else f"of {count_text(len(lost), 'configuration')}"
    )
    return f"{count} of {total} {place} {' or '.join(outcomes)}"


def _effect_text(known: _KnownEffect, namer: PartNamer, subject: str) -> str:
    effect = known.effect
    term, sign = effect.term, namer.sign_of(effect.term)
    contained = ""
    if effect.aliases:
        both = namer.with_aliases(term, effect.aliases)
        contained = f" (that is {both}, which the fraction does not tell apart)"
    if len(term) > 1:
        meaning = "" if contained else _interaction_text(sign * effect.estimate)
        ends = sorted((sign * effect.low, sign * effect.high))
        change, interval = _change_texts(sign * effect.estimate, *ends)
        name = namer.term_name(term)
        return f"{name} is {change} points {interval}{meaning}{contained}{known.where}"
    # Told without a part, an effect is the negative of that with it.
    if direction_of(namer.switches[term[0]]):
        sign = -sign
    verb = "rises" if sign * effect.estimate > 0 else "falls"
    ends = sorted((abs(effect.low), abs(effect.high)))
    change, interval = _change_texts(abs(effect.estimate), *ends)
    return (
        f"{namer.change_text(term[0])} the {subject} {verb} by {change} points {interval}"
        f"{contained}{known.where}"
    )


def _interaction_text(change: float) -> str:
    less, more = ("less", "more") if change > 0 else ("more", "less")
    return f" (each lowers the error {less}, or raises it {more}, with the other)"


def _change_texts(change: float, low: float, high: float) -> tuple[str, str]:
    """Return an effect that is told and its interval, with enough decimals to be none nowhere."""
    digits = next(
        (n for n in range(2, MOST_DIGITS) if all(round(abs(x), n) for x in (change, low, high))),
        MOST_DIGITS,
    )
    ends = f"[{number_text(low, digits)}, {number_text(high, digits)}]"
    return number_text(change, digits), ends


def bound_text(value: float) -> str:
    """Return what a value does not exceed, rounded up."""
    return number_text(max(math.ceil(round(value * 100, 6)) / 100, 0.01))


def _named(known: _KnownEffect, namer: PartNamer) -> str:
    return f"{namer.with_aliases(known.effect.term, known.effect.aliases)}{known.where}"


def _setting_text(found: SettingEffects) -> str:
    """Return the setting of effects: components by name, other settings by name and value."""
    said = []
    last = [name.rpartition(".")[2] for name in found.columns]
    held = [hashable_value(value) is not None for value in found.setting]
    for name, short, value, given in zip(found.columns, last, found.setting, held, strict=True):
        if short == "name":
            said.append(setting_value_text(value))
        elif given or not any(held):
            shown = short.replace("_", " ") if last.count(short) == 1 else name
            said.append(f"{shown} {setting_value_text(value)}")
    return f" ({', '.join(said)})" if said else ""

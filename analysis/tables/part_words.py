"""The effects of an ablation's parts in a sentence, with intervals that hold at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.statistics.ablated_parts import PartSwitch, part_switches
from analysis.statistics.effects import PartEffect, Term
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import (
    display_name,
    number_text,
    setting_value_text,
    with_capital,
)
from analysis.tables.part_effects import LEVEL, effects_of
from analysis.tables.printed import interval_text
from trainables.metrics import TEST_ERROR_LAST

SHOWN = 3
"""Effects that the sentence names; the table has all."""
ABSENT = {hashable_value(value) for value in (False, "none", None)}
"""Values of a setting that take its part away."""
PART_NAMES = {"original_batches": "batches of original images", "global_label": "the global label"}
"""What a part is called that a setting adds or takes away; other settings speak for themselves."""
MEANINGS = {
    "one_out": "each part against all parts",
    "one_in": "each part alone against none",
    "path": "each part after those before it",
    "factorial": "each averaged over the other parts",
    "fraction": "each averaged over the other parts",
}


@dataclass(frozen=True)
class _KnownEffect:
    """An effect with an interval, and in which setting it is."""

    effect: PartEffect
    where: str

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
    several = len(found) > 1
    count = sum(effect.low == effect.low for each in found for effect in each.effects)
    known = [
        _KnownEffect(effect, _setting_text(each.setting) if several else "")
        for each in effects_of(
            frame, resolved, metric, looks=looks, level=1 - (1 - LEVEL) / max(count, 1)
        )
        for effect in each.effects
        if effect.low == effect.low
    ]
    if not found:
        return ""
    if not known:
        return "With fewer than two seeds in common no effect of a part is told from chance."
    return " ".join(_sentences(known, resolved["ablate"], metric))


def _sentences(
    known: Sequence[_KnownEffect], ablate: Mapping[str, Any], metric: str
) -> Iterator[str]:
    switches = {switch.label: switch for switch in part_switches(ablate)}
    told = sorted((k for k in known if k.is_told), key=lambda k: -abs(k.effect.estimate))
    what, _, which = display_name(metric).partition(", ")
    subject = f"{what}{f' ({which})' if which else ''}"
    read = f"(95%{', all at once' if len(known) > 1 else ''}; {MEANINGS[ablate['design']]})"
    if not told:
        most = max(max(-k.effect.low, k.effect.high) for k in known)
        yield (
            f"No effect of a part on the {subject} is told apart from none: "
            f"{'each of the ' + str(len(known)) if len(known) > 1 else 'it'} is smaller than "
            f"{number_text(most)} points {read}."
        )
        return
    named = "; ".join(_effect_text(each, switches, subject) for each in told[:SHOWN])
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    yield f"{with_capital(named)}{more} {read}."
    rest = [each for each in known if not each.is_told]
    if not rest:
        return
    if len(rest) <= SHOWN:
        listed = "; ".join(_named(each, switches) for each in rest)
        yield f"No effect is told apart from none of: {listed}."
    else:
        yield f"The other {count_text(len(rest), 'effect')} are not told apart from none."


def _effect_text(known: _KnownEffect, switches: Mapping[str, PartSwitch], subject: str) -> str:
    effect = known.effect
    low, high, change = effect.low, effect.high, effect.estimate
    also = " or ".join(_term_name(term, switches) for term in effect.aliases)
    contained = f" (which may be that of {also})" if also else ""
    if len(effect.term) > 1:
        said = f"{_term_name(effect.term, switches)} is {number_text(change)} points"
        return f"{said} {interval_text(low, high)}{contained}{known.where}"
    switch = switches[effect.term[0]]
    if (name := _part_taken_away(switch)) is not None:
        lead = f"without {name}"
        if _is_absent(switch.off):
            low, high, change = -high, -low, -change
    else:
        lead = f"with {_values_text(switch.on)} in place of {_values_text(switch.off)}"
    verb = "rises" if change > 0 else "falls"
    if change < 0:
        low, high, change = -high, -low, -change
    return (
        f"{lead} the {subject} {verb} by {number_text(change)} points "
        f"{interval_text(low, high)}{contained}{known.where}"
    )


def _named(known: _KnownEffect, switches: Mapping[str, PartSwitch]) -> str:
    return f"{_term_name(known.effect.term, switches)}{known.where}"


def _term_name(term: Term, switches: Mapping[str, PartSwitch]) -> str:
    names = [_part_taken_away(switches[part]) or _values_text(switches[part].on) for part in term]
    return names[0] if len(names) == 1 else f"the interaction of {' and '.join(names)}"


def _part_taken_away(switch: PartSwitch) -> str | None:
    """Return what a part is called that one side has and the other has not, else nothing."""
    if len(switch.on) != 1 or _is_absent(switch.on) == _is_absent(switch.off):
        return None
    key = next(iter(switch.on)).rpartition(".")[2]
    return PART_NAMES.get(key, key.replace("_", " "))


def _is_absent(values: Mapping[str, Any]) -> bool:
    return hashable_value(next(iter(values.values()))) in ABSENT


def _values_text(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} = {setting_value_text(value)}" for path, value in values.items())


def _setting_text(setting: Sequence[Any]) -> str:
    return f" ({', '.join(setting_value_text(value) for value in setting)})"

"""What the parts of an ablation are called, and what its design compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from analysis.statistics.ablated_parts import PartSwitch, part_switches
from analysis.statistics.effects import Term
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import setting_value_text

ABSENT = {hashable_value(value) for value in (False, "none", None)}
"""Values of a setting that take its part away."""
PART_NAMES = {"original_batches": "batches of original images", "global_label": "the global label"}
"""What a part is called that a setting adds or takes away; other settings speak for themselves."""
AGAINST_ALL, ALONE = "each part against all parts", "each part alone against none"
AVERAGED = "each averaged over the other parts"
MEANINGS = {
    "one_out": {
        "added": AGAINST_ALL,
        "removed": ALONE,
        "mixed": "each part as under `from` against all as under `to`",
    },
    "one_in": {
        "added": ALONE,
        "removed": AGAINST_ALL,
        "mixed": "each part as under `to` against all as under `from`",
    },
    "path": {
        "added": "each part after those before it",
        "removed": "each part taken away after those before it",
        "mixed": "each part turned from `from` to `to` after those before it",
    },
}
"""What a design compares, by what `to` does to the parts; the others average over all."""


def meaning_of(ablate: Mapping[str, Any]) -> str:
    """Return what each effect of an ablation is measured against."""
    if ablate["design"] not in MEANINGS:
        return AVERAGED
    ways = [direction_of(switch) for switch in part_switches(ablate)]
    way = "added" if -1 not in ways else "removed" if set(ways) == {-1} else "mixed"
    return MEANINGS[ablate["design"]][way]


def direction_of(switch: PartSwitch) -> int:
    """Return 1 where `to` adds the part, −1 where it takes it away, 0 where it does neither."""
    if len(switch.on) != 1:
        return 0
    return int(_is_absent(switch.off)) - int(_is_absent(switch.on))


@dataclass(frozen=True)
class PartNamer:
    """The words for the parts of one ablation."""

    ablate: Mapping[str, Any]

    @cached_property
    def switches(self) -> dict[str, PartSwitch]:
        """Label → switch."""
        return {switch.label: switch for switch in part_switches(self.ablate)}

    def sign_of(self, term: Term) -> int:
        """Return −1 where an effect, told with each part instead of without it, turns round."""
        return prod(direction_of(self.switches[part]) or 1 for part in term)

    def term_name(self, term: Term) -> str:
        """Return what an effect is called."""
        names = [self._part(part) for part in term]
        return names[0] if len(names) == 1 else f"the interaction of {' and '.join(names)}"

    def with_aliases(self, term: Term, aliases: Sequence[Term]) -> str:
        """Return an effect with those that its estimate contains: ``A plus the interaction of …``.

        Each is told with its parts, not without them.
        """
        said = self.term_name(term)
        for alias in aliases:
            said += f" {'plus' if self.sign_of(alias) == self.sign_of(term) else 'minus'} "
            said += self.term_name(alias)
        return said

    def change_text(self, part: str) -> str:
        """Return what a part turns to from what: ``without A``, ``with beta = 0.5 in place of 1``.

        A part that one side has and the other has not is told without it.
        """
        switch = self.switches[part]
        return f"without {part_name(switch)}" if direction_of(switch) else f"with {_turned(switch)}"

    def point_text(self, on: Mapping[str, bool]) -> str:
        """Return which configuration of the design has these parts on: ``without A``."""
        odd = {"one_out": False, "one_in": True}.get(self.ablate["design"])
        told = [part for part in on if on[part] == odd] or list(on)
        ways = {(1 if on[part] else -1) * self._way(part) for part in on}
        if len(told) == len(on) > 1 and len(ways) == 1 and ways != {0}:
            return "with all parts" if ways == {1} else "without any part"
        return " and ".join(dict.fromkeys(self._side(part, on=on[part]) for part in told))

    def _part(self, part: str) -> str:
        switch = self.switches[part]
        return part_name(switch) if self._way(part) else _turned(switch)

    def _side(self, part: str, *, on: bool) -> str:
        switch = self.switches[part]
        values = switch.on if on else switch.off
        if self._way(part):
            return f"{'without' if _is_absent(values) else 'with'} {part_name(switch)}"
        return f"with {_values_text(values)}"

    def _way(self, part: str) -> int:
        """Return the direction of a part that has a name of its own, 0 for an alternative."""
        switch = self.switches[part]
        alternatives = sum(other.on.keys() == switch.on.keys() for other in self.switches.values())
        return direction_of(switch) if alternatives == 1 else 0


def part_name(switch: PartSwitch) -> str:
    """Return what a part is called that one side has and the other has not."""
    key = next(iter(switch.on)).rpartition(".")[2]
    return PART_NAMES.get(key, key.replace("_", " "))


def _turned(switch: PartSwitch) -> str:
    if len(switch.on) == 1:
        (off,) = switch.off.values()
        return f"{_values_text(switch.on)} in place of {setting_value_text(off)}"
    return f"{_values_text(switch.on)} in place of {_values_text(switch.off)}"


def _values_text(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} = {setting_value_text(value)}" for path, value in values.items())


def _is_absent(values: Mapping[str, Any]) -> bool:
    return hashable_value(next(iter(values.values()))) in ABSENT

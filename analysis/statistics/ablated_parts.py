"""The switches of an ablation: what each part is where it is off, and where it is on.

Loads no package, so that study files are read quickly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PartSwitch:
    """A part that is on or off; of a part with several alternatives, one against the part."""

    label: str
    """The part, and of several alternatives which."""
    off: Mapping[str, Any]
    """Path → value without the part."""
    on: Mapping[str, Any]
    """The same paths with the part."""


def paths_of_part(part: str, paths: Mapping[str, Any]) -> list[str]:
    """Return the paths that a part consists of: itself, or what lies below it."""
    return [path for path in paths if path == part or path.startswith(f"{part}.")]


def part_switches(ablate: Mapping[str, Any]) -> list[PartSwitch]:
    """Return the switches of an ablation in the order of its parts.

    Args:
        ablate: `from`, `to` and `parts`, as in a study file. A list in `from` holds alternatives:
            each is compared with the part on its own.
    """
    switches = []
    for part in ablate["parts"]:
        paths = paths_of_part(part, ablate["to"])
        on = {path: ablate["to"][path] for path in paths}
        alternatives = ablate["from"][paths[0]] if len(paths) == 1 else None
        if isinstance(alternatives, list | tuple):
            switches += [
                PartSwitch(f"{part}: {on[paths[0]]}, not {value}", {paths[0]: value}, on)
                for value in alternatives
            ]
        else:
            switches.append(PartSwitch(part, {path: ablate["from"][path] for path in paths}, on))
    return switches


def switched_point(
    switches: list[PartSwitch], on: Mapping[str, bool], to: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values of all paths where some parts are on and the others are off.

    Args:
        switches: of the ablation.
        on: label → whether the part is on.
        to: all paths with their parts on.
    """
    point = dict(to)
    for switch in switches:
        if not on[switch.label]:
            point |= switch.off
    return point

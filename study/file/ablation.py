"""An ablation as a search: the configurations between two, by the parts that they share.

The paths of `ablate` join the space with what they are `from` and what they become; of all their
combinations the design chooses some (see `analysis.statistics.effects`). What `search.space` holds
beside them, such as data sets and networks, is crossed with the design: the ablation is made anew
in each such setting.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analysis.statistics.ablated_parts import part_switches, paths_of_part, switched_point
from study.file import points
from study.file.evidence import AblationPlan
from study.file.settings import Study
from study.file.space import Point, Space


def ablation_problems(study: Study) -> Iterator[tuple[str, str]]:
    """Yield path and rule of what is wrong with an ablation, beyond the types of its keys."""
    plan, search = study.ablate, study.search
    if plan is None:
        return
    for key in ("enqueue", "configurations"):
        if getattr(search, key):
            yield f"search.{key}", "follows from `ablate`; leave one of the two out"
    for path in search.space:
        if path in plan.to:
            yield "search.space", f"`{path}` follows from `ablate`; leave one of the two out"
    for side, values in (("from", plan.start), ("to", plan.to)):
        other = plan.to if side == "from" else plan.start
        for path, value in values.items():
            where = f"ablate.{side}.{path}"
            if path not in other:
                yield where, f"needs its value in `ablate.{'to' if side == 'from' else 'from'}` too"
            if isinstance(value, dict) or (isinstance(value, list) and side == "to"):
                yield where, f"must be a single value, but got `{value}`"
            if len(_parts_with(path, plan)) != 1:
                yield where, f"must belong to one of `parts`, {', '.join(plan.parts)}"
    for path in plan.start.keys() & plan.to.keys():
        if plan.to[path] in _alternatives(plan.start[path]):
            yield f"ablate.to.{path}", f"changes nothing: it is `{plan.to[path]}` in `from` too"
        if isinstance(plan.start[path], list):
            yield from _alternative_problems(path, plan)
    for part in plan.parts:
        if not paths_of_part(part, plan.to):
            yield "ablate.parts", f"`{part}` has no path in `to`"
    from analysis.statistics.effects import DesignError, design_points  # late: it loads scipy

    try:
        design_points(plan.parts, plan.design)
    except DesignError as error:
        yield "ablate.parts", str(error)


def _alternative_problems(path: str, plan: AblationPlan) -> Iterator[tuple[str, str]]:
    where, values = f"ablate.from.{path}", plan.start[path]
    if plan.design != "one_out":
        rule = "alternatives are compared one by one, which needs `design: one_out`"
        yield where, f"{rule}, but got {plan.design}"
    if any(len(paths_of_part(part, plan.to)) > 1 for part in _parts_with(path, plan)):
        yield where, "alternatives need a part of their own, but its part has other paths too"
    if not values or any(isinstance(value, dict | list) for value in values):
        yield where, f"must be a single value or a list of them, but got `{values}`"
    elif len({repr(value) for value in values}) < len(values):
        yield where, f"alternatives must be distinct, but got `{values}`"


def with_ablation(study: Study) -> Study:
    """Return the study with its ablation as the space of a grid; another study as it is."""
    plan = study.ablate
    if plan is None:
        return study
    ablated = {path: [*_alternatives(plan.start[path]), plan.to[path]] for path in plan.to}
    space = {**study.search.space, **ablated}
    return replace(study, search=replace(study.search, sampler="grid", space=space))


def ablation_points(plan: AblationPlan, settings: Space) -> list[Point]:
    """Return the configurations of an ablation: in each setting, those of the design in its order.

    Args:
        plan: the ablation.
        settings: what the space holds beside the ablation.
    """
    from analysis.statistics.effects import design_points  # late: it loads scipy

    switches = part_switches(as_mapping(plan))
    designed = [
        switched_point(switches, on, plan.to)
        for on in design_points([switch.label for switch in switches], plan.design)
    ]
    return [{**setting, **point} for setting in points.grid_points(settings) for point in designed]


def as_mapping(plan: AblationPlan) -> Mapping[str, Any]:
    """Return an ablation as a study file writes it."""
    return {"from": plan.start, "to": plan.to, "parts": list(plan.parts), "design": plan.design}


def _alternatives(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parts_with(path: str, plan: AblationPlan) -> list[str]:
    return [part for part in plan.parts if path == part or path.startswith(f"{part}.")]

"""An ablation as a search: the configurations between two, by the parts that they share.

Its space has two choices for each path, what the path is `from` and what it becomes; of all their
combinations the design chooses some (see `analysis.statistics.effects`).
"""

from collections.abc import Iterator
from dataclasses import replace

from study.file.evidence import AblationPlan
from study.file.settings import Study
from study.file.space import Point


def ablation_problems(study: Study) -> Iterator[tuple[str, str]]:
    """Yield path and rule of what is wrong with an ablation, beyond the types of its keys."""
    plan, search = study.ablate, study.search
    if plan is None:
        return
    for key in ("space", "enqueue", "configurations"):
        if getattr(search, key):
            yield f"search.{key}", "follows from `ablate`; leave one of the two out"
    for side, values in (("from", plan.start), ("to", plan.to)):
        other = plan.to if side == "from" else plan.start
        for path, value in values.items():
            where = f"ablate.{side}.{path}"
            if path not in other:
                yield where, f"needs its value in `ablate.{'to' if side == 'from' else 'from'}` too"
            if isinstance(value, dict | list):
                yield where, f"must be a single value, but got `{value}`"
            if len(_parts_with(path, plan)) != 1:
                yield where, f"must belong to one of `parts`, {', '.join(plan.parts)}"
    for path in plan.start.keys() & plan.to.keys():
        if plan.start[path] == plan.to[path]:
            yield f"ablate.to.{path}", f"changes nothing: it is `{plan.to[path]}` in `from` too"
    for part in plan.parts:
        if not any(part in _parts_with(path, plan) for path in plan.to):
            yield "ablate.parts", f"`{part}` has no path in `to`"
    from analysis.statistics.effects import DesignError, design_points  # late: it loads scipy

    try:
        design_points(plan.parts, plan.design)
    except DesignError as error:
        yield "ablate.parts", str(error)


def with_ablation(study: Study) -> Study:
    """Return the study with its ablation as the space of a grid; another study as it is."""
    plan = study.ablate
    if plan is None:
        return study
    space = {path: [plan.start[path], plan.to[path]] for path in plan.to}
    return replace(study, search=replace(study.search, sampler="grid", space=space))


def ablation_points(plan: AblationPlan) -> list[Point]:
    """Return the configurations of an ablation in the order of its design."""
    from analysis.statistics.effects import design_points  # late: it loads scipy

    return [
        {
            path: plan.to[path] if on[_parts_with(path, plan)[0]] else plan.start[path]
            for path in plan.to
        }
        for on in design_points(plan.parts, plan.design)
    ]


def _parts_with(path: str, plan: AblationPlan) -> list[str]:
    return [part for part in plan.parts if path == part or path.startswith(f"{part}.")]

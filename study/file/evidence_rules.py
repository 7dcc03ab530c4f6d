"""What must hold between the keys of evidence and the rest of a study file."""

from collections.abc import Iterator

from study.file.evidence import RaceReference, SearchUntil
from study.file.point_rules import point_rule
from study.file.points import corner_points, reference_point
from study.file.samplers import CONSTRAINED_SAMPLERS, LEARNING_SAMPLERS
from study.file.settings import SearchSettings
from study.file.space import Space
from trainables.metrics import SELECTING_NOTHING

PathRule = tuple[str, str]
"""Where a mistake stands, seen from `search`, and what is wrong."""


def constraint_problems(search: SearchSettings) -> Iterator[PathRule]:
    """Yield what keeps constraints from being heeded."""
    if not search.constraints:
        return
    labels = [bound.label for bound in search.constraints]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            yield f"constraints[{index}]", f"bounds {label} a second time"
    if search.sampler in LEARNING_SAMPLERS and search.sampler not in CONSTRAINED_SAMPLERS:
        able = ", ".join(CONSTRAINED_SAMPLERS)
        yield "constraints", f"{search.sampler} heeds no constraints; use one of {able}"
    if not search.selects:
        yield "constraints", f"with {SELECTING_NOTHING} no best configuration is chosen"
    if search.race is not None:
        yield "constraints", "a race over seeds heeds no constraints; give a number of seeds"


def settling_problems(search: SearchSettings, searched: Space) -> Iterator[PathRule]:
    """Yield what keeps a search from ending by itself."""
    if not isinstance(search.configurations, SearchUntil):
        return
    rule = ""
    if len(search.objectives) > 1:
        rule = "bounds the gain in one objective, but there are several"
    elif not search.selects:
        rule = f"bounds the gain of a search, but {SELECTING_NOTHING} selects nothing"
    elif search.judging_seeds < 2:
        rule = "holds the gain against the noise over seeds, but there is one seed"
    elif search.constraints:
        rule = "bounds the gain without constraints, but there are some"
    elif len({frozenset(point) for point in corner_points(searched)}) > 1:
        rule = "needs the same paths for all configurations, but alternatives bring their own"
    if rule:
        yield "configurations", f"`until: settled` {rule}; give a number"


def race_problems(search: SearchSettings, searched: Space) -> Iterator[PathRule]:
    """Yield what keeps a race over seeds from deciding."""
    if search.race is None:
        return
    if len(search.objectives) > 1:
        yield "seeds", "a race decides by one objective, but there are several; give a number"
    elif not search.selects:
        rule = f"a race cannot decide by {SELECTING_NOTHING}, which says nothing of unseen images"
        yield "seeds", f"{rule}; give a number of seeds"
    if not isinstance(search.race.decide, RaceReference):
        return
    reference = reference_point(searched, search.race.decide.against)
    for path, value in reference.items():
        broken = point_rule(searched, reference, path, value)
        if broken:
            yield f"seeds.decide.against.{path}", broken

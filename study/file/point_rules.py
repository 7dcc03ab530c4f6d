"""What must hold of a single point of a space that a study file names."""

from typing import Any

from study.file import points as file_points
from study.file import space
from study.file.space import Point, Space
from trainables.settings import nearest_word


def point_rule(searched: Space, point: Point, path: str, value: Any) -> str | None:
    """Return what is wrong with a value of a point, or None.

    Args:
        searched: the space.
        point: perhaps incomplete; decides which alternatives are reached.
        path: of the value.
        value: at the path.
    """
    domains = space.domains_by_path(searched)
    if path not in domains:
        return f"is not searched; searched are {', '.join(domains)}{nearest_word(path, domains)}"
    domain = file_points.reached_domains(searched, point).get(path)
    if domain is None:
        return "is searched within an alternative alone; say first which alternative it is"
    if domain.contains(value):
        return None
    if isinstance(domain, space.Choice):
        known = ", ".join(map(str, domain.labels))
        close = nearest_word(value, map(str, domain.labels))
        return f"must be one of {known}, but got `{value}`{close}"
    step = f" in steps of {domain.step}" if domain.step else ""
    return f"must be from {domain.low} to {domain.high}{step}, but got `{value}`"

"""A point of a finite space that is not tried yet."""

import random
from collections.abc import Container

from study.file import points
from study.file.space import Point, Space


def find_untried_point(space: Space, tried: Container[str], seed: int) -> Point:
    """Return the first untried point of a finite space from one on that the seed chooses.

    Args:
        space: a space without ranges of fractions, not yet used up.
        tried: the words of the points that are tried (`points.point_word`).
        seed: decides where to begin.
    """
    size = points.grid_size(space)
    begin = random.Random(seed).randrange(size)
    for offset in range(size):
        point = points.grid_point(space, (begin + offset) % size)
        if points.point_word(point) not in tried:
            return point
    raise AssertionError("the space is used up")

"""Records that wait to be delivered, in lanes: those of one lane go in order, one at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

Entry = Mapping[str, Any]

MOST_TOGETHER = 100
"""Records of a lane that are taken at once."""


class WaitingEntries:
    """Records that wait, in lanes: the next is the first of the lane that has waited longest.

    A lane whose records are on their way gives no others until these are settled.
    """

    def __init__(self, entries: Iterable[Entry], *, lane_of: Callable[[Entry], str]) -> None:
        """Begin with `entries`; `lane_of` names the lane of each."""
        self._lane_of = lane_of
        self._lanes: dict[str, deque[Entry]] = {}
        self._ready: deque[str] = deque()
        """Lanes that have a record waiting and none on its way."""
        self._count = 0
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        """Return how many records are not settled."""
        return self._count

    @property
    def is_ready(self) -> bool:
        """Whether `take` has a record to give."""
        return bool(self._ready)

    def add(self, entry: Entry) -> None:
        """Put a record at the end of its lane."""
        lane = self._lane_of(entry)
        if lane in self._lanes:
            self._lanes[lane].append(entry)
        else:
            self._lanes[lane] = deque([entry])
            self._ready.append(lane)
        self._count += 1

    def take(self) -> tuple[str, Sequence[Entry]]:
        """Return a lane and its first records, which are then on their way."""
        lane = self._ready.popleft()
        return lane, list(islice(self._lanes[lane], MOST_TOGETHER))

    def settle(self, lane: str, count: int) -> None:
        """Drop the first records of a lane that was on its way."""
        for _ in range(count):
            self._lanes[lane].popleft()
        self._count -= count
        if self._lanes[lane]:
            self._ready.append(lane)
        else:
            del self._lanes[lane]

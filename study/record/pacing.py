"""How many records may be on their way to the receiver at once.

A receiver that answers nobody may be overrun: MLflow's server waits for itself where 15 requests
each hold one connection to its database and want a second. Trying again with as many would overrun
it again. So while nothing is taken one record at a time is tried, then half as many as before the
outage, and more again as all goes well.
"""

GAIN_AFTER = 20
"""Records taken in a row, for one more to be on its way."""


class DeliveryPace:
    """Counts what is on its way; whoever calls holds a lock."""

    def __init__(self, most: int) -> None:
        """Start with nothing on its way and all allowed.

        Args:
            most: records that may be on their way at once.
        """
        self.most = most
        self.allowed = most
        self._on_the_way = 0
        self._in_a_row = 0
        self._before: int | None = None
        """What was allowed before the outage, or None while records are taken."""

    @property
    def has_room(self) -> bool:
        """Whether another record may be sent."""
        return self._on_the_way < self.allowed

    def note_sent(self) -> None:
        """Note that a record is on its way."""
        self._on_the_way += 1

    def note_taken(self) -> None:
        """Note that a record has arrived, or was refused."""
        self._on_the_way -= 1
        if self._before is not None:
            self.allowed, self._before = max(1, self._before // 2), None
        self._in_a_row += 1
        if self._in_a_row >= GAIN_AFTER:
            self._in_a_row = 0
            self.allowed = min(self.most, self.allowed + 1)

    def note_missed(self) -> None:
        """Note that the receiver did not take a record."""
        self._on_the_way -= 1
        self._in_a_row = 0
        if self._before is None:
            self._before, self.allowed = self.allowed, 1

"""How many trials the memory of this machine holds side by side, as far as that is known.

A trial on a CPU says its peak after each epoch; what a trial on a GPU takes of the machine's memory
is not known. Where Ray ends a trial's process for lack of memory, fewer go on side by side.
"""

RESERVED_MEGABYTES = 1500.0
"""What the launch and Ray's own processes take, about."""
WAIT_SECONDS = 10.0
"""How long no trial begins after one was ended for lack of memory: memory is given back by then."""


class MemoryRoom:
    """The most trials that may run side by side."""

    def __init__(self, granted_mb: float | None) -> None:
        """Prepare.

        Args:
            granted_mb: the memory of the machine that the launch is granted; None if not known, as
                of a cluster.
        """
        self.granted_mb = granted_mb
        self.peak_mb = 0.0
        """The most that a trial has taken."""
        self.most: int | None = None
        """None where no limit is known."""
        self._closed_until = float("-inf")

    def has_room(self, running: int, now: float) -> bool:
        """Return whether another trial may begin.

        Args:
            running: how many trials are under way.
            now: in seconds, on the clock that `note_killed` is told.
        """
        return now >= self._closed_until and (self.most is None or running < self.most)

    def note_peak(self, peak_mb: float, places: int) -> str:
        """Note what a trial on a CPU has taken; return a sentence if fewer fit than have a place.

        Args:
            peak_mb: the most memory that a trial's process had in use.
            places: how many trials the CPUs have room for.
        """
        if self.granted_mb is None or peak_mb <= self.peak_mb:
            return ""
        self.peak_mb = peak_mb
        fit = trials_that_fit(self.granted_mb, peak_mb)
        if fit >= places or (self.most is not None and fit >= self.most):
            return ""
        self.most = fit
        return (
            f"A trial takes {peak_mb:,.0f} MB, so that {self.granted_mb:,.0f} MB of memory hold "
            f"{fit} side by side; the CPUs have room for {places}."
        )

    def note_killed(self, running: int, now: float) -> bool:
        """Note that a trial was ended for lack of memory; return whether fewer may do better.

        Args:
            running: how many trials were under way, the one that was ended among them.
            now: in seconds.
        """
        self._closed_until = now + WAIT_SECONDS
        if running <= 1:
            return False
        self.most = min(running - 1, self.most or running)
        return True


def trials_that_fit(granted_mb: float, peak_mb: float) -> int:
    """Return how many trials of this peak the memory holds beside Ray, at least one."""
    return max(1, int((granted_mb - RESERVED_MEGABYTES) / peak_mb)) if peak_mb > 0 else 1

"""Where the time of a thread goes: its stack, sampled by pyinstrument within bounded memory."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyinstrument import Profiler
from pyinstrument.session import Session

INTERVAL_SECONDS = 0.005
"""Between two samples. Above 4 ms pyinstrument takes a clock that costs nothing to read."""
MOST_SAMPLES = 5_000
"""A span with more is thinned to half of them."""

STRETCH_SECONDS = 10.0
"""What is sampled is made compact at least so often, where `thin` is called."""

Sample = tuple[list[str], float]
"""The frames of a stack from the outermost one, as pyinstrument writes them, and seconds."""


class ThreadSampler:
    """The samples of one thread, from one or several stretches of time.

    The methods are called on the thread itself. While no stretch is open nothing is sampled.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        """What was sampled in the stretches that are over."""
        self._profiler: Profiler | None = None
        self._begun_at = 0.0

    def begin(self) -> None:
        """Open a stretch."""
        self._profiler = Profiler(interval=INTERVAL_SECONDS, async_mode="disabled")
        self._begun_at = time.monotonic()
        self._profiler.start()

    def pause(self) -> None:
        """Close the stretch, if one is open."""
        if self._profiler is None:
            return
        profiler, self._profiler = self._profiler, None
        self.add(profiler.stop())

    def add(self, session: Session | None) -> None:
        """Take what was sampled elsewhere, later than all that is here."""
        if session is None:
            return
        session = _compact_session(session)
        before = self.session
        joined = session if before is None else Session.combine(before, session)
        self.session = _bounded_session(joined)

    def thin(self) -> None:
        """Bound what the open stretch keeps, if it is long: to be called now and then."""
        if self._profiler is None:
            return
        if time.monotonic() - self._begun_at > STRETCH_SECONDS:
            self.pause()
            self.begin()

    @contextmanager
    def stretch(self) -> Iterator[None]:
        """Sample the block."""
        self.begin()
        try:
            yield
        finally:
            self.pause()

    @contextmanager
    def gap(self) -> Iterator[None]:
        """Leave the block out of the stretch that is open, if one is."""
        is_open = self._profiler is not None
        self.pause()
        try:
            yield
        finally:
            if is_open:
                self.begin()


def _compact_session(session: Session) -> Session:
    """Return a session in which equal frames are one string: pyinstrument makes each anew."""
    samples = [(list(map(sys.intern, stack)), seconds) for stack, seconds in session.frame_records]
    return _with_samples(session, samples)


def _bounded_session(session: Session) -> Session:
    """Return a session of at most `MOST_SAMPLES` samples."""
    samples = session.frame_records
    if len(samples) <= MOST_SAMPLES:
        return session
    seconds = sum(seconds for _, seconds in samples)
    kept = thinned_samples(samples, seconds / (MOST_SAMPLES // 2))
    return _with_samples(session, kept)


def _with_samples(session: Session, samples: Sequence[Sample]) -> Session:
    plain = session.to_json(include_frame_records=False)
    changed: Session = Session.from_json({**plain, "frame_records": samples})
    return changed


def thinned_samples(samples: Sequence[Sample], interval: float) -> list[Sample]:
    """Return samples at least `interval` seconds apart, which have the same seconds in all.

    pyinstrument's own `Session.resample` counts what it carries over twice.
    """
    kept: list[Sample] = []
    seconds = 0.0
    for stack, more in samples:
        seconds += more
        if seconds >= interval:
            kept.append((stack, seconds))
            seconds = 0.0
    if seconds:
        kept.append((samples[-1][0], seconds))
    return kept

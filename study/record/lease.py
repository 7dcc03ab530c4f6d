"""The lease on a study's record: one driver at a time writes it, from whatever machine and folder.

A lock in the state directory keeps a second launch with the same directory away. The lease keeps
away a launch with another directory, or on another machine. It is a tag of the study's experiment,
which MLflow makes once for each name, so that two launches that begin at the same moment meet in
one place.

Each launch writes a tag of its own and then reads those of all others. Of two launches at least one
therefore sees the other, and a launch holds the study only after a reading without a rival: no two
launches ever hold it at once, whatever their clocks say (Lamport 1974, "A New Solution of
Dijkstra's Concurrent Programming Problem"). A launch counts up a number in its tag as long as it
lives. A rival is taken for dead when its process is known to be gone, or when its number has stood
still for STALE_SECONDS of the observer's own time, while the observer's own writes went through.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlflow import MlflowClient

from analysis.record.store_errors import RecordError, store_errors_told
from study.lock import StudyHeldError, time_with_zone
from study.processes import is_gone, is_running, this_process
from study.record.claims import LeaseClaim, read_claims, withdraw_claim, write_claim

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between two looks at the tags of rivals."""
BEAT_SECONDS = 5.0
"""Between two signs of life of a launch that holds the study."""
STALE_SECONDS = 60.0
"""After so long without a sign of life a launch on another machine counts as dead."""
FRESH_SECONDS = 25.0
"""After so long without an answer to its own sign of life a launch looks whether it still holds the
study before it writes; it is less than half of STALE_SECONDS, whatever a clock's rate."""


@dataclass
class _Observation:
    """How long a rival's sign of life has stood still, by the observer's own time."""

    beat: int
    still_seconds: float = 0.0
    has_moved: bool = False

    def note(self, beat: int, passed: float) -> None:
        """Note a reading, and how long ago the last one was."""
        if beat == self.beat:
            self.still_seconds += passed
        else:
            self.beat, self.still_seconds, self.has_moved = beat, 0.0, True


class StudyLease:
    """The right of this process to write the record of a study at a scale."""

    def __init__(self, client: MlflowClient, experiment_id: str, claim: LeaseClaim) -> None:
        """Take what `take_lease` has won."""
        self.client = client
        self.experiment_id = experiment_id
        self.claim = claim
        self.lost = ""
        """Who has taken the study over, in a sentence, or nothing while it is held."""
        self._confirmed = _seconds_now()
        self._ended = threading.Event()
        self._turn = threading.Lock()
        """Held by the thread that renews or releases the lease."""
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)

    def start(self) -> None:
        """Give signs of life from now on."""
        self._thread.start()

    def check(self) -> None:
        """Make sure that the study is still this launch's.

        Raises:
            RecordError: if another launch has taken the study over, or that cannot be known.
        """
        if not self.lost and _seconds_now() - self._confirmed > FRESH_SECONDS:
            with store_errors_told("cannot ask who runs this study"):
                self._renew()
        if self.lost:
            raise RecordError(self.lost)

    def release(self) -> None:
        """Let others have the study; where the server is away they wait until it is stale."""
        self._ended.set()
        with self._turn:
            if not self.lost:
                withdraw_claim(self.client, self.experiment_id, self.claim)

    def _live(self) -> None:
        while not self._ended.wait(BEAT_SECONDS) and not self.lost:
            try:
                self._renew()
            except Exception as error:  # the server may be back at the next sign of life
                log.warning("cannot renew the lease: %s", error)

    def _renew(self) -> None:
        """Give a sign of life, unless another launch has taken the study over."""
        with self._turn:
            if self._ended.is_set() or self.lost:
                return
            now = _seconds_now()
            if self._is_ours():
                self.claim = write_claim(self.client, self.experiment_id, self.claim)
                # A launch that is stopped between the look and the writing brings its tag back.
                if not self._is_ours():
                    withdraw_claim(self.client, self.experiment_id, self.claim)
            self._confirmed = now

    def _is_ours(self) -> bool:
        claims = read_claims(self.client, self.experiment_id, self.claim.scale)
        later = [
            claim for claim in claims if claim.state == "holds" and claim.term > self.claim.term
        ]
        if not later and any(claim.token == self.claim.token for claim in claims):
            return True
        taken = later[0].holder if later else "another launch has taken this study over, and ended"
        self.lost = f"{taken}: this launch was not heard of for {STALE_SECONDS:.0f} s"
        return False


def take_lease(
    client: MlflowClient,
    experiment_id: str,
    scale: str,
    *,
    say: Callable[[str], None],
    stale_seconds: float = STALE_SECONDS,
) -> StudyLease:
    """Win the study at a scale; it is held until `release`, or until the process is dead.

    Args:
        client: of the record.
        experiment_id: the study's experiment.
        scale: of the study.
        say: told what is waited for.
        stale_seconds: how long a rival gives no sign of life until it counts as dead.

    Raises:
        StudyHeldError: naming the process that holds the study, its machine and since when.
        MlflowException: if the server cannot be asked.
    """
    claim = LeaseClaim(
        scale=scale,
        token=secrets.token_hex(8),
        state="asks",
        term=0,
        since=time_with_zone(),
        process=this_process(),
    )
    try:
        claim = write_claim(client, experiment_id, claim)
        contest = _Contest(client, experiment_id, claim, stale_seconds, say)
        while not contest.is_won():
            time.sleep(POLL_SECONDS)
        held = replace(contest.claim, state="holds", term=contest.last_term + 1)
        lease = StudyLease(client, experiment_id, write_claim(client, experiment_id, held))
    except BaseException:
        withdraw_claim(client, experiment_id, claim)
        raise
    lease.start()
    return lease


@dataclass
class _Contest:
    """A launch on its way to a study that others may hold or ask for."""

    client: MlflowClient
    experiment_id: str
    claim: LeaseClaim
    stale_seconds: float
    say: Callable[[str], None]
    last_term: int = 0
    _seen: dict[str, _Observation] = field(default_factory=dict)
    _looked: float | None = None
    _said: set[str] = field(default_factory=set)

    def is_won(self) -> bool:
        """Look at the rivals once; return whether there is none any more.

        Raises:
            StudyHeldError: if a rival lives and comes first.
        """
        # Written before the reading: where nothing can be written no rival can give a sign of life.
        self.claim = write_claim(self.client, self.experiment_id, self.claim)
        claims = read_claims(self.client, self.experiment_id, self.claim.scale)
        now = _seconds_now()
        # A machine that slept, or a server that was away, is no silence of the rival's.
        passed = min(now - self._looked, 2 * POLL_SECONDS) if self._looked is not None else 0.0
        self._looked = now
        self.last_term = max([self.last_term, *(claim.term for claim in claims)])
        rivals = [claim for claim in claims if claim.token != self.claim.token]
        return not [rival for rival in rivals if self._is_alive(rival, passed)]

    def _is_alive(self, rival: LeaseClaim, passed: float) -> bool:
        """Return whether a rival may be alive; the tag of a dead one is deleted."""
        seen = self._seen.setdefault(rival.token, _Observation(rival.beat))
        seen.note(rival.beat, passed)
        if is_gone(rival.process):
            self._bury(rival, "its process is gone")
            return False
        if seen.still_seconds >= self.stale_seconds:
            self._bury(rival, f"it gave no sign of life for {self.stale_seconds:g} s")
            return False
        comes_first = rival.state == "holds" or rival.token < self.claim.token
        if comes_first and (seen.has_moved or is_running(rival.process)):
            raise StudyHeldError(f"{rival.holder}; one study runs once at a time")
        if seen.still_seconds > 0 and rival.token not in self._said:
            self._said.add(rival.token)
            left = self.stale_seconds - seen.still_seconds
            self.say(
                f"{rival.holder}. Waiting for a sign of life; without one the study is taken over "
                f"in {left:.0f} s."
            )
        return True

    def _bury(self, rival: LeaseClaim, reason: str) -> None:
        withdraw_claim(self.client, self.experiment_id, rival)
        if rival.state == "holds":
            self.say(
                f"Taken over from process {rival.process.pid} on {rival.process.host}, which held "
                f"this study since {rival.since}: {reason}."
            )


def _seconds_now() -> float:
    """Return a time that goes on while the machine sleeps, and that nobody sets."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)

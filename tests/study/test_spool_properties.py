"""The spool under any sequence of appends, failures, closes and kills."""

import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from study.record.spool import RecordSpool, UnreachableError, open_spool

TORN = st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")) | st.sampled_from(
    [b'{"n": 10', b'{"n"', b"{"]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 8)),
        st.tuples(st.just("away"), st.integers(1, 3)),
        st.tuples(st.just("refuse"), st.integers(1, 3)),
        st.tuples(st.just("pause"), st.just(0.002)),
        st.tuples(st.just("drain"), st.none()),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("kill"), TORN),
        st.tuples(st.just("kill early"), TORN),
    ),
    max_size=14,
)


@dataclass
class Lab:
    """A file, the spool that has it open, and a receiver that fails as it is told."""

    path: Path
    appended: int = 0
    away: int = 0
    """Deliveries that will find nobody."""
    refuse: int = 0
    """Deliveries that will be refused for good."""
    acknowledged: int = 0
    """Records known to be delivered, since a drain said so."""
    starting: bool = True
    """Whether the spool of the next process starts to deliver before it is drained."""
    sessions: list[list[int]] = field(default_factory=list)
    """What each process delivered, taken or refused, in order."""

    def __post_init__(self):
        self.open()

    def open(self):
        session: list[int] = []
        self.sessions.append(session)

        def deliver(entry):
            if self.away:
                self.away -= 1
                raise UnreachableError("nobody answers")
            session.append(entry["n"])
            if self.refuse:
                self.refuse -= 1
                raise ValueError("not this one")

        self.spool = open_spool(self.path, deliver)
        self.expected = self.acknowledged
        self.started = self.starting
        if self.started:
            self.spool.start()

    def step(self, kind, content):
        """Take a step and check what must hold after it."""
        if kind == "append":
            for _ in range(content):
                self.spool.append({"n": self.appended})
                self.appended += 1
        elif kind == "away":
            self.away += content
        elif kind == "refuse":
            self.refuse += content
        elif kind == "pause":
            time.sleep(content)
        elif kind == "drain":
            if not self.started:
                self.spool.start()
                self.started = True
            assert self.spool.drain(10)
            self.acknowledged = self.appended
            assert self.path.read_bytes() == b""
        elif kind == "close":
            self.spool.close(0)
            self.starting = True
            self.open()
        else:  # whatever is delivered after the copy, the killed process could not note
            left = self.path.read_bytes()
            self.spool.close(0)
            self.path.write_bytes(left + content)
            self.starting = kind == "kill"
            self.open()
        self.check()

    def check(self):
        assert all(n >= self.expected for n in self.sessions[-1]), "an acknowledged record again"


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_nothing_is_lost_or_out_of_order_or_repeated_once_acknowledged(steps):
    short = mock.patch.object(RecordSpool, "RETRY_SECONDS", (0.001,))
    with short, tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder) / "records.jsonl")
        for kind, content in steps:
            lab.step(kind, content)
        lab.step("drain", None)
        lab.spool.close(0)
    delivered = [n for session in lab.sessions for n in session]
    assert set(delivered) == set(range(lab.appended)), "a record is lost"
    firsts = list(dict.fromkeys(delivered))
    assert firsts == sorted(firsts), "a record overtook another"
    for session in lab.sessions:
        assert all(later == earlier + 1 for earlier, later in pairwise(session))

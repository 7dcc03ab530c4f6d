import json
import os
import resource
import threading
import time
from contextlib import contextmanager

import pytest

from study.record.spool import RecordSpool, UnreachableError, open_spool


class Receiver:
    """Takes records; `away` and `refusing` say how often it fails first."""

    def __init__(self, *, away=0, refusing=()):
        self.taken = []
        self.away = away
        self.refusing = refusing

    def __call__(self, entry):
        if self.away:
            self.away -= 1
            raise UnreachableError("nobody answers")
        if entry["n"] in self.refusing:
            raise ValueError(f"not {entry['n']}")
        self.taken.append(entry["n"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


@pytest.fixture
def spooled(path, monkeypatch):
    """Open a spool on the same file; waits between attempts are short."""
    monkeypatch.setattr(RecordSpool, "RETRY_SECONDS", (0.01,))
    opened = []

    def spooled(receiver, *, start=True, **lanes):
        spool = open_spool(path, receiver, **lanes)
        opened.append(spool)
        if start:
            spool.start()
        return spool

    yield spooled
    for spool in opened:
        spool.close(0)


def append(spool, *numbers):
    for number in numbers:
        spool.append({"n": number})


def test_records_arrive_in_order_and_leave_the_file(spooled, path):
    receiver = Receiver()
    spool = spooled(receiver)
    append(spool, *range(200))
    assert spool.drain(10)
    assert receiver.taken == list(range(200))
    assert len(spool) == 0
    assert path.read_text() == ""


def test_a_record_is_on_file_before_append_returns(spooled, path):
    spool = spooled(Receiver(), start=False)
    spool.append({"n": 1, "text": "β"})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"n": 1, "text": "β"}]


def test_what_a_dead_process_left_is_delivered_first(spooled):
    append(spooled(Receiver(), start=False), 1, 2)
    receiver = Receiver()
    spool = spooled(receiver)
    append(spool, 3)
    assert spool.drain(10)
    assert receiver.taken == [1, 2, 3]


def test_a_record_stays_on_file_until_all_before_it_are_delivered(spooled, path):
    reached, gate = threading.Event(), threading.Event()

    def deliver(entry):
        if entry["n"] == 2:
            reached.set()
            gate.wait(10)

    spool = spooled(deliver)
    append(spool, 1, 2, 3)
    assert reached.wait(10)
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 3]
    gate.set()
    assert spool.drain(10)
    assert path.read_text() == ""


@pytest.mark.parametrize("torn", ['{"n": 3, "te', '{"n"', "{"])
def test_a_line_cut_short_is_no_record_and_spoils_no_other(spooled, path, torn):
    path.write_text('{"n": 1}\n{"n": 2}\n' + torn)
    append(spooled(Receiver(), start=False), 4)  # and this process dies as well
    receiver = Receiver()
    assert spooled(receiver).drain(10)
    assert receiver.taken == [1, 2, 4]


def test_a_line_that_is_no_record_is_skipped(spooled, path):
    path.write_bytes(b'{"n": 1}\n\x00\x00\xff\n{"n": 2}\n')
    receiver = Receiver()
    assert spooled(receiver).drain(10)
    assert receiver.taken == [1, 2]


@contextmanager
def full_disk():
    """Let no file grow beyond 100 bytes, as on a disk that is full; pytest's own output neither."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_records_that_find_the_disk_full_are_delivered_all_the_same(spooled, path):
    spool = spooled(Receiver(away=10**9))
    with full_disk():
        append(spool, *range(30))
    assert len(path.read_bytes()) <= 100
    kept = [json.loads(line)["n"] for line in path.read_text().splitlines()]
    assert kept == list(range(len(kept)))  # whole lines only
    assert "large" in spool.unsaved  # as the system words it
    spool.deliver = receiver = Receiver()
    assert spool.drain(10)
    assert receiver.taken == list(range(30))
    assert spool.unsaved == ""


def test_a_receiver_that_is_away_is_asked_again(spooled):
    receiver = Receiver(away=3)
    spool = spooled(receiver)
    append(spool, 1, 2)
    assert spool.drain(10)
    assert receiver.taken == [1, 2]
    assert spool.away_since is None
    assert spool.refused == []


def test_while_the_receiver_is_away_the_spool_says_since_when(spooled, path):
    before = time.time()
    spool = spooled(Receiver(away=10**9))
    append(spool, 1, 2)
    assert not spool.drain(0.2)
    assert before <= spool.away_since <= time.time()
    started = time.monotonic()
    assert not spool.close(0.1)
    assert time.monotonic() - started < 1
    assert len(path.read_text().splitlines()) == 2


def test_a_refused_record_is_noted_and_holds_up_no_other(spooled, path):
    receiver = Receiver(refusing=(2,))
    spool = spooled(receiver)
    append(spool, 1, 2, 3)
    assert spool.drain(10)
    assert receiver.taken == [1, 3]
    assert spool.refused == ["ValueError: not 2"]
    assert path.read_text() == ""


def test_closing_delivers_what_it_can(spooled):
    receiver = Receiver()
    spool = spooled(receiver)
    append(spool, *range(50))
    assert spool.close(10)
    assert receiver.taken == list(range(50))


def test_a_delivery_that_outlasts_the_closing_does_no_harm(spooled, path, recwarn):
    gate, done = threading.Event(), threading.Event()

    def deliver(entry):
        gate.wait(10)
        done.set()

    spool = spooled(deliver)
    append(spool, 1)
    assert not spool.close(0.05)
    gate.set()
    assert done.wait(10)
    time.sleep(0.05)
    assert len(path.read_text().splitlines()) == 1
    assert not [w for w in recwarn if "Thread" in str(w.message)]


def test_several_threads_may_append(spooled):
    receiver = Receiver()
    spool = spooled(receiver)
    threads = [
        threading.Thread(target=append, args=(spool, *range(100 * t, 100 * t + 100)))
        for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.drain(10)
    assert sorted(receiver.taken) == list(range(400))
    for t in range(4):
        own = [n for n in receiver.taken if n // 100 == t]
        assert own == sorted(own)


def test_ten_thousand_waiting_records_are_delivered_within_seconds(spooled):
    waiting = spooled(Receiver(), start=False)
    append(waiting, *range(10_000))
    receiver = Receiver()
    started = time.monotonic()
    assert spooled(receiver).drain(30)
    assert time.monotonic() - started < 10
    assert receiver.taken == list(range(10_000))


def by_lane(entry):
    return str(entry["n"] // 100)


def test_lanes_are_delivered_side_by_side_and_each_in_order(spooled):
    meeting = threading.Barrier(4, timeout=10)  # is left only by four deliveries at a time
    taken = []

    def deliver(entry):
        if entry["n"] % 100 == 0:
            meeting.wait()
        taken.append(entry["n"])

    waiting = spooled(deliver, start=False, lane_of=by_lane, writers=4)
    append(waiting, *(100 * lane + n for n in range(20) for lane in range(4)))
    waiting.start()
    assert waiting.drain(10)
    for lane in range(4):
        assert [n for n in taken if n // 100 == lane] == list(range(100 * lane, 100 * lane + 20))


def test_no_two_records_of_a_lane_are_on_their_way_at_once(spooled):
    under_way, most = [], []

    def deliver(entry):
        under_way.append(by_lane(entry))
        most.append(max(map(under_way.count, under_way)))
        time.sleep(0.001)
        under_way.remove(by_lane(entry))

    spool = spooled(deliver, lane_of=by_lane, writers=8)
    append(spool, *range(300))
    assert spool.drain(20)
    assert len(most) == 300 and max(most) == 1


def test_a_record_that_must_wait_holds_up_its_own_lane_alone(spooled):
    back = threading.Event()
    taken = []

    def deliver(entry):
        if entry["n"] == 0 and not back.is_set():
            raise UnreachableError("not now")
        taken.append(entry["n"])

    spool = spooled(deliver, lane_of=by_lane, writers=2)
    append(spool, 0, 1, 100, 101, 102)
    until = time.monotonic() + 10
    while len(taken) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert taken == [100, 101, 102]
    back.set()
    assert spool.drain(10)
    assert taken[3:] == [0, 1]


def test_records_of_many_lanes_stay_on_file_until_all_are_delivered(spooled, path):
    free, receiver = threading.Event(), Receiver()

    def deliver(entry):
        if entry["n"] == 0:
            free.wait(10)
        receiver(entry)

    spool = spooled(deliver, lane_of=by_lane, writers=2)
    append(spool, 0, 100, 200)
    until = time.monotonic() + 10
    while len(receiver.taken) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(path.read_text().splitlines()) == 3
    free.set()
    assert spool.drain(10)
    assert path.read_text() == ""


# Loss of power


@pytest.fixture
def synced(monkeypatch):
    """What was brought to its disk, by the real calls, in their order."""
    calls, fsync = [], os.fsync

    def noted_fsync(handle):
        calls.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    return calls


def test_what_waits_is_on_disk_before_it_counts_as_secure(tmp_path, synced):
    spool = open_spool(tmp_path / "records.jsonl", lambda entry: None)
    assert synced == [str(tmp_path)]  # the name of the file
    assert spool.secure() and len(synced) == 1  # nothing waits
    spool.append({"number": 1})
    assert spool.secure() and synced[1:] == [str(tmp_path / "records.jsonl")]
    spool.start()
    assert spool.close(5)
    assert spool.secure() and len(synced) == 2


def test_what_the_disk_does_not_take_is_not_secure(tmp_path, monkeypatch):
    spool = open_spool(tmp_path / "records.jsonl", lambda entry: None)
    spool.append({"number": 1})

    def fail(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    assert not spool.secure()
    monkeypatch.undo()
    assert spool.secure()
    spool.unsaved = "No space left on device"
    assert not spool.secure()
    spool.close(0)
    assert not spool.secure()


def test_what_waits_when_a_spool_is_closed_is_on_disk(tmp_path, synced):
    spool = open_spool(tmp_path / "records.jsonl", lambda entry: None)
    spool.append({"number": 1})
    spool.close(0)
    assert synced[1:] == [str(tmp_path / "records.jsonl")]
    assert spool.secure()

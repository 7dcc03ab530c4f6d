"""Entries of the spool: their lines are a contract with the spools of older launches."""

import json
from typing import get_args

import pytest

from study.record.entries import (
    DiagnosticsLeft,
    EpochsTrained,
    TrialAdopted,
    TrialBegun,
    TrialEnded,
    TrialEntry,
    TrialInterrupted,
    TrialSuperseded,
    TrialTagged,
    UnreadableEntryError,
    line_of,
    parse_line,
)

HEAD = {"key": "abc", "time": 5}
LINES = [
    (
        TrialBegun(**HEAD, name="beta=0.3", params={"seed": "1"}, tags={"point": "{}"}),
        '{"kind": "begin", "key": "abc", "time": 5, "name": "beta=0.3", "params": {"seed": "1"}, '
        '"tags": {"point": "{}"}}',
    ),
    (
        EpochsTrained(**HEAD, epochs=[{"epoch": 1}], device="cpu", precision="fp32"),
        '{"kind": "epochs", "key": "abc", "time": 5, "epochs": [{"epoch": 1}], "device": "cpu", '
        '"precision": "fp32"}',
    ),
    (
        EpochsTrained(**HEAD, epochs=[{"epoch": 1}], device="cpu", precision="bf16", compiled=True),
        '{"kind": "epochs", "key": "abc", "time": 5, "epochs": [{"epoch": 1}], "device": "cpu", '
        '"precision": "bf16", "compiled": true}',
    ),
    (
        DiagnosticsLeft(**HEAD, names=["cam.npz"], location="/left"),
        '{"kind": "diagnostics", "key": "abc", "time": 5, "names": ["cam.npz"], '
        '"location": "/left"}',
    ),
    (
        TrialEnded(**HEAD, outcome="failed", metrics={"test_error_last": 9.0}, failure="no"),
        '{"kind": "end", "key": "abc", "time": 5, "outcome": "failed", '
        '"metrics": {"test_error_last": 9.0}, "failure": "no"}',
    ),
    (
        TrialInterrupted(**HEAD),
        '{"kind": "status", "key": "abc", "time": 5, "status": "KILLED"}',
    ),
    (
        TrialTagged(**HEAD, tags={"retired": "true"}),
        '{"kind": "tags", "key": "abc", "time": 5, "tags": {"retired": "true"}}',
    ),
    (
        TrialSuperseded(**HEAD, run_id="run"),
        '{"kind": "superseded", "key": "abc", "time": 5, "run_id": "run"}',
    ),
    (
        TrialAdopted(**HEAD, source="run", name="beta=0.3", tags={}),
        '{"kind": "adopted", "key": "abc", "time": 5, "source": "run", "name": "beta=0.3", '
        '"tags": {}}',
    ),
]


def test_every_kind_of_entry_has_its_line_here():
    assert {type(entry) for entry, _ in LINES} == set(get_args(TrialEntry))


@pytest.mark.parametrize(("entry", "line"), LINES)
def test_an_entry_is_the_line_that_earlier_launches_wrote(entry, line):
    assert json.dumps(line_of(entry)) == line
    assert parse_line(json.loads(line)) == entry


def test_an_entry_may_lack_what_older_launches_did_not_write_and_hold_what_later_ones_do():
    older = {"kind": "epochs", "key": "abc", "time": 5, "epochs": []}
    assert parse_line(older) == EpochsTrained(**HEAD, epochs=[])
    later = {"kind": "status", **HEAD, "status": "KILLED", "node": "a"}
    assert parse_line(later) == TrialInterrupted(**HEAD)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"kind": "deleted", "key": "abc"}, "no kind of entry is called 'deleted'"),
        ({"key": "abc"}, "no kind of entry is called None"),
        ({"kind": "tags", "key": "abc"}, "of the kind `tags`: .*'tags'"),
    ],
)
def test_a_line_that_is_no_entry_is_said_to_be_none(line, message):
    with pytest.raises(UnreadableEntryError, match=message):
        parse_line(line)

"""The list of studies: whole words and a legible table, however wide the terminal is."""

import json

import pytest
from rich.cells import cell_len

from study.list import studies_text
from study.lock import hold_study
from study.record.overview import StudyOverview

DAY = 1_760_000_000.0
DONE = StudyOverview("beta", "quick", "FINISHED", done=27, cut_off=0, failed=0, changed=DAY)
CUT = StudyOverview("images_methods", "paper", "KILLED", done=3, cut_off=2, failed=1, changed=DAY)
LONG = StudyOverview("名" * 15, "quick", "FINISHED", done=1, cut_off=0, failed=0, changed=DAY)
WORDS = ["beta", "quick", "images_methods", "paper", "done", "interrupted", "cut off", "failed"]


@pytest.mark.parametrize("width", [50, 80, 120, None])
def test_the_list_holds_whole_words_within_the_width(tmp_path, width):
    text = studies_text([DONE, CUT, LONG], tmp_path, width)
    assert all(width is None or cell_len(line) <= width for line in text.splitlines())
    assert all(word in text for word in WORDS) and "…" not in text
    assert "2025-10-09" in text


def test_a_count_that_no_study_has_takes_no_column(tmp_path):
    heading = studies_text([DONE], tmp_path, 80).splitlines()[0]
    assert heading.split() == ["study", "scale", "state", "done", "last", "change"]
    heading = studies_text([DONE, CUT], tmp_path, 80).splitlines()[0]
    assert "cut off" in heading and "failed" in heading and "running" not in heading


@pytest.mark.parametrize("width", [50, 80, None])
def test_who_runs_a_study_is_said_below_the_table(tmp_path, width):
    lock = tmp_path / "beta" / "quick" / "lock"
    with hold_study(lock):
        text = studies_text([DONE, CUT], tmp_path, width)
        held = json.loads(lock.read_text())
    said = " ".join(text.split())
    since = f"process {held['pid']} on {held['host']} since {held['since']}"
    assert f"beta, quick: running, {since}" in said
    assert all(width is None or cell_len(line) <= width for line in text.splitlines())

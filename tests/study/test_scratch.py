"""Folders for a moment: used ones stay, those of killed processes go."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.scratch import KINDS, YOUNG_SECONDS, lend_scratch, sweep_scratch

LENDS = """
import time
from study.scratch import lend_scratch
with lend_scratch("tune") as folder:
    open(f"{folder}/result.json", "w").close()
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "temporary [ü] & 100%"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


def age(folder: Path, seconds: float = YOUNG_SECONDS + 1) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_a_folder_is_gone_after_its_use(temporary: Path) -> None:
    for kind in KINDS:
        with lend_scratch(kind) as folder:
            assert Path(folder).parent == temporary
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_is_used_stays() -> None:
    process = subprocess.Popen([sys.executable, "-c", LENDS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    age(left, 10 * 24 * 3600)  # a launch of ten days
    assert sweep_scratch() == [] and left.is_dir()
    process.kill()
    process.wait()
    with lend_scratch("tune") as used:
        age(Path(used))
        age(left)
        assert sweep_scratch() == [left]
        assert not left.exists() and Path(used).is_dir()


def test_what_is_not_ours_stays(temporary: Path) -> None:
    for name in (
        "study-notes-abcdefgh",
        "study-tune-mine",
        "tmpabcdefgh",
        "my-study-tune-abcdefgh",
    ):
        (temporary / name).mkdir()
        age(temporary / name)
    (temporary / "study-tune-abcdefgh").write_text("a file")
    (temporary / "study-plan-abcdefgh").symlink_to(temporary / "tmpabcdefgh")
    if os.getuid() == 0:
        (temporary / "study-plots-abcdefgh").mkdir()
        os.chown(temporary / "study-plots-abcdefgh", 65534, 65534)
        age(temporary / "study-plots-abcdefgh")
    before = sorted(temporary.iterdir())
    assert sweep_scratch() == []
    assert sorted(temporary.iterdir()) == before


def test_a_folder_just_made_stays(temporary: Path) -> None:
    (temporary / "study-artifact-abcdefgh").mkdir()
    assert sweep_scratch() == []
    age(temporary / "study-artifact-abcdefgh")
    assert sweep_scratch() == [temporary / "study-artifact-abcdefgh"]

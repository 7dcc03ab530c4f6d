"""The cache of data sets: entries that are whole but wrong, locks that are held, odd places."""

import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import datasets
from trainables.datasets import Splits, _cache, _locks
from trainables.settings import parse_settings

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(_cache.VARIABLE, str(tmp_path / "cache"))
    return _cache.cache_folder()


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Path:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "data/own" / part / name).mkdir(parents=True)
            for number in range(5):
                pixels = GENERATOR.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data/own" / part / name / f"{number}.png")
    return tmp_path / "data"


def own(**options: object) -> Any:
    content = {"name": "image_folder", "path": "own", "image_size": 8, "validation": 0.2}
    return parse_settings(datasets.AnySettings, content | options)


def load(root: Path, **options: object) -> Splits:
    """Load as a process does that has not loaded anything yet."""
    datasets.load.cache_clear()
    return datasets.load(own(**options), root)


def same(one: Splits, other: Splits) -> bool:
    return _cache._checksum(one) == _cache._checksum(other)


# Entries that are whole, but wrong


def test_a_checksum_follows_all_that_a_data_set_holds(data: Path) -> None:
    splits = datasets.read(own(), data)
    others = {
        "train": splits.train[torch.arange(len(splits.train) - 1)],
        "validation": splits.test,
        "test": splits.validation,
        "num_classes": 3,
        "classes": ("cat", "emu"),
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "padding": 3,
        "flip": False,
        "fingerprint": "another",
        "notes": ("another",),
        "is_stand_in": True,
    }
    assert set(others) == {field.name for field in dataclasses.fields(splits)}
    for name, value in others.items():
        assert not same(splits, dataclasses.replace(splits, **{name: value})), name


def test_the_entry_of_another_data_set_is_not_believed(data: Path, cache: Path) -> None:
    load(data, image_size=4)
    (entry,) = cache.glob("*.pt")
    shutil.copy(entry, _cache._entry_file(own(), data))
    assert same(load(data), datasets.read(own(), data))


@pytest.mark.parametrize("damage", ["image", "label", "mean", "fingerprint", "classes"])
def test_an_entry_with_other_content_is_not_believed(damage: str, data: Path, cache: Path) -> None:
    """Written by torch itself, so that the sums of its format are right."""
    direct = load(data)
    (entry,) = cache.glob("*.pt")
    content = torch.load(entry, weights_only=True)
    splits = content["splits"]
    images_NCHW, labels_N = splits["train"]
    match damage:
        case "image":
            images_NCHW[0] = 255 - images_NCHW[0]
        case "label":
            labels_N.copy_(labels_N.flip(0))
        case "mean":
            splits["mean"] = (0.5, 0.5, 0.5)
        case "fingerprint":
            splits["fingerprint"] = "0123456789abcdef"
        case "classes":
            splits["classes"] = ("dog", "cat")
    entry.unlink()
    torch.save(content, entry)
    assert same(load(data), direct)
    assert same(_cache._map_entry(entry), direct)  # written anew


@pytest.mark.parametrize("content", [{}, {"splits": {}}, [1], "words"])
def test_a_file_of_another_kind_is_written_anew(content: object, data: Path, cache: Path) -> None:
    direct = load(data)
    (entry,) = cache.glob("*.pt")
    entry.unlink()
    torch.save(content, entry)
    assert same(load(data), direct)


@pytest.mark.timeout(60)
def test_an_entry_that_is_no_file_is_never_opened(data: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    os.mkfifo(_cache._entry_file(own(), data))
    assert same(load(data), datasets.read(own(), data))


def test_notes_of_the_files_come_from_the_cache_too(data: Path) -> None:
    (data / "own/train/cat/labels.txt").write_text("words")
    first, second = load(data), load(data)
    assert first.notes == second.notes
    assert "passed over .txt (1)" in second.notes[0]


def test_what_killed_writers_of_other_entries_left_is_cleared(data: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "image_folder-0123.part").write_bytes(b"half")
    (cache / "mnist-0123.part").write_bytes(b"another process may be writing it")
    load(data)
    assert [path.name for path in cache.glob("*.part")] == ["mnist-0123.part"]


# Locks

HOLDS = """
import sys, time
from pathlib import Path
from trainables.datasets._locks import hold_lock

Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
with hold_lock(Path(sys.argv[1]), purpose="holds", most_seconds=1):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(cache: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a process that holds the lock of the data set."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(cache / "image_folder.lock"), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_stopped_process_is_not_waited_for(
    data: Path,
    cache: Path,
    started: list[subprocess.Popen[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    process = holder(cache, 600)
    started.append(process)
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert same(load(data), datasets.read(own(), data))
    assert time.monotonic() - began < 4 * _locks.SILENT_SECONDS
    (said,) = caplog.messages
    assert said.startswith(f"image_folder is read without the cache: process {process.pid}")
    assert f"`kill -CONT {process.pid}` lets it go on" in said
    process.kill()
    process.wait()
    load(data)
    assert len(list(cache.glob("*.pt"))) == 1  # and now it is kept


def test_a_wait_is_told_after_seconds_and_ends_with_the_holder(
    data: Path,
    cache: Path,
    started: list[subprocess.Popen[str]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_locks, "SILENT_SECONDS", 0.4)
    process = holder(cache, 4)
    started.append(process)
    splits = load(data)
    assert same(splits, datasets.read(own(), data))
    assert caplog.messages == [
        f"Waiting for process {process.pid}, which reads image_folder for all."
    ]
    assert len(list(cache.glob("*.pt"))) == 1


def test_the_lock_of_a_killed_process_is_free(
    data: Path, cache: Path, started: list[subprocess.Popen[str]]
) -> None:
    process = holder(cache, 600)
    started.append(process)
    process.kill()
    process.wait()
    began = time.monotonic()
    load(data)
    assert time.monotonic() - began < _locks.SILENT_SECONDS


def test_a_wait_for_a_live_process_ends_after_its_limit(
    cache: Path, started: list[subprocess.Popen[str]]
) -> None:
    process = holder(cache, 600)
    started.append(process)
    said = f"process {process.pid}, which waits, has held"
    lock = _locks.hold_lock(cache / "image_folder.lock", purpose="waits", most_seconds=1)
    with pytest.raises(_locks.LockHeldError, match=said), lock:
        pass


# Places


def test_a_cache_that_cannot_be_written_is_told_with_the_remedy(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert same(load(data), datasets.read(own(), data))
    (said,) = caplog.messages
    assert "is read without the cache" in said and _cache.VARIABLE in said


def test_a_link_loop_in_the_data_costs_the_cache_nothing(data: Path) -> None:
    for name in "abcd":
        (data / "own/train/cat" / name).symlink_to(".")
    files = list(_cache._file_identities([data / "own/train"]))
    assert len(files) == 3 + 10  # folders and images

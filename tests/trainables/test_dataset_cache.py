"""The machine's cache of data sets, on small files, with direct reads to compare it with."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as torchvision_datasets

from trainables import datasets
from trainables.datasets import DatasetError, Splits, _cache, fashion_mnist
from trainables.settings import parse_settings

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own."""
    monkeypatch.setenv(_cache.VARIABLE, str(tmp_path / "cache"))
    return _cache.cache_folder()


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GENERATOR.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Path:
    """Write ten images for training and four for testing, of two classes."""
    folder = tmp_path / "data"
    for name in ("cat", "dog"):
        for number in range(5):
            write_image(folder / f"own/train/{name}/{number}.bmp")
        for number in range(2):
            write_image(folder / f"own/test/{name}/{number}.bmp")
    return folder


def own(**options: object) -> Any:
    return parse_settings(
        datasets.AnySettings,
        {"name": "image_folder", "path": "own", "image_size": 8, "validation": 0.2, **options},
    )


def load(root: Path, **options: object) -> Splits:
    """Load as a process does that has not loaded anything yet."""
    datasets.load.cache_clear()
    return datasets.load(own(**options), root)


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.suffix != ".lock")


def is_mapped(entry: Path) -> bool:
    return str(entry) in Path("/proc/self/maps").read_text()


def assert_equal(one: Splits, other: Splits) -> None:
    for field, value in vars(one).items():
        found = getattr(other, field)
        if isinstance(value, datasets.Images):
            assert found.images_NCHW.equal(value.images_NCHW), field
            assert found.images_NCHW.dtype == torch.uint8 and found.images_NCHW.is_contiguous()
            assert found.labels_N.equal(value.labels_N) and found.labels_N.dtype == torch.int64
        else:
            assert found == value and type(found) is type(value), field


def no_read() -> Splits:
    raise AssertionError("the cache should have been used")


def test_what_is_mapped_is_what_is_read(data: Path, cache: Path) -> None:
    direct = datasets.read(own(), data)
    assert_equal(load(data), direct)
    (entry,) = entries(cache)
    second = _cache.shared_dataset(own(), data, no_read)
    assert_equal(second, direct)
    assert is_mapped(entry)
    assert (second.in_channels, second.image_size, len(second.validation)) == (3, 8, 2)


def test_the_process_that_reads_maps_too(data: Path, cache: Path) -> None:
    splits = load(data)
    assert is_mapped(*entries(cache))
    del splits


def test_writing_to_mapped_images_changes_nobody_elses(data: Path) -> None:
    load(data).train.images_NCHW.zero_()
    assert_equal(_cache.shared_dataset(own(), data, no_read), datasets.read(own(), data))


@pytest.mark.parametrize(
    "other", [{"validation": 0.4}, {"image_size": 4}, {"train_images": 6}, {"flip": False}]
)
def test_another_setting_is_another_entry(
    other: dict[str, object], data: Path, cache: Path
) -> None:
    load(data)
    assert_equal(load(data, **other), datasets.read(own(**other), data))
    assert len(entries(cache)) == 2


def test_another_version_of_a_reader_is_another_entry(
    data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(data)
    monkeypatch.setattr(_cache, "_reader_versions", lambda: {"pillow": "another"})
    load(data)
    assert len(entries(cache)) == 2


def test_a_changed_file_of_the_same_size_is_noticed(data: Path) -> None:
    before = load(data)
    write_image(data / "own/train/cat/3.bmp")
    after = load(data)
    assert after.fingerprint != before.fingerprint
    assert_equal(after, datasets.read(own(), data))


def test_a_changed_file_with_the_old_time_is_noticed(data: Path) -> None:
    path = data / "own/test/dog/1.bmp"
    before, times = load(data), path.stat()
    write_image(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(data).fingerprint != before.fingerprint


def test_files_that_come_and_go_are_noticed(data: Path) -> None:
    load(data)
    write_image(data / "own/train/cat/new.bmp")
    assert len(load(data, validation=0.0).train) == 11
    (data / "own/train/cat/new.bmp").unlink()
    assert len(load(data, validation=0.0).train) == 10


def test_a_file_that_was_damaged_since_is_named(data: Path) -> None:
    load(data)
    path = data / "own/train/dog/0.bmp"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DatasetError, match=f"image_folder: {path} is damaged"):
        load(data)


def test_a_class_that_was_added_without_images_is_named(data: Path) -> None:
    load(data)
    (data / "own/train/emu").mkdir()
    with pytest.raises(DatasetError, match="no training image of emu"):
        load(data)


def test_a_file_that_changes_while_it_is_read_is_not_kept(data: Path, cache: Path) -> None:
    def read() -> Splits:
        splits = datasets.read(own(), data)
        write_image(data / "own/train/cat/3.bmp")
        return splits

    _cache.shared_dataset(own(), data, read)
    assert entries(cache) == []


@pytest.mark.parametrize("damage", ["empty", "half", "byte", "foreign"])
def test_a_damaged_entry_is_written_anew(damage: str, data: Path, cache: Path) -> None:
    direct = load(data)
    (entry,) = entries(cache)
    content = bytearray(entry.read_bytes())
    pixels = direct.train.images_NCHW.numpy().tobytes()
    content[content.index(pixels) + 7] ^= 1
    entry.unlink()  # in its place a new file: the old one is mapped
    half = content[: len(content) // 2]
    entry.write_bytes({"empty": b"", "half": half, "byte": content, "foreign": b"PK"}[damage])
    assert_equal(load(data), direct)
    assert_equal(_cache.shared_dataset(own(), data, no_read), direct)


def test_what_a_killed_writer_left_is_cleared(data: Path, cache: Path) -> None:
    load(data)
    (entry,) = entries(cache)
    entry.rename(entry.with_suffix(".part"))
    load(data)
    assert entries(cache) == [entry]


def test_without_a_folder_for_it_data_is_read_directly(data: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert_equal(load(data), datasets.read(own(), data))


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 100 bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_on_a_full_disk_data_is_read_directly(data: Path, cache: Path) -> None:
    with full_disk():
        splits = load(data)
    assert entries(cache) == []
    assert_equal(splits, datasets.read(own(), data))


def test_an_entry_that_would_fill_the_disk_is_not_kept(
    data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "MOST_OF_FREE", 0.0)
    assert_equal(load(data), datasets.read(own(), data))
    assert entries(cache) == []


def test_entries_that_were_not_used_for_longest_go_first(
    data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, size in enumerate((16, 24, 32)):
        load(data, image_size=size)
        os.utime(_cache._entry_file(own(image_size=size), data), (1000 + age, 1000 + age))
    load(data, image_size=16)  # used again: now 24 is the oldest
    most = sum(path.stat().st_size for path in entries(cache))
    monkeypatch.setattr(_cache, "LIMIT_BYTES", most)
    load(data, image_size=8)
    for size in (8, 16, 32):
        _cache.shared_dataset(own(image_size=size), data, no_read)
    with pytest.raises(AssertionError, match="should have been used"):
        _cache.shared_dataset(own(image_size=24), data, no_read)


def test_two_that_need_it_at_once_read_it_once(data: Path) -> None:
    together = threading.Barrier(2)
    reads = []

    def read() -> Splits:
        reads.append(1)
        return datasets.read(own(), data)

    def load() -> Splits:
        together.wait()
        return _cache.shared_dataset(own(), data, read)

    with ThreadPoolExecutor(2) as pool:
        one, other = [future.result() for future in [pool.submit(load) for _ in range(2)]]
    assert_equal(one, other)
    assert len(reads) == 1


LOADS = """
import sys
from pathlib import Path
from trainables import datasets
from trainables.settings import parse_settings

data = {"name": "image_folder", "path": "own", "image_size": 8}
settings = parse_settings(datasets.AnySettings, data)
print(datasets.load(settings, Path(sys.argv[1])).fingerprint, "torchvision" in sys.modules)
"""


def test_images_of_a_folder_are_read_and_mapped_without_torchvision(data: Path) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", LOADS, str(data)], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    fingerprint = datasets.read(own(), data).fingerprint
    assert said == [[fingerprint, "False"], [fingerprint, "False"]]


def test_the_folder_is_the_users_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _cache.cache_folder().parent == tmp_path / "cache"
    monkeypatch.delenv(_cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _cache.cache_folder().parent == tmp_path / "xdg/lamix-study"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert _cache.cache_folder().parent == tmp_path / "home/.cache/lamix-study"


def places(name: str, root: Path) -> set[str]:
    settings = parse_settings(datasets.AnySettings, {"name": name})
    return {str(path.relative_to(root)) for path in settings.places(root)}


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_places_of_cifar_are_torchvisions(name: str, kind: str, tmp_path: Path) -> None:
    assert places(name, tmp_path) == {getattr(torchvision_datasets, kind).base_folder}


def test_places_of_svhn_are_torchvisions(tmp_path: Path) -> None:
    files = torchvision_datasets.SVHN.split_list
    assert places("svhn", tmp_path) == {files[part][1] for part in ("train", "test")}


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_places_of_mnist_are_torchvisions(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "package")
    archives = {name for name, _ in getattr(torchvision_datasets, kind).resources}
    raw = {f"{kind}/raw/{name}" for name in archives}
    raw |= {path.removesuffix(".gz") for path in raw}
    package = {f"package/{path.rpartition('/')[2]}" for path in raw}
    assert places(name, tmp_path) == (raw if name == "mnist" else raw | package)

"""The data sets, on small files in their real formats; downloads come from a server in the test."""

import gzip
import hashlib
import os
import pickle
import socket
import struct
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pydantic
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision import datasets as torchvision_datasets

from lamix_study.testing import DatasetContract
from trainables import datasets
from trainables.datasets import DatasetError, Splits, fashion_mnist, tiny_imagenet
from trainables.datasets import _files as dataset_files
from trainables.datasets._images import (
    Images,
    RawDataset,
    SplitSettings,
    stratified_holdout,
    stratified_subset,
)
from trainables.settings import parse_settings

GENERATOR = np.random.default_rng(0)
DEBIAN_FASHION_MNIST = fashion_mnist.DEBIAN


def load(name: str, root: Path, **options: object) -> Splits:
    settings = parse_settings(datasets.AnySettings, {"name": name, "validation": 0.0, **options})
    return datasets.load(settings, root)


def noise(*shape: int) -> np.ndarray:
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-such-package")
    datasets.load.cache_clear()


@dataclass
class Server:
    """A web server that offers the files of a folder."""

    folder: Path
    url: str
    requests: list[str]


@pytest.fixture
def server(_no_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            requests.append(self.path)

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    monkeypatch.setattr(urllib.request, "urlopen", opener.open)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield Server(folder, f"http://127.0.0.1:{http.server_address[1]}", requests)
    http.shutdown()
    http.server_close()


# The choice of images


def images_of(*sizes: int) -> Images:
    """Return `sizes[c]` images of each class c; the pixel of each is its position."""
    labels_N = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    images_NCHW = torch.arange(len(labels_N), dtype=torch.uint8).view(-1, 1, 1, 1)
    return Images(images_NCHW, labels_N)


@pytest.mark.parametrize(
    ("count", "counts"),
    [
        (100, [50, 30, 20]),
        (10, [5, 3, 2]),
        (7, [4, 2, 1]),  # quotas 3.5, 2.1, 1.4
        (1, [1, 0, 0]),
    ],
)
def test_subset_holds_the_same_share_of_each_class(count: int, counts: list[int]) -> None:
    subset = stratified_subset(images_of(50, 30, 20), count)
    assert subset.labels_N.bincount(minlength=3).tolist() == counts


def test_subset_keeps_images_with_their_labels_in_order() -> None:
    images = images_of(50, 30, 20)
    subset = stratified_subset(images, 40)
    positions = subset.images_NCHW.flatten().long()
    assert positions.equal(positions.unique())
    assert subset.labels_N.equal(images.labels_N[positions])


def test_smaller_subset_is_part_of_the_larger() -> None:
    images = images_of(50, 30, 20)
    small, large = (stratified_subset(images, count).images_NCHW.flatten() for count in (10, 60))
    assert set(small.tolist()) < set(large.tolist())


def test_subset_of_all_is_all() -> None:
    images = images_of(5, 3)
    assert stratified_subset(images, 8).images_NCHW.equal(images.images_NCHW)


def test_holdout_takes_its_share_of_each_class() -> None:
    rest, held_out = stratified_holdout(images_of(50, 30, 20), 0.1)
    assert held_out.labels_N.bincount().tolist() == [5, 3, 2]
    assert rest.labels_N.bincount().tolist() == [45, 27, 18]
    both = torch.cat([rest.images_NCHW, held_out.images_NCHW]).flatten()
    assert both.sort().values.equal(torch.arange(100, dtype=torch.uint8))


def test_validation_is_held_out_of_the_subset(tmp_path: Path) -> None:
    splits = load("digits", tmp_path, train_images=100, test_images=50, validation=0.2)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (80, 20, 50)


def test_subset_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    fingerprints = {load("digits", tmp_path, train_images=n).fingerprint for n in (None, 100)}
    assert len(fingerprints) == 1


@pytest.mark.parametrize("setting", ["train_images", "test_images"])
def test_more_images_than_there_are_is_an_error(setting: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"digits: {setting}: 2000 asked for, but there are"):
        load("digits", tmp_path, **{setting: 2000})


def test_subset_without_a_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="digits: no training image of"):
        load("digits", tmp_path, train_images=9)


def test_validation_share_that_empties_a_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="digits: a validation share of 0.5 leaves no training"):
        load("digits", tmp_path, train_images=10, validation=0.5)


@pytest.mark.parametrize(
    "wrong", [{"validation": 1.0}, {"train_images": 0}, {"test_images": 1.5}, {"flop": True}]
)
def test_bad_setting_is_named(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        load("digits", tmp_path, **wrong)


# What every data set must be


@dataclass(frozen=True)
class Fixed(SplitSettings):
    """A data set that is what the test says."""

    raw: RawDataset
    name: str = "fixed"
    image_size: int = 2

    def read(self, root: Path) -> RawDataset:
        return self.raw

    __hash__ = object.__hash__


def raw(**changes: object) -> RawDataset:
    train = Images(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    fields = {"classes": ("cat", "dog"), "mean": (0.0,), "std": (1.0,), "padding": 0, "flip": False}
    return replace(RawDataset(train=train, test=train, **fields), **changes)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 0, 0], "fixed: no training image of dog"),
        ([0, 1, 2, 1], r"fixed: training images: labels must be in \[0, 2\), got 0 to 2"),
        ([0, 1, -1, 1], r"fixed: training images: labels must be in \[0, 2\), got -1 to 1"),
        ([0, 1], "fixed: training images: 4 of them, but 2 labels"),
        ([], "fixed: training images: there are none"),
    ],
)
def test_wrong_labels_are_refused(labels: list[int], message: str, tmp_path: Path) -> None:
    images_NCHW = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    train = Images(images_NCHW, torch.tensor(labels, dtype=torch.int64))
    with pytest.raises(DatasetError, match=message):
        datasets.read(Fixed(raw=raw(train=train)), tmp_path)


def test_images_that_are_not_square_are_refused(tmp_path: Path) -> None:
    test = Images(torch.zeros(2, 1, 2, 3, dtype=torch.uint8), torch.tensor([0, 1]))
    with pytest.raises(DatasetError, match="test images: must be square, got 2 rows and 3 columns"):
        datasets.read(Fixed(raw=raw(test=test)), tmp_path)


def test_fingerprint_follows_a_single_pixel(tmp_path: Path) -> None:
    images_NCHW = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    images_NCHW[3, 0, 1, 1] = 1
    changed = raw(train=Images(images_NCHW, torch.tensor([0, 1, 0, 1])))
    kept, moved = (datasets.read(Fixed(raw=one), tmp_path) for one in (raw(), changed))
    assert kept.fingerprint != moved.fingerprint


class TestContract(DatasetContract):
    settings = [{"name": "digits"}, {"name": "digits", "train_images": 200, "test_images": 50}]


def test_loading_the_same_again_reads_nothing(tmp_path: Path) -> None:
    assert load("digits", tmp_path) is load("digits", tmp_path)


def test_every_data_set_of_the_design_is_there() -> None:
    paper = {"mnist", "fashion_mnist", "svhn", "cifar10", "cifar100", "tiny_imagenet"}
    assert set(datasets.names()) >= paper | {"digits", "image_folder"}


@pytest.mark.parametrize("name", ["digits", "cifar10", "image_folder"])
def test_json_schema_describes_the_settings_that_all_share(name: str) -> None:
    settings_class = datasets.plugins.settings_classes("trainables.datasets")[name]
    properties = pydantic.TypeAdapter(settings_class).json_schema()["properties"]
    for shared in ("validation", "train_images", "test_images"):
        own = pydantic.TypeAdapter(SplitSettings).json_schema()["properties"][shared]
        assert properties[shared]["description"] == own["description"] != ""


# MNIST and Fashion-MNIST


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(folder: Path, ending: str = "") -> dict[str, np.ndarray]:
    """Write 20 training and 10 test images, two and one of each class."""
    arrays = {
        "train-images-idx3-ubyte": noise(20, 28, 28),
        "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte": noise(10, 28, 28),
        "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8),
    }
    for name, array in arrays.items():
        write_idx(folder / (name + ending), array)
    return arrays


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_are_read_as_they_are(
    name: str, folder: str, ending: str, tmp_path: Path
) -> None:
    arrays = write_mnist(tmp_path / folder / "raw", ending)
    settings = parse_settings(datasets.AnySettings, {"name": name})
    read = settings.read(tmp_path)
    assert (
        read.train.images_NCHW[:, 0].numpy().tolist() == arrays["train-images-idx3-ubyte"].tolist()
    )
    assert read.test.images_NCHW[:, 0].numpy().tolist() == arrays["t10k-images-idx3-ubyte"].tolist()
    assert read.train.labels_N.tolist() == arrays["train-labels-idx1-ubyte"].tolist()
    assert read.num_classes == 10


def test_idx_reader_agrees_with_torchvisions(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    ours = parse_settings(datasets.AnySettings, {"name": "mnist"}).read(tmp_path)
    theirs = torchvision_datasets.MNIST(str(tmp_path), train=False)
    assert ours.test.images_NCHW[:, 0].equal(theirs.data)
    assert ours.test.labels_N.equal(theirs.targets)


def test_mnist_is_resized_to_32x32(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    splits = load("mnist", tmp_path)
    assert splits.train.images_NCHW.shape == (20, 1, 32, 32)
    assert splits.train.images_NCHW.dtype == torch.uint8
    assert splits.train.labels_N.dtype == torch.int64


def test_clothes_are_flipped_and_digits_are_not(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    write_mnist(tmp_path / "FashionMNIST/raw")
    flips = {name: load(name, tmp_path).flip for name in ("mnist", "digits", "fashion_mnist")}
    assert flips == {"mnist": False, "digits": False, "fashion_mnist": True}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_truncated_idx_file_is_named(ending: str, tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw", ending)
    path = tmp_path / f"MNIST/raw/t10k-images-idx3-ubyte{ending}"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DatasetError, match=f"mnist: {path} is damaged: .*; delete it"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"<html>not found</html>"])
def test_file_that_is_not_idx_is_named(content: bytes, tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    path = tmp_path / "MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"{path} is damaged: it is no IDX file"):
        load("mnist", tmp_path)


def test_images_in_place_of_labels_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    write_idx(tmp_path / "MNIST/raw/train-labels-idx1-ubyte", noise(20, 28, 28))
    with pytest.raises(DatasetError, match="no IDX file of bytes in 1 dimensions"):
        load("mnist", tmp_path)


def test_fashion_mnist_of_the_distribution_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, root = tmp_path / "package", tmp_path / "data"
    monkeypatch.setattr(fashion_mnist, "DEBIAN", package)
    write_mnist(package, ".gz")
    from_package = load("fashion_mnist", root)
    assert not root.exists()
    write_mnist(root / "FashionMNIST/raw")  # other images: the data folder comes first
    datasets.load.cache_clear()
    assert load("fashion_mnist", root).fingerprint != from_package.fingerprint


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.exists(), reason="needs dataset-fashion-mnist")
def test_fashion_mnist_has_the_stated_mean_and_deviation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", DEBIAN_FASHION_MNIST)
    read = parse_settings(datasets.AnySettings, {"name": "fashion_mnist"}).read(tmp_path)
    assert (len(read.train), len(read.test)) == (60_000, 10_000)
    assert read.train.labels_N.bincount().tolist() == [6000] * 10
    pixels = read.train.images_NCHW.double() / 255
    assert float(pixels.mean()) == pytest.approx(read.mean[0], abs=5e-5)
    assert float(pixels.std()) == pytest.approx(read.std[0], abs=5e-5)


# Downloads


@pytest.mark.parametrize(
    ("name", "missing", "remedy", "folder"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "MNIST/raw"),
        (
            "fashion_mnist",
            "FashionMNIST/raw/train-images-idx3-ubyte",
            "train-images-idx3-ubyte.gz",
            "FashionMNIST/raw",
        ),
        ("svhn", "train_32x32.mat", "Put train_32x32.mat, test_32x32.mat", ""),
        ("cifar10", "cifar-10-batches-py/data_batch_1", "Put cifar-10-python.tar.gz", ""),
        ("cifar100", "cifar-100-python/train", "Put cifar-100-python.tar.gz", ""),
        ("tiny_imagenet", "tiny-imagenet-200", "Put tiny-imagenet-200.zip", ""),
    ],
)
def test_without_a_network_the_error_says_what_to_put_where(
    name: str, missing: str, remedy: str, folder: str, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    with pytest.raises(DatasetError) as raised:
        load(name, root)
    message = str(raised.value)
    assert message.startswith(f"{name}: {missing} is not in {root}, and the download failed")
    assert remedy in message and message.endswith(f"into {root / folder}")
    assert "no network" in message and "\n" not in message
    assert all(path.suffix == ".lock" for path in root.iterdir())


def test_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=f"not in {tmp_path}/file, .*FileExistsError"):
        load("svhn", tmp_path / "file")


@pytest.fixture
def served_mnist(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    write_mnist(server.folder, ".gz")
    resources = [(path.name, md5(path)) for path in sorted(server.folder.iterdir())]
    monkeypatch.setattr(torchvision_datasets.MNIST, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(torchvision_datasets.MNIST, "resources", resources)
    return server


def test_missing_files_are_downloaded_once(served_mnist: Server, tmp_path: Path) -> None:
    root = tmp_path / "data"
    load("mnist", root)
    first = len(served_mnist.requests)
    datasets.load.cache_clear()
    load("mnist", root)
    assert len(served_mnist.requests) == first > 0
    assert not list(root.glob(".*.part"))


def test_files_that_are_there_are_left_alone(served_mnist: Server, tmp_path: Path) -> None:
    kept = tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte"
    write_idx(kept, np.full(10, 7, dtype=np.uint8))
    assert load("mnist", tmp_path).test.labels_N.tolist() == [7] * 10


def test_download_that_fails_its_checksum_leaves_nothing(
    served_mnist: Server, tmp_path: Path
) -> None:
    write_idx(served_mnist.folder / "t10k-labels-idx1-ubyte.gz", noise(10))
    with pytest.raises(DatasetError, match="the download failed .*corrupted"):
        load("mnist", tmp_path / "data")
    assert [path.suffix for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_what_a_killed_download_left_is_cleared(served_mnist: Server, tmp_path: Path) -> None:
    half = tmp_path / ".MNIST-raw-train-images-idx3-ubyte.part/MNIST/raw/train-images-idx3-ubyte"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    load("mnist", tmp_path)
    assert not half.exists()


def source_of(download: object) -> dataset_files.FileSource:
    return dataset_files.FileSource(("wanted",), ("wanted",), "http://example", {}, download)


def test_two_loads_at_once_download_once(tmp_path: Path) -> None:
    together = threading.Barrier(2)
    downloads = []

    def download(folder: Path) -> None:
        downloads.append(folder)
        assert not (tmp_path / "wanted").exists()
        (folder / "wanted").write_text("whole")

    def provide() -> str:
        together.wait()
        dataset_files.provide_files(source_of(download), tmp_path)
        return (tmp_path / "wanted").read_text()

    with ThreadPoolExecutor(2) as pool:
        contents = [future.result() for future in [pool.submit(provide) for _ in range(2)]]
    assert contents == ["whole", "whole"]
    assert len(downloads) == 1


def test_download_gives_up_on_a_silent_server(tmp_path: Path) -> None:
    timeouts = []

    def download(folder: Path) -> None:
        timeouts.append(socket.getdefaulttimeout())
        (folder / "wanted").touch()

    before = socket.getdefaulttimeout()
    dataset_files.provide_files(source_of(download), tmp_path)
    assert timeouts == [dataset_files.SILENCE_SECONDS]
    assert socket.getdefaulttimeout() == before


def test_complete_folder_is_not_written_to(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    load("mnist", tmp_path)
    assert os.listdir(tmp_path) == ["MNIST"]


# CIFAR


def write_pickle(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


@pytest.fixture
def cifar10_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write batches of 10 images, one of each class, and tell torchvision their checksums."""
    kind = torchvision_datasets.CIFAR10
    folder = tmp_path / kind.base_folder
    parts = [name for name, _ in [*kind.train_list, *kind.test_list]]
    for name in parts:
        write_pickle(folder / name, {"data": noise(10, 3072), "labels": list(range(10))})
    write_pickle(folder / "batches.meta", {"label_names": [f"class {c}" for c in range(10)]})
    sums = [[name, md5(folder / name)] for name in parts]
    monkeypatch.setattr(kind, "train_list", sums[:-1])
    monkeypatch.setattr(kind, "test_list", sums[-1:])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / "batches.meta")})
    return folder


def test_cifar10_batches_are_read_in_order(cifar10_files: Path, tmp_path: Path) -> None:
    splits = load("cifar10", tmp_path)
    assert splits.train.images_NCHW.shape == (50, 3, 32, 32)
    assert splits.train.labels_N.tolist() == 5 * list(range(10))
    assert splits.classes[3] == "class 3"
    assert splits.train.images_NCHW.is_contiguous()
    # A row of a batch holds the red plane, then the green, then the blue, each row by row.
    row = pickle.loads((cifar10_files / "data_batch_2").read_bytes())["data"][4]
    assert splits.train.images_NCHW[14].flatten().tolist() == row.tolist()


def test_damaged_cifar10_batch_is_named(cifar10_files: Path, tmp_path: Path) -> None:
    path = cifar10_files / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DatasetError, match=f"cifar10: {path} is damaged: its MD5 checksum is not"):
        load("cifar10", tmp_path)


@pytest.fixture
def cifar10_archive(cifar10_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the batches into the archive that the authors offer, away from the data folder."""
    archive = tmp_path / "archives/cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10_files, cifar10_files.name)
    monkeypatch.setattr(torchvision_datasets.CIFAR10, "tgz_md5", md5(archive))
    return archive


def test_archive_in_the_data_folder_needs_no_network(cifar10_archive: Path) -> None:
    splits = load("cifar10", cifar10_archive.parent)
    assert len(splits.train) == 50
    assert cifar10_archive.exists()


def test_damaged_archive_is_named_and_kept(cifar10_archive: Path) -> None:
    cifar10_archive.write_bytes(b"half")
    with pytest.raises(DatasetError, match=f"{cifar10_archive} is damaged"):
        load("cifar10", cifar10_archive.parent)
    assert cifar10_archive.read_bytes() == b"half"


def test_cifar10_is_downloaded_and_unpacked(
    cifar10_archive: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar10_archive.rename(server.folder / cifar10_archive.name)
    url = f"{server.url}/{cifar10_archive.name}"
    monkeypatch.setattr(torchvision_datasets.CIFAR10, "url", url)
    assert len(load("cifar10", tmp_path / "data").train) == 50


def test_cifar100_has_the_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = torchvision_datasets.CIFAR100
    folder = tmp_path / kind.base_folder
    labels = {"fine_labels": list(range(100)), "coarse_labels": [0] * 100}
    write_pickle(folder / "train", {"data": noise(100, 3072), **labels})
    write_pickle(folder / "test", {"data": noise(100, 3072), **labels})
    write_pickle(folder / "meta", {"fine_label_names": [str(c) for c in range(100)]})
    monkeypatch.setattr(kind, "train_list", [["train", md5(folder / "train")]])
    monkeypatch.setattr(kind, "test_list", [["test", md5(folder / "test")]])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / "meta")})
    splits = load("cifar100", tmp_path)
    assert splits.num_classes == 100
    assert splits.test.labels_N.tolist() == list(range(100))


# SVHN


@pytest.fixture
def svhn_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Write both parts with the labels 1 to 10, where 10 is the digit 0."""
    arrays, split_list = {}, {}
    for part, (url, name, _) in torchvision_datasets.SVHN.split_list.items():
        arrays[part] = noise(32, 32, 3, 20)
        labels = np.arange(20, dtype=np.uint8).reshape(-1, 1) % 10 + 1
        scipy.io.savemat(tmp_path / name, {"X": arrays[part], "y": labels})
        split_list[part] = [url, name, md5(tmp_path / name)]
    monkeypatch.setattr(torchvision_datasets.SVHN, "split_list", split_list)
    return arrays


def test_svhn_is_read_with_ten_as_the_digit_zero(
    svhn_files: dict[str, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "extra_32x32.mat").unlink()  # which is not used
    splits = load("svhn", tmp_path)
    assert splits.train.images_NCHW.shape == (20, 3, 32, 32)
    assert splits.train.labels_N.tolist() == 2 * [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    image_CHW = svhn_files["test"][:, :, :, 7].transpose(2, 0, 1)
    assert splits.test.images_NCHW[7].tolist() == image_CHW.tolist()
    assert not splits.flip


def test_damaged_svhn_file_is_named(svhn_files: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=f"svhn: {path} is damaged"):
        load("svhn", tmp_path)


# Tiny-ImageNet

WNIDS = ("n02", "n01", "n03")


def write_image(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Write 3 classes of 2 training images, the first of them grey, and a test image each."""
    folder = tmp_path / "tiny-imagenet-200"
    for number, wnid in enumerate(WNIDS):
        grey = np.full((64, 64), 50 * number, dtype=np.uint8)
        write_image(folder / f"train/{wnid}/images/{wnid}_0.JPEG", grey)
        write_image(folder / f"train/{wnid}/images/{wnid}_1.JPEG", noise(64, 64, 3))
        write_image(folder / f"val/images/val_{number}.JPEG", noise(64, 64, 3))
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    lines = [f"val_{number}.JPEG\t{wnid}\t0\t0\t9\t9\n" for number, wnid in enumerate(WNIDS)]
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    return folder


def test_tiny_imagenet_tests_on_its_validation_images(tiny: Path, tmp_path: Path) -> None:
    splits = load("tiny_imagenet", tmp_path)
    assert splits.classes == ("n01", "n02", "n03")
    assert splits.train.images_NCHW.shape == (6, 3, 64, 64)
    assert splits.train.labels_N.tolist() == [0, 0, 1, 1, 2, 2]
    assert splits.test.labels_N.tolist() == [1, 0, 2]  # n02, n01, n03


def test_grey_jpeg_becomes_rgb(tiny: Path, tmp_path: Path) -> None:
    first_of_n01 = load("tiny_imagenet", tmp_path).train.images_NCHW[0]
    assert first_of_n01.equal(torch.full((3, 64, 64), 50, dtype=torch.uint8))


def test_jpeg_is_decoded_to_its_rows_columns_and_colours(tiny: Path, tmp_path: Path) -> None:
    path = tiny / "train/n01/images/n01_1.JPEG"
    quarters = np.zeros((64, 64, 3), np.uint8)
    quarters[:32, :32, 0] = quarters[:32, 32:, 1] = quarters[32:, :32, 2] = 200
    Image.fromarray(quarters).save(path, quality=100, subsampling=0)
    image_CHW = load("tiny_imagenet", tmp_path).train.images_NCHW[1].int()
    difference = image_CHW - torch.from_numpy(quarters).permute(2, 0, 1).int()
    assert difference.abs().max() <= 3  # JPEG is lossy


@pytest.mark.parametrize("kept", [0, 2, 400])
def test_truncated_jpeg_is_named(kept: int, tiny: Path, tmp_path: Path) -> None:
    path = tiny / "train/n03/images/n03_1.JPEG"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=f"tiny_imagenet: {path} is damaged"):
        load("tiny_imagenet", tmp_path)


def test_image_of_another_size_is_named(tiny: Path, tmp_path: Path) -> None:
    path = tiny / "val/images/val_2.JPEG"
    write_image(path, noise(64, 48, 3))
    with pytest.raises(DatasetError, match=f"{path}: must be 64x64 pixels, got 48x64"):
        load("tiny_imagenet", tmp_path)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ("val_0.JPEG\tn02\nval_1.JPEG\tn01\n", "val_annotations.txt: no line for val_2.JPEG"),
        ("val_0.JPEG\tn02\nval_1.JPEG\tn09\n", "line 2: `n09` is not in wnids.txt"),
        ("val_0.JPEG\tn02\nval_7.JPEG\tn01\n", "line 2: `val_7.JPEG` is not in "),
        ("val_0.JPEG\tn02\nval_0.JPEG\tn01\n", "line 2: `val_0.JPEG` is .* or annotated twice"),
        ("val_0.JPEG\n", "line 1: `` is not in wnids.txt"),
    ],
)
def test_wrong_annotation_is_named(
    annotations: str, message: str, tiny: Path, tmp_path: Path
) -> None:
    (tiny / "val/val_annotations.txt").write_text(annotations)
    with pytest.raises(DatasetError, match=message):
        load("tiny_imagenet", tmp_path)


def test_training_folder_of_an_unknown_class_is_named(tiny: Path, tmp_path: Path) -> None:
    (tiny / "train/n09").mkdir()
    with pytest.raises(DatasetError, match=f"{tiny}/train/n09: n09 is not in wnids.txt"):
        load("tiny_imagenet", tmp_path)


@pytest.mark.parametrize("missing", ["wnids.txt", "val/val_annotations.txt", "train/n01/images"])
def test_missing_part_of_tiny_imagenet_is_named(missing: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=f"{tiny / missing}: there is no such"):
        load("tiny_imagenet", tmp_path)


def test_tiny_imagenet_is_downloaded_and_unpacked(
    tiny: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = server.folder / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in tiny.rglob("*"):
            file.write(path, path.relative_to(tmp_path))
    monkeypatch.setattr(tiny_imagenet, "URL", f"{server.url}/{archive.name}")
    monkeypatch.setattr(tiny_imagenet, "MD5", md5(archive))
    root = tmp_path / "data"
    assert len(load("tiny_imagenet", root).train) == 6
    visible = [path.name for path in root.iterdir() if path.suffix != ".lock"]
    assert visible == ["tiny-imagenet-200"]


# A user's own folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a black and a white training image, and a black test image."""
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    write_image(tmp_path / "own/train/cat/black.png", black)
    write_image(tmp_path / "own/train/dog/white.png", white)
    write_image(tmp_path / "own/test/cat/black.png", black)
    return tmp_path / "own"


def test_image_folder_measures_mean_and_deviation(folder: Path, tmp_path: Path) -> None:
    splits = load("image_folder", tmp_path, path="own")
    assert splits.mean == pytest.approx((0.5,) * 3)
    assert splits.std == pytest.approx((0.5,) * 3)
    assert splits.classes == ("cat", "dog")
    assert splits.train.images_NCHW.shape == (2, 3, 32, 32)


def test_image_folder_deviation_is_that_of_all_pixels(folder: Path, tmp_path: Path) -> None:
    array = noise(8, 8, 3)
    write_image(folder / "train/dog/white.png", array)
    splits = load("image_folder", tmp_path, path="own", image_size=8)
    pixels_NC = np.concatenate([np.zeros((64, 3)), array.reshape(64, 3)]) / 255
    assert splits.mean == pytest.approx(pixels_NC.mean(0))
    assert splits.std == pytest.approx(pixels_NC.std(0))


def test_constant_channel_does_not_divide_by_zero(folder: Path, tmp_path: Path) -> None:
    write_image(folder / "train/dog/white.png", np.zeros((8, 8, 3), np.uint8))
    assert load("image_folder", tmp_path, path="own").std == (1 / 255,) * 3


def test_relative_path_is_below_the_data_folder(folder: Path, tmp_path: Path) -> None:
    relative = load("image_folder", tmp_path, path="own")
    absolute = load("image_folder", tmp_path / "elsewhere", path=str(folder))
    assert relative.fingerprint == absolute.fingerprint


def test_image_of_the_right_size_is_not_changed(folder: Path, tmp_path: Path) -> None:
    array = noise(8, 8, 3)
    write_image(folder / "test/cat/black.png", array)
    splits = load("image_folder", tmp_path, path="own", image_size=8)
    assert splits.test.images_NCHW[0].tolist() == array.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize("shape", [(8, 20, 3), (20, 8, 3)])
def test_square_in_the_middle_is_taken(
    shape: tuple[int, ...], folder: Path, tmp_path: Path
) -> None:
    array = noise(*shape)
    write_image(folder / "test/cat/black.png", array)
    middle = array[:, 6:14] if shape[1] == 20 else array[6:14]
    splits = load("image_folder", tmp_path, path="own", image_size=8)
    assert splits.test.images_NCHW[0].tolist() == middle.transpose(2, 0, 1).tolist()


def test_many_images_keep_their_order(folder: Path, tmp_path: Path) -> None:
    values = [*range(256), *range(0, 256, 4)]  # more than a thread decodes at a time
    for number, value in enumerate(values):
        array = np.full((4, 4, 3), value, np.uint8)
        write_image(folder / f"test/dog/{number:03}.png", array)
    test = load("image_folder", tmp_path, path="own", image_size=4).test
    assert test.images_NCHW[1:, 0, 0, 0].tolist() == values


@pytest.mark.parametrize("ending", ["bmp", "tiff", "ppm", "webp", "png", "jpg"])
def test_common_formats_are_read(ending: str, folder: Path, tmp_path: Path) -> None:
    write_image(folder / f"test/dog/white.{ending}", np.full((8, 8, 3), 255, np.uint8))
    test = load("image_folder", tmp_path, path="own").test
    assert test.labels_N.tolist() == [0, 1]
    assert (test.images_NCHW[1] == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_every_kind_of_png_becomes_rgb(mode: str, folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "white").convert(mode).save(folder / "test/cat/black.png")
    image_CHW = load("image_folder", tmp_path, path="own").test.images_NCHW[0]
    assert image_CHW.shape == (3, 32, 32) and (image_CHW == 255).all()


def test_image_folder_says_how_to_augment(folder: Path, tmp_path: Path) -> None:
    assert load("image_folder", tmp_path, path="own").flip
    splits = load("image_folder", tmp_path, path="own", flip=False, padding=0, image_size=64)
    assert (splits.flip, splits.padding, splits.image_size) == (False, 0, 64)


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp"])
def test_truncated_image_of_a_folder_is_named(ending: str, folder: Path, tmp_path: Path) -> None:
    path = folder / f"train/cat/broken.{ending}"
    write_image(path, noise(32, 32, 3))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=f"image_folder: {path} is damaged"):
        load("image_folder", tmp_path, path="own")


def test_class_without_training_images_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "train/emu").mkdir()
    with pytest.raises(DatasetError, match="image_folder: no training image of emu"):
        load("image_folder", tmp_path, path="own")


def test_test_class_without_training_folder_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "test/emu").mkdir()
    with pytest.raises(DatasetError, match=f"{folder}/test/emu: no such class in train"):
        load("image_folder", tmp_path, path="own")


@pytest.mark.parametrize("part", ["train", "test"])
def test_missing_part_of_a_folder_is_named(part: str, folder: Path, tmp_path: Path) -> None:
    (folder / part).rename(folder / "elsewhere")
    with pytest.raises(DatasetError, match=f"{folder / part}: must hold a folder of images"):
        load("image_folder", tmp_path, path="own")


def test_hidden_folders_are_no_classes(folder: Path, tmp_path: Path) -> None:
    (folder / "train/.ipynb_checkpoints").mkdir()
    assert load("image_folder", tmp_path, path="own").classes == ("cat", "dog")


def test_image_folder_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match="path"):
        load("image_folder", tmp_path)

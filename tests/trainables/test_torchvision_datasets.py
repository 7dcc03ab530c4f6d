"""torchvision's data sets by one adapter, on small files in their real layouts."""

import typing
from pathlib import Path

import numpy as np
import pydantic
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets as torchvision_datasets
from torchvision.datasets import stl10, utils

from lamix_study.testing import DatasetContract
from trainables import datasets
from trainables.datasets import DatasetError
from trainables.datasets.torchvision import SOURCES, TorchvisionName
from trainables.settings import parse_settings

LAND = ("AnnualCrop", "Forest", "River")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_eurosat(root: Path) -> None:
    for number, name in enumerate(LAND):
        folder = root / "eurosat" / "2750" / name
        folder.mkdir(parents=True)
        for index in range(10):
            pixels = noise(64, 64, 3, seed=10 * number + index)
            Image.fromarray(pixels).save(folder / f"{name}_{index + 1}.jpg")


def write_stl10(root: Path) -> dict[str, np.ndarray]:
    folder = root / "stl10_binary"
    folder.mkdir()
    arrays = {}
    (folder / "unlabeled_X.bin").touch()  # torchvision asks for it, whatever is read
    for part, count in (("train", 20), ("test", 10)):
        arrays[part] = noise(count, 3, 96, 96, seed=count)
        arrays[part].tofile(folder / f"{part}_X.bin")  # column-major images, as the authors' are
        (np.arange(count, dtype=np.uint8) % 10 + 1).tofile(folder / f"{part}_y.bin")
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    (folder / "class_names.txt").write_text("\n".join(names) + "\n")
    return arrays


def write_flowers(root: Path) -> None:
    folder = root / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    for number in range(1, 613):
        pixels = np.full((9, 6 + number % 3, 3), number % 256, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "jpg" / f"image_{number:05d}.jpg")
    labels = np.arange(612) % 102 + 1
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": labels[None]})
    numbers = np.arange(1, 613)
    sets = {"trnid": numbers[:204], "valid": numbers[204:408], "tstid": numbers[408:]}
    scipy.io.savemat(folder / "setid.mat", {key: value[None] for key, value in sets.items()})


@pytest.fixture
def unsigned(monkeypatch):
    """Our files have other checksums than the authors'."""
    for module in (stl10, torchvision_datasets.flowers102):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())


def read(root, dataset, **options):
    chosen = {"name": "torchvision", "dataset": dataset, "validation": 0.0, **options}
    return parse_settings(datasets.AnySettings, chosen).read(root)


class TestContract(DatasetContract):
    settings = [{"name": "torchvision", "dataset": "EuroSAT", "image_size": 16}]

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_eurosat(tmp_path)
        return tmp_path


def test_a_data_set_without_a_split_is_split_by_the_data_alone(tmp_path):
    write_eurosat(tmp_path)
    found = read(tmp_path, "EuroSAT", test_share=0.3)
    assert found.classes == LAND and found.num_classes == 3
    assert found.test.labels_N.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert found.train.images_NCHW.shape == (21, 3, 64, 64)
    again = read(tmp_path, "EuroSAT", test_share=0.3)
    assert found.test.images_NCHW.equal(again.test.images_NCHW)


def test_images_of_their_own_size_are_those_of_the_files(tmp_path, unsigned):
    arrays = write_stl10(tmp_path)
    found = read(tmp_path, "STL10", image_size=96)
    for part in ("train", "test"):
        written_NCHW = np.transpose(arrays[part], (0, 1, 3, 2))
        assert (getattr(found, part).images_NCHW.numpy() == written_NCHW).all()
    assert found.test.labels_N.tolist() == list(range(10))
    assert found.classes[:2] == ("airplane", "bird")


def test_the_validation_split_of_the_authors_is_trained_on(tmp_path, unsigned):
    write_flowers(tmp_path)
    found = read(tmp_path, "Flowers102", image_size=8)
    assert (len(found.train), len(found.test), found.num_classes) == (408, 204, 102)
    assert found.train.images_NCHW.shape[1:] == (3, 8, 8)


def test_what_is_missing_is_downloaded_by_torchvision_whole_or_not_at_all(tmp_path, monkeypatch):
    asked = []

    def extract(url, download_root, md5=None, **options):
        asked.append((url.rpartition("/")[2], md5))
        write_eurosat(Path(download_root).parent)

    monkeypatch.setattr(torchvision_datasets.eurosat, "download_and_extract_archive", extract)
    assert len(read(tmp_path, "EuroSAT").train) == 24
    assert asked == [("EuroSAT.zip", "c8fa014336c82ac7804f0398fcb19387")]
    read(tmp_path, "EuroSAT")
    assert len(asked) == 1 and not list(tmp_path.glob(".eurosat.part"))


def test_a_download_that_fails_says_what_to_put_where(tmp_path, monkeypatch):
    def refuse(url, *args, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(utils, "_urlretrieve", refuse)
    with pytest.raises(DatasetError) as error:
        read(tmp_path, "EuroSAT")
    said = str(error.value)
    assert f"eurosat is not in {tmp_path}, and the download failed" in said
    assert "https://docs.pytorch.org/vision" in said and not (tmp_path / "eurosat").exists()


def test_a_folder_that_holds_something_else_is_named(tmp_path):
    (tmp_path / "eurosat").mkdir()
    with pytest.raises(DatasetError, match=r"eurosat does not hold EuroSAT as torchvision puts it"):
        read(tmp_path, "EuroSAT")


def test_every_data_set_of_the_list_is_one_of_torchvisions():
    assert set(typing.get_args(TorchvisionName)) == set(SOURCES)
    for name in SOURCES:
        assert hasattr(torchvision_datasets, name)
    with pytest.raises(pydantic.ValidationError, match="'EuroSAT'"):
        parse_settings(datasets.AnySettings, {"name": "torchvision", "dataset": "EuroSat"})

"""Folders of images as people have them: odd files, hidden names, links, other layouts."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from trainables import datasets
from trainables.datasets import DatasetError, Splits, _folders
from trainables.settings import parse_settings

GENERATOR = np.random.default_rng(0)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path / "cache"))


def noise(height: int = 8, width: int = 8) -> np.ndarray:
    return GENERATOR.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Write three images for training and two for testing, of two classes."""
    for part, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "own" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(noise()).save(folder / f"{number}.png")
    return tmp_path / "own"


def settings(path: Path, size: int = 8) -> Any:
    content = {"name": "image_folder", "path": str(path), "image_size": size, "validation": 0.0}
    return parse_settings(datasets.AnySettings, content)


def read(path: Path, size: int = 8) -> Splits:
    return datasets.read(settings(path, size), Path("/"))


def first_cat(own: Path, size: int = 8) -> np.ndarray:
    """Return the first training image of the first class, HWC."""
    return read(own, size).train.images_NCHW[0].permute(1, 2, 0).numpy()


def refusal(own: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        read(own)
    return str(caught.value)


# How an image is read


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_an_image_is_upright_by_its_exif_orientation(
    orientation: int, ending: str, own: Path
) -> None:
    """Four plain quarters, so that even a lossy file tells them apart."""
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8, :8], upright[:8, 8:], upright[8:, :8] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    # How a camera stores what is seen upright, written out from the standard's own table.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = own / f"train/cat/#.{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=100)
    found = first_cat(own, 16).astype(int)
    assert np.abs(found[2:6, 2:6] - (255, 0, 0)).max() < 60
    assert np.abs(found[2:6, 10:14] - (0, 255, 0)).max() < 60
    assert np.abs(found[10:14, 2:6] - (0, 0, 255)).max() < 60


def test_broken_exif_data_is_no_reason_to_refuse_an_image(own: Path) -> None:
    Image.fromarray(noise()).save(own / "train/cat/#.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert len(read(own).train) == 7


def transparent(mode: str) -> Image.Image:
    """Return an image whose left half is transparent, over a colour, and whose right half is 40."""
    grey = np.full((8, 8), 40, np.uint8)
    grey[:, :4] = 200
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:, :4] = 0
    if mode == "P":
        image = Image.fromarray((grey == 40).astype(np.uint8), "P")
        image.putpalette([200, 0, 200, 40, 40, 40] + [0] * 762)
        image.info["transparency"] = 0
        return image
    if mode in ("L", "RGB"):
        image = Image.fromarray(grey).convert(mode)
        image.info["transparency"] = 200 if mode == "L" else (200, 200, 200)
        return image
    layers = [Image.fromarray(grey)] * (len(mode) - 1) + [Image.fromarray(alpha)]
    return Image.merge(mode, layers)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_what_is_transparent_is_white_and_not_what_lies_under_it(mode: str, own: Path) -> None:
    image = transparent(mode)
    image.save(own / "train/cat/#.png", transparency=image.info.get("transparency"))
    found = first_cat(own)
    assert (found[:, :4] == 255).all() and (found[:, 4:] == 40).all()


def test_half_transparent_pixels_are_mixed_with_white(own: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 102)).save(own / "train/cat/#.png")
    assert (first_cat(own) == 153).all()  # 255 * (1 - 102 / 255)


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_of_grey_of_16_bits_the_upper_8_are_read(ending: str, own: Path) -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024 + 77
    Image.fromarray(values).save(own / f"train/cat/#.{ending}")
    assert (first_cat(own) == (values >> 8)[..., None]).all()


def test_a_transparent_value_of_16_bits_is_white(own: Path) -> None:
    values = np.full((8, 8), 0x2233, np.uint16)
    values[:, :4] = 0x9000
    Image.fromarray(values).save(own / "train/cat/#.png", transparency=0x9000)
    found = first_cat(own)
    assert (found[:, :4] == 255).all() and (found[:, 4:] == 0x22).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_of_32_bits_are_refused_in_true_words(kind: type, own: Path) -> None:
    path = own / "train/cat/#.tiff"
    Image.fromarray(np.ones((8, 8), kind)).save(path)
    said = refusal(own)
    assert f"{path}: its pixels are numbers of 32 bits" in said
    assert "damaged" not in said and "delete" not in said


def test_print_colours_become_rgb(own: Path) -> None:
    Image.new("RGB", (8, 8), (200, 30, 30)).convert("CMYK").save(own / "train/cat/#.jpg")
    assert np.abs(first_cat(own).astype(int) - (200, 30, 30)).max() < 6


def test_an_image_of_more_pixels_than_are_decoded_is_not_called_damaged(own: Path) -> None:
    path = own / "train/cat/#.png"
    Image.new("1", (14_000, 14_000)).save(path)
    said = refusal(own)
    assert f"{path} has more than 178,956,970 pixels" in said and "save it smaller" in said
    assert "damaged" not in said


@pytest.mark.filterwarnings("error")
def test_a_large_image_is_read_without_a_warning(own: Path) -> None:
    Image.new("1", (10_000, 10_000), 1).save(own / "train/cat/#.png")
    assert (first_cat(own) == 255).all()


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_an_image_of_a_single_row_or_column_is_read(shape: tuple[int, int], own: Path) -> None:
    Image.fromarray(noise(*shape)).save(own / "train/cat/#.png")
    assert len(read(own).train) == 7


def test_of_an_animation_the_first_frame_is_read(own: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(own / "train/cat/#.gif", save_all=True, append_images=frames[1:])
    assert (first_cat(own) == (255, 0, 0)).all()


# Which files are images


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.GIF", "GIF"),
        ("a.jfif", "JPEG"),
        ("a.JPE", "JPEG"),
        ("a.Tif", "TIFF"),
        ("a.avif", "AVIF"),
        ("a.WEBP", "WEBP"),
        ("a.jp2", "JPEG2000"),
        ("a.ico", "ICO"),
        ("a.tga", "TGA"),
        ("no ending", "JPEG"),
        ("photo.jpg_large", "PNG"),
        ("two.dots.x", "GIF"),
        ("wrong.png", "JPEG"),
    ],
)
def test_whatever_pillow_reads_is_read_whatever_its_ending(name: str, kind: str, own: Path) -> None:
    Image.fromarray(noise(16, 16)).save(own / "train/cat" / name, format=kind)
    splits = read(own)
    assert len(splits.train) == 7 and splits.notes == ()


def test_a_class_of_gifs_alone_is_read(own: Path) -> None:
    for path in [*(own / "train/dog").iterdir()]:
        Image.open(path).save(path.with_suffix(".gif"))
        path.unlink()
    assert len(read(own).train) == 6


def test_files_that_are_no_images_are_told_by_ending(own: Path) -> None:
    for name in ("labels.txt", "more.TXT", "table.csv", "LICENSE"):
        (own / "train/cat" / name).write_text("words")
    (own / "test/readme.md").write_text("words")
    assert read(own).notes == (
        f"image_folder: {own}/train: passed over .txt (2), .csv (1), without an ending (1).",
        f"image_folder: {own}/test: passed over beside the folders of classes (1).",
    )


def test_images_that_cannot_be_read_here_are_not_passed_over(own: Path) -> None:
    for number in range(2):
        (own / f"train/cat/{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    assert f"{own}/train/cat: images of .heic (2) cannot be decoded here" in refusal(own)


def test_a_class_that_holds_no_image_says_what_it_holds(own: Path) -> None:
    (own / "train/emu").mkdir()
    (own / "train/emu/a.npy").write_bytes(b"\x93NUMPY")
    assert f"no training image of emu: {own}/train/emu holds .npy (1)" in refusal(own)


@pytest.mark.parametrize(
    "name",
    [
        "train/cat/._0.png",
        "train/cat/.DS_Store",
        "train/.DS_Store",
        "train/cat/.ipynb_checkpoints/0.png",
        "train/.ipynb_checkpoints/0.png",
        "train/cat/deep/.hidden/0.png",
        "train/cat/deep/__MACOSX/0.png",
        "train/__MACOSX/._0.png",
        "test/__MACOSX/._0.png",
        "train/cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
        "train/cat/Thumbs.db",
        "test/dog/desktop.ini",
    ],
)
def test_hidden_names_and_those_of_systems_are_passed_over(name: str, own: Path) -> None:
    before = read(own)
    (own / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise()).save(own / name, format="PNG")
    after = read(own)
    assert after.fingerprint == before.fingerprint
    assert after.classes == ("cat", "dog") and after.notes == ()


def test_hidden_names_are_no_change_of_a_data_set(own: Path) -> None:
    datasets.load(settings(own), Path("/"))
    (own / "train/cat/.DS_Store").write_bytes(b"Bud1")
    entries = list((own.parent / "cache").rglob("*.pt"))
    datasets.load.cache_clear()
    datasets.load(settings(own), Path("/"))
    assert list((own.parent / "cache").rglob("*.pt")) == entries


def test_images_in_folders_of_a_class_are_in_the_class(own: Path) -> None:
    (own / "train/cat/more/deep").mkdir(parents=True)
    shutil.move(own / "train/cat/1.png", own / "train/cat/more/deep/1.png")
    assert read(own).train.labels_N.tolist() == [0, 0, 0, 1, 1, 1]


# Links and what is no file


def test_a_link_loop_ends_and_each_file_is_read_once(own: Path) -> None:
    before = read(own)
    for name in ("loop", "again"):  # two double the paths at each level
        (own / "train/cat" / name).symlink_to(".")
    (own / "train/dog/up").symlink_to("../..")
    (own / "train/cat/all").symlink_to(own.parent)
    after = read(own)
    assert after.fingerprint == before.fingerprint


def test_a_link_to_a_file_of_the_class_is_the_same_file(own: Path) -> None:
    (own / "train/cat/9.png").symlink_to("0.png")
    splits = read(own)
    assert len(splits.train) == 6
    assert splits.notes[0].endswith("passed over link to a file that is there already (1).")


def test_files_and_classes_may_be_links(own: Path) -> None:
    before = read(own)
    (own / "train/cat").rename(own.parent / "cats elsewhere")
    (own / "train/cat").symlink_to(own.parent / "cats elsewhere")
    (own / "test/dog/0.png").rename(own.parent / "a dog.png")
    (own / "test/dog/0.png").symlink_to(own.parent / "a dog.png")
    assert read(own).fingerprint == before.fingerprint


def test_a_file_that_links_bring_into_train_and_test_is_told(own: Path) -> None:
    (own / "test/dog/9.png").symlink_to("../../train/dog/0.png")
    (note,) = read(own).notes
    assert "links bring 1 file into two classes, or into train and test" in note


@pytest.mark.parametrize("target", ["/nonexistent/x.png", "x.png"])
def test_a_link_that_leads_nowhere_is_named(target: str, own: Path) -> None:
    (own / "train/cat/x.png").symlink_to(target)
    assert f"{own}/train/cat/x.png is a link to {target}, which is not there" in refusal(own)


@pytest.mark.timeout(20)
def test_pipes_and_sockets_are_never_opened(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(own / "train/cat/pipe.png")
    os.mkfifo(own / "train/cat/pipe")
    monkeypatch.chdir(own / "test/dog")  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.png")
        splits = datasets.load(settings(own), Path("/"))
    assert len(splits.train) == 6 and len(splits.test) == 4
    assert "passed over pipe, socket or device (2)" in splits.notes[0]
    assert "passed over pipe, socket or device (1)" in splits.notes[1]


# Layouts


def test_one_class_folder_of_images_is_refused(own: Path) -> None:
    for part in ("train", "test"):
        shutil.rmtree(own / part / "dog")
    assert f"{own}/train/cat: is the only class" in refusal(own)


def test_the_extra_level_of_an_archive_is_named(own: Path) -> None:
    for part in ("train", "test"):
        (own / part).rename(own / "moved")
        (own / part).mkdir()
        (own / "moved").rename(own / part / "images")
    said = refusal(own)
    assert f"{own}/train/images: is the only class, and holds folders itself (cat, dog" in said
    assert f"Move its folders into {own}/train" in said


def test_a_folder_around_the_data_set_is_named(own: Path) -> None:
    said = refusal(own.parent)
    assert f"{own} has it: set dataset.path to that folder" in said


def test_the_folder_above_is_named_where_the_path_is_that_of_train(own: Path) -> None:
    assert f"set dataset.path to the folder above, {own}" in refusal(own / "train")


@pytest.mark.parametrize("name", ["val", "Valid", "Test", "validation", "testing"])
def test_a_test_folder_under_another_name_is_named(name: str, own: Path) -> None:
    (own / "test").rename(own / name)
    assert f"`{name}` is there: rename it to `test`, or link it" in refusal(own)


def test_a_folder_that_is_not_there_is_named(own: Path) -> None:
    assert f"there is no folder {own}/none" in refusal(own / "none")


def test_images_outside_any_class_are_named(own: Path) -> None:
    for path in [*(own / "test").iterdir()]:
        for number, image in enumerate([*path.iterdir()]):
            image.rename(own / "test" / f"{path.name}{number}.png")
        path.rmdir()
    assert "but it has files, 4, that lie in none" in refusal(own)


def test_a_class_without_test_images_is_told(own: Path) -> None:
    shutil.rmtree(own / "test/dog")
    (note,) = read(own).notes
    assert f"{own}/test: no image of dog, so test errors say nothing of it" in note


def test_a_test_class_of_another_name_is_named_with_the_nearest(own: Path) -> None:
    (own / "test/dog").rename(own / "test/dogs")
    said = refusal(own)
    assert f"{own}/test/dogs: no such class in train; did you mean `dog`?" in said


def test_a_validation_share_that_empties_a_class_names_the_class(own: Path) -> None:
    for number in (1, 2):
        (own / f"train/dog/{number}.png").unlink()
    content = {"name": "image_folder", "path": str(own), "image_size": 8, "validation": 0.2}
    with pytest.raises(DatasetError, match="no training image of class dog, which has 1"):
        datasets.read(parse_settings(datasets.AnySettings, content), Path("/"))


# Damage and permissions


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "tif", "bmp", "ppm", "tga"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_an_image_cut_short_is_called_damaged(ending: str, share: float, own: Path) -> None:
    path = own / f"train/cat/#.{ending}"
    Image.fromarray(noise(64, 64)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert f"image_folder: {path} is damaged: " in refusal(own)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>404</html>", b"\0\0\0\x18ftypheicmif1", b"word " * 99]
)
def test_what_is_no_image_under_an_images_name_is_told_so(content: bytes, own: Path) -> None:
    (own / "train/cat/#.jpg").write_bytes(content)
    said = refusal(own)
    assert "#.jpg is no image that can be read here" in said and repr(content[:12]) in said


def test_a_whole_image_that_pillow_does_not_read_is_not_called_damaged(own: Path) -> None:
    path = own / "train/cat/#.tiff"
    Image.fromarray(noise(64, 64)).save(path)
    content = path.read_bytes()
    # The tag of how pixels are meant (0x106): a value that no reader knows.
    tag = content.index((0x106).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    path.write_bytes(content[: tag + 8] + b"\x63" + content[tag + 9 :])
    said = refusal(own)
    assert "is damaged" not in said and "delete" not in said
    assert "of a kind that Pillow does not read, or not whole; save it anew" in said


def as_nobody(folder: Path, work: Callable[[], None]) -> str:
    """Return what a read of a data set says for a user who owns nothing."""
    work()
    code = f"""
from pathlib import Path
from trainables import datasets
from trainables.settings import parse_settings
content = {{"name": "image_folder", "path": {str(folder)!r}, "image_size": 8}}
try:
    print(len(datasets.load(parse_settings(datasets.AnySettings, content), Path("/")).train))
except datasets.DatasetError as error:
    print(error)
"""
    user = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            **user,  # type: ignore[call-overload]  # keywords of one type each
        )
    except PermissionError:
        pytest.skip("this Python is its owner's alone, as one below /root is")
    return str(done.stdout)


@pytest.fixture
def open_folder(own: Path) -> Iterator[Path]:
    """Copy the data set to where all users come; each start of pytest closes its own folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copytree(own, Path(folder) / "own"))


@pytest.mark.parametrize("name", ["train/cat/0.png", "train/cat", "test"])
def test_what_may_not_be_read_is_named_with_the_remedy(name: str, open_folder: Path) -> None:
    path = open_folder / name
    said = as_nobody(open_folder, lambda: path.chmod(0))
    path.chmod(0o755)
    assert f"{path}" in said and "Permission denied; make it readable (chmod u+r" in said


def test_without_a_home_that_can_be_written_data_is_read_all_the_same(open_folder: Path) -> None:
    assert as_nobody(open_folder, lambda: None).strip() == "4"


# Names


ODD = ["a b", "ä'\"&<x>", "[red]", "100%", "#?", "-rf", "{x}", "日本", "$HOME", "a\nb", "\x1b[31m"]


@pytest.mark.parametrize("name", ODD)
def test_folders_and_classes_may_have_any_name(
    name: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = read(own).fingerprint
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(own.parent / f"cache {name}"))
    for part in ("train", "test"):
        (own / part / "dog").rename(own / part / f"dog {name}")
    moved = own.rename(own.parent / f"own {name}")
    for _ in range(2):  # read, then mapped
        datasets.load.cache_clear()
        splits = datasets.load(settings(moved), Path("/"))
        assert splits.fingerprint == fingerprint
        assert splits.classes[1].isprintable()
    assert len(list((own.parent / f"cache {name}").rglob("*.pt"))) == 1


def test_names_that_are_not_utf8_are_read_and_shown(own: Path) -> None:
    for part in ("train", "test"):
        os.rename(own / part / "dog", os.fsencode(own / part) + b"/dog\xe4\xff")
    os.rename(own / "train/cat/0.png", os.fsencode(own / "train/cat") + b"/\xe4\xff.png")
    splits = datasets.load(settings(own), Path("/"))
    assert splits.classes == ("cat", "dog\\xe4\\xff") and len(splits.train) == 6
    with open(os.fsencode(own / "train/cat") + b"/\xe4.png", "wb"):
        pass
    assert "/\\xe4.png is damaged: it is empty" in refusal(own).encode("ascii").decode()


# Cost


def test_a_thousand_classes_are_listed_within_seconds(own: Path) -> None:
    for number in range(1000):
        (own / f"train/c{number}").mkdir()
        os.link(own / "train/cat/0.png", own / f"train/c{number}/0.png")
    started = time.monotonic()
    for name in _folders.folder_names(own / "train"):
        assert len(_folders.find_images(own / "train" / name).paths) >= 1
    assert time.monotonic() - started < 10

"""Checkpoints and diagnostics on disks that flip bits, hold other files, or are full."""

import io
import os
import random
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables import datasets
from trainables.assignment import TrialAssignment
from trainables.checkpoints import MARK, SUM_BYTES, CheckpointError, open_checkpoints
from trainables.code_digest import CodeChangedError, trial_code
from trainables.configuration import as_dict, parse_configuration
from trainables.metrics import COSTS
from trainables.storage import open_storage
from trainables.trainable import TrialTrainable
from trainables.training import Trainer

CHOSEN: dict[str, Any] = {
    "dataset": {"name": "digits", "validation": 0.1, "train_images": 150, "test_images": 50},
    "network": {"name": "lenet"},
    "regularizer": {"name": "lamix"},
    "training": {"epochs": 3, "batch_size": 32, "milestones": []},
    "diagnostics": {"soft_targets": True},
}


@pytest.fixture(autouse=True)
def _modes_of_the_process() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def undisturbed() -> list[dict[str, Any]]:
    trainer = Trainer(CHOSEN)
    while not trainer.finished:
        trainer.train_epoch()
    return measured([vars(epoch) for epoch in trainer.history])


def measured(epochs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in epoch.items() if k not in COSTS} for epoch in epochs]


def present_code() -> str:
    return trial_code(parse_configuration(CHOSEN)).digest


def actor_in(folder: Path, *, code: str = "", proved: tuple[str, ...] = ()) -> TrialTrainable:
    return TrialTrainable(
        TrialAssignment(
            name="a trial",
            study="a study",
            point="",
            configuration=as_dict(parse_configuration(CHOSEN)),
            seed=0,
            key="key",
            data=str(folder),
            checkpoints=str(folder / "checkpoints"),
            checkpoint_seconds=300.0,
            rungs=[],
            cpus=1.0,
            gpus=0.0,
            avoid=[],
            timeout_seconds=0.0,
            versions={},
            fingerprint=datasets.load(parse_configuration(CHOSEN).dataset, folder).fingerprint,
            own_modules=[],
            code=code or present_code(),
            proved=list(proved),
        )
    )


def to_the_end(actor: TrialTrainable) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Return the metrics of all epochs, the last result and all notices."""
    epochs: list[dict[str, Any]] = []
    notices = []
    while True:
        result = actor.step()
        epochs += result["epochs"]
        notices.append(result["notice"])
        if result["finished"]:
            return measured(epochs), result, " ".join(notices)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Save a trial after its first epoch; return the file."""
    actor = actor_in(tmp_path)
    actor.trainer.train_epoch()
    actor._save()
    return tmp_path / "checkpoints/key.pt"


def without_checksum(content: bytes) -> bytes:
    """Return a checkpoint as earlier versions have written it."""
    assert content[-SUM_BYTES - len(MARK) :].startswith(MARK)
    return content[: -SUM_BYTES - len(MARK)]


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def test_a_whole_checkpoint_is_gone_on_from_without_a_word(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    actor = actor_in(tmp_path)
    assert actor.trainer.epoch == 1
    epochs, _, notices = to_the_end(actor)
    assert epochs == undisturbed and notices.strip() == ""


@pytest.mark.parametrize(("code", "named"), [("old", "old"), (None, "not recorded")])
def test_a_checkpoint_of_other_code_is_gone_on_from_only_if_the_code_is_proven_equal(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]], code: str | None, named: str
) -> None:
    store = open_checkpoints(str(saved.parent))
    state = store.load("key")
    assert state is not None and state.pop("code") == present_code()
    store.save("key", state if code is None else {**state, "code": code})
    assert actor_in(tmp_path, proved=(named,)).trainer.epoch == 1
    actor = actor_in(tmp_path, proved=("another",))
    assert actor.trainer.epoch == 0
    epochs, _, notices = to_the_end(actor)
    assert epochs == undisturbed
    assert f"is of other code (digest {named}, now {present_code()})" in notices


def test_code_that_was_edited_since_the_launch_began_trains_nothing(tmp_path: Path) -> None:
    with pytest.raises(CodeChangedError, match="digest planned, now [0-9a-f]{16}"):
        actor_in(tmp_path, code="planned")


def test_torch_reads_a_checkpoint_as_it_is(saved: Path) -> None:
    assert torch.load(saved, weights_only=True)["seed"] == 0


def test_no_flipped_bit_is_loaded(tmp_path: Path) -> None:
    store = open_checkpoints(str(tmp_path))
    state = {"weights": torch.arange(40.0), "history": [{"epoch": 1}]}
    store.save("key", state)
    file = tmp_path / "key.pt"
    whole = file.read_bytes()
    bits = random.Random(0).sample(range(8 * len(whole)), 600)
    for bit in [*bits, *range(8 * (len(whole) - SUM_BYTES - len(MARK)), 8 * len(whole))]:
        file.write_bytes(whole)
        flip(file, bit)
        try:
            found = store.load("key")
        except CheckpointError as error:
            assert str(file) in str(error)
        else:  # a bit of the mark, which stands for itself alone
            assert found is not None
            assert found["weights"].equal(state["weights"]) and found["history"] == [{"epoch": 1}]
            assert bit // 8 >= len(whole) - SUM_BYTES - len(MARK)


def weights_bit(file: Path) -> int:
    """Return a bit of the networks' weights, which `torch.load` takes as it finds it."""
    with zipfile.ZipFile(file) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    return 8 * (largest.header_offset + 2000) + 3


def test_a_trial_with_a_flipped_bit_starts_anew_and_says_so(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    flip(saved, weights_bit(saved))
    assert torch.load(saved, weights_only=True)  # which torch itself does not notice
    actor = actor_in(tmp_path)
    assert actor.trainer.epoch == 0
    epochs, _, notices = to_the_end(actor)
    assert epochs == undisturbed
    assert f"a trial starts anew: {saved} is damaged (ValueError: its checksum is wrong)" in notices


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    saved.write_bytes(without_checksum(saved.read_bytes()))
    actor = actor_in(tmp_path)
    assert actor.trainer.epoch == 1
    epochs, _, notices = to_the_end(actor)
    assert epochs == undisturbed and notices.strip() == ""


def test_a_flipped_bit_in_a_checkpoint_of_an_earlier_version_is_noticed(
    saved: Path, tmp_path: Path
) -> None:
    saved.write_bytes(without_checksum(saved.read_bytes()))
    flip(saved, weights_bit(saved))
    with pytest.raises(CheckpointError, match="is wrong"):
        open_checkpoints(str(tmp_path / "checkpoints")).load("key")


def torch_file(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"words",
        torch_file(torch.ones(3)),
        torch_file([1, 2]),
        torch_file({}),
        torch_file({"weights": torch.ones(3)}),
        torch_file({"configuration": as_dict(parse_configuration(CHOSEN)), "seed": 0}),
    ],
)
def test_a_file_that_is_no_checkpoint_is_told_and_the_trial_starts_anew(
    content: bytes, saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    saved.write_bytes(content)
    epochs, _, notices = to_the_end(actor_in(tmp_path))
    assert epochs == undisturbed
    assert "a trial starts anew: " in notices


def test_a_checkpoint_half_of_which_fits_leaves_nothing_of_itself(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    """Its weights are loaded before what is missing shows."""
    store = open_checkpoints(str(saved.parent))
    state = store.load("key")
    assert state is not None
    del state["history"]
    store.save("key", state)
    epochs, _, notices = to_the_end(actor_in(tmp_path))
    assert epochs == undisturbed
    assert "its checkpoint is none of this trial (KeyError: 'history')" in notices


def test_the_checkpoint_of_another_trial_is_not_gone_on_from(
    saved: Path, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    other = Trainer(CHOSEN, seed=5)
    other.train_epoch()
    state = {**other.state_dict(), "code": present_code()}
    open_checkpoints(str(saved.parent)).save("key", state)
    epochs, _, notices = to_the_end(actor_in(tmp_path))
    assert epochs == undisturbed and "seed must be the trial's" in notices


# Full disks


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 100 bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_a_trial_completes_without_its_diagnostics_and_says_so(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    actor = actor_in(tmp_path)
    with full_disk():
        epochs, last, notices = to_the_end(actor)
    assert epochs == undisturbed
    assert last["diagnostics"] == [] and last["missing"] == ["soft_targets.npz"]
    assert "Cannot keep the diagnostics of trials: File too large; the trials end" in notices
    assert "missing_diagnostics" in notices and str(tmp_path) not in notices
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_with_room_a_trial_leaves_its_diagnostics(tmp_path: Path) -> None:
    _, last, notices = to_the_end(actor_in(tmp_path))
    assert last["diagnostics"] == ["soft_targets.npz"] and last["missing"] == []
    assert notices.strip() == ""


# Loss of power


def test_content_and_name_of_a_file_are_on_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real calls, noted in their order."""
    folder = open_storage(str(tmp_path))
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        calls.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def noted_replace(source: str, target: str) -> None:
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    folder.write("name", b"content")
    part = f"{tmp_path}/name.{os.getpid()}.part"
    assert calls == [part, "replace", str(tmp_path)]
    assert folder.read("name") == b"content"


@pytest.mark.parametrize("name", ["a b", "ü", "a&b", "[x]", "100%", "%20", "#?", "日本", "a\nb"])
def test_a_folder_of_checkpoints_may_have_any_name(name: str, tmp_path: Path) -> None:
    store = open_checkpoints(str(tmp_path / name))
    store.save("key", {"value": 1})
    assert (tmp_path / name / "key.pt").is_file()
    assert open_checkpoints(str(tmp_path / name)).load("key") == {"value": 1}

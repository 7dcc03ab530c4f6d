"""The actor of a profiled launch: it trains as any other, and leaves where its time went."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.test_trainable import assigned, trial
from trainables import trainable
from trainables.code_digest import trial_code
from trainables.configuration import parse_configuration
from trainables.datasets import load_planned
from trainables.metrics import COSTS
from trainables.profiled_trial import ProfiledTrainable
from trainables.trainable import TrialTrainable
from trainables.trial_profiles import open_profiles

CHOSEN = trial({"name": "lamix"}, epochs=2)


@pytest.fixture(autouse=True)
def _modes_of_the_process() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def _preparation_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a preparation be long enough for a sampler to see it on every machine."""

    def load_slowly(*arguments: Any) -> Any:
        until = time.perf_counter() + 0.1
        while time.perf_counter() < until:
            pass
        return load_planned(*arguments)

    monkeypatch.setattr(trainable, "load_planned", load_slowly)


def epochs_of(actor: TrialTrainable) -> list[dict[str, Any]]:
    epochs: list[dict[str, Any]] = []
    while True:
        result = actor.step()
        epochs += [{k: v for k, v in e.items() if k not in COSTS} for e in result["epochs"]]
        if result["finished"]:
            return epochs


def actor_leaving(folder: Path, profiles: str, **changed: Any) -> ProfiledTrainable:
    assignment = {**assigned(CHOSEN, folder), **changed, "profiles": profiles}
    return ProfiledTrainable(assignment)


def functions_left(profiles: Path, key: str = "key-0") -> set[str]:
    session = open_profiles(str(profiles)).load(key)
    assert session is not None
    return {frame.partition("\x00")[0] for stack, _ in session.frame_records for frame in stack}


def test_a_profiled_trial_measures_the_same_and_leaves_its_profile(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    measured = epochs_of(actor_leaving(tmp_path, str(profiles)))
    assert measured == epochs_of(TrialTrainable(assigned(CHOSEN, tmp_path)))
    assert {"train_epoch", "_prepare"} <= functions_left(profiles)


def test_the_next_trial_of_the_process_leaves_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    actor = actor_leaving(tmp_path, str(profiles))
    epochs_of(actor)
    actor.reset_config({**assigned(CHOSEN, tmp_path, seed=1), "profiles": ""})
    epochs_of(actor)
    assert [file.name for file in profiles.iterdir()] == ["key-0.json.gz"]


def test_a_trial_that_is_saved_leaves_what_there_is(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    actor = actor_leaving(tmp_path, str(profiles))
    actor.save_checkpoint("")
    assert "_prepare" in functions_left(profiles)


def test_a_sampled_trial_saves_its_checkpoint(tmp_path: Path) -> None:
    actor = actor_leaving(tmp_path, str(tmp_path / "profiles"), rungs=[1])
    assert actor.step()["at_rung"]
    assert actor.notice == "" and actor.checkpoints.load("key-0") is not None


def test_a_trial_at_a_rung_leaves_what_there_is(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    actor = actor_leaving(tmp_path, str(profiles), rungs=[1])
    assert actor.step()["at_rung"]
    assert "train_epoch" in functions_left(profiles)


def test_a_trial_trains_where_its_profile_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("a file where the folder should be")
    actor = actor_leaving(tmp_path, str(tmp_path / "profiles"))
    assert len(epochs_of(actor)) == 2


def test_a_trial_trains_where_the_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trainables.sampling", None)
    actor = actor_leaving(tmp_path, str(tmp_path / "profiles"))
    assert len(epochs_of(actor)) == 2 and not (tmp_path / "profiles").exists()


def test_the_code_of_a_trial_does_not_hold_the_profiling() -> None:
    modules = trial_code(parse_configuration(CHOSEN)).modules
    assert "trainables.trainable" in modules
    assert not {"trainables.profiled_trial", "trainables.sampling"} & set(modules)

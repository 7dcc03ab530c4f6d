"""The flag --profile: where the time of a launch goes, as a file that speedscope opens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import torch
from pyinstrument.session import Session

import trainables.sampling as sampling
from study import launch
from study.launching.launch_profile import LaunchProfile, profile_launch
from study.launching.profile_file import ProfileFileError, check_target, merged_profiles
from study.launching.profile_summary import largest_parts
from study.trials import Trial
from tests.json_documents import checked
from tests.study.launching import SHORT_STUDY, Folder
from trainables.configuration import parse_configuration
from trainables.sampling import ThreadSampler, thinned_samples
from trainables.trial_profiles import open_profiles

KINDS = """
study: small
question: Where does the time go?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 60, test_images: 30}
  network: {name: lenet}
  training: {epochs: 1, batch_size: 20, learning_rate: 0.05, milestones: []}
search:
  sampler: grid
  seeds: 1
  space: {regularizer: [{name: lamix}, {name: vanilla}]}
"""
"""Two trials, each of a kind of its own."""


def checked_profiles(document: dict) -> dict[str, dict]:
    """Return the profiles of a document by name; it has what speedscope's schema asks for."""
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert isinstance(document["activeProfileIndex"], int)
    frames = document["shared"]["frames"]
    for frame in frames:
        assert isinstance(frame["name"], str)
        assert isinstance(frame.get("file", ""), str) and isinstance(frame.get("line", 0), int)
    for profile in document["profiles"]:
        assert (profile["type"], profile["unit"]) == ("evented", "seconds")
        at, opened = profile["startValue"], []
        for event in profile["events"]:
            assert event["at"] >= at and 0 <= event["frame"] < len(frames)
            at = event["at"]
            if event["type"] == "O":
                opened.append(event["frame"])
            else:
                assert event["type"] == "C" and opened.pop() == event["frame"]
        assert opened == [] and at <= profile["endValue"]
    return {profile["name"]: profile for profile in document["profiles"]}


def names_in(document: dict, name: str) -> set[str]:
    """Return the functions in a profile of a document."""
    (profile,) = [each for each in document["profiles"] if each["name"] == name]
    frames = document["shared"]["frames"]
    return {frames[event["frame"]]["name"] for event in profile["events"]}


def work_for(seconds: float) -> None:
    ended = time.perf_counter() + seconds
    while time.perf_counter() < ended:
        sum(range(100))


def work_before() -> None:
    work_for(0.1)


def work_meanwhile() -> None:
    work_for(0.1)


def work_afterwards() -> None:
    work_for(0.1)


SHIPPED = "/tmp/ray/session/runtime_resources/py_modules_files/_ray_pkg_1f/trainables/training.py"
"""Where Ray puts the project's modules on another node."""
WORK = {"work_before", "work_meanwhile", "work_afterwards"}


def functions_of(sampler: ThreadSampler) -> set[str]:
    stacks = [stack for stack, _ in sampler.session.frame_records]
    return {frame.partition("\x00")[0] for stack in stacks for frame in stack}


def trial_of(regularizer: dict, seed: int = 0) -> Trial:
    return Trial(
        key=f"key-{regularizer['name']}-{seed}",
        configuration_key="",
        number=0,
        point={"regularizer.name": regularizer["name"]},
        seed=seed,
        configuration=parse_configuration(
            {
                "dataset": {"name": "digits"},
                "network": {"name": "lenet"},
                "regularizer": regularizer,
                "training": {"epochs": 1, "batch_size": 20, "milestones": []},
            }
        ),
        data="",
    )


@pytest.fixture
def profile(tmp_path: Path):
    profile = LaunchProfile(tmp_path / "out.json", planning=False)
    profile.profiles = str(tmp_path / "profiles")
    profile.begin()
    yield profile
    profile.discard()


def saved(profile: LaunchProfile) -> tuple[dict, list[str]]:
    told: list[str] = []
    assert profile.save(told.append) == str(profile.file)
    return json.loads(profile.file.read_text()), told


def test_thinned_samples_have_the_same_seconds_in_all():
    samples = [(["a"], 0.3), (["b"], 0.1), (["c"], 0.7), (["d"], 0.05)]
    thinned = thinned_samples(samples, 0.4)
    assert [(stack, pytest.approx(seconds)) for stack, seconds in thinned] == [
        (["b"], 0.4),
        (["c"], 0.7),
        (["d"], 0.05),
    ]


def test_a_sampler_keeps_a_bounded_number_of_samples_and_all_of_the_time(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_SAMPLES", 20)
    monkeypatch.setattr(sampling, "STRETCH_SECONDS", 0.1)
    sampler = ThreadSampler()
    for _ in range(4):
        with sampler.stretch():
            work_for(0.12)
            sampler.thin()
    samples = sampler.session.frame_records
    assert len(samples) <= 20
    assert sum(seconds for _, seconds in samples) == pytest.approx(0.48, rel=0.2)


def test_time_between_stretches_is_not_sampled():
    sampler = ThreadSampler()
    for _ in range(2):
        with sampler.stretch():
            work_before()
        work_afterwards()
    assert functions_of(sampler) & WORK == {"work_before"}


def test_a_gap_in_a_stretch_is_not_sampled():
    sampler = ThreadSampler()
    with sampler.gap():  # no stretch is open
        work_meanwhile()
    with sampler.stretch():
        work_before()
        with sampler.gap():
            work_afterwards()
    assert functions_of(sampler) & WORK == {"work_before"}


def test_start_trials_and_end_are_parted_at_the_first_beginning_and_the_last_end(profile):
    work_before()
    profile.note_running(1)
    work_meanwhile()
    profile.note_running(0)
    work_afterwards()
    document, told = saved(profile)
    assert list(checked_profiles(document)) == ["start", "trials", "end"]
    assert names_in(document, "start") & WORK == {"work_before"}
    assert names_in(document, "trials") & WORK == {"work_meanwhile"}
    assert names_in(document, "end") & WORK == {"work_afterwards"}
    assert "https://www.speedscope.app" in told[0]
    # Nearly all, for the sampler itself may be seen once.
    assert sum(int(share) > 80 for line in told for share in re.findall(r"(\d+)%", line)) == 3


def test_what_lies_between_two_trials_is_no_end(profile):
    profile.note_running(1)
    profile.note_running(0)
    work_meanwhile()
    profile.note_running(1)
    profile.note_running(0)
    work_afterwards()
    document, _ = saved(profile)
    assert names_in(document, "trials") & WORK == {"work_meanwhile"}
    assert names_in(document, "end") & WORK == {"work_afterwards"}


def test_a_launch_that_breaks_off_amid_its_trials_has_no_end(profile):
    work_before()
    profile.note_running(2)
    work_meanwhile()
    document, _ = saved(profile)
    assert list(checked_profiles(document)) == ["start", "trials"]


def test_a_launch_without_trials_has_one_profile(profile):
    work_before()
    document, _ = saved(profile)
    assert list(checked_profiles(document)) == ["launch"]


def test_the_first_trial_of_each_kind_leaves_a_profile_also_when_it_is_tried_again(profile):
    first, dial = trial_of({"name": "lamix", "beta": 0.3}), trial_of({"name": "lamix", "beta": 0.6})
    other = trial_of({"name": "vanilla"}, seed=1)
    given = [profile.profiles_of(trial) for trial in (first, dial, other, first)]
    assert given == [profile.profiles, "", profile.profiles, profile.profiles]


def test_the_profiles_of_trials_are_collected_and_their_folder_is_deleted(profile):
    left, died = trial_of({"name": "lamix"}), trial_of({"name": "vanilla"}, seed=1)
    sampler = ThreadSampler()
    with sampler.stretch():
        work_meanwhile()
    for trial in (left, died):
        folder = profile.profiles_of(trial)
    open_profiles(folder).save(left.key, sampler.session)
    profile.note_running(1)
    work_before()
    profile.note_running(0)
    document, told = saved(profile)
    assert "work_meanwhile" in names_in(document, "trial: regularizer=lamix seed=0")
    assert "trial: regularizer=vanilla seed=1" not in checked_profiles(document)
    assert told[0].startswith("trial: regularizer=vanilla seed=1 has left no profile")
    assert not Path(profile.profiles).exists()


def test_what_a_killed_launch_has_left_is_not_collected(profile):
    trial = trial_of({"name": "lamix"})
    sampler = ThreadSampler()
    with sampler.stretch():
        work_meanwhile()
    open_profiles(profile.profiles).save(trial.key, sampler.session)
    profile.profiles_of(trial)
    document, told = saved(profile)
    assert list(checked_profiles(document)) == ["launch"]
    assert "trial: regularizer=lamix seed=0 has left no profile" in told[0]


def test_frames_that_profiles_share_stand_once_in_the_file():
    one = {"name": "f", "file": None, "line": 3}

    def document(*events: tuple[str, float, int]) -> dict:
        listed = [{"type": kind, "at": at, "frame": frame} for kind, at, frame in events]
        profile = {"type": "evented", "name": "", "unit": "seconds", "startValue": 0.0}
        return {
            "shared": {"frames": [{"name": "g", "file": "g.py", "line": 1}, one]},
            "profiles": [{**profile, "endValue": 0.5, "events": listed}],
        }

    merged = merged_profiles("all", {"a": document(("O", 0.0, 1), ("C", 1.0, 1)), "b": document()})
    assert merged["shared"]["frames"] == [
        {"name": "g", "file": "g.py", "line": 1},
        {"name": "f", "line": 3},
    ]
    assert checked_profiles(merged)["a"]["endValue"] == 1.0


def test_a_part_is_the_innermost_own_function_with_the_library_that_it_calls():
    stacks = [
        ([f"main\x00{launch.__file__}\x001", f"load\x00{torch.__file__}\x002"], 3.0),
        ([f"main\x00{launch.__file__}\x001", "find\x00<frozen importlib._bootstrap>\x002"], 1.0),
        ([f"<module>\x00{launch.__file__}\x001", f"f\x00{json.__file__}\x002"], 0.5),
        ([f"wait\x00{json.__file__}\x002"], 0.25),
        ([f"train\x00{SHIPPED}\x002", "run\x00/x/site-packages/torch/nn.py\x002"], 0.25),
    ]
    session = Session(stacks, 0.0, 5.0, 0.1, 0.1, 4, [], "", 1.0, [], [])
    assert [(part.label, part.share) for part in largest_parts(session)] == [
        ("main (study/launch.py): torch", 0.6),
        ("main (study/launch.py)", 0.2),
        ("study/launch.py: json", 0.1),
        ("json", 0.05),
        ("train (trainables/training.py): torch", 0.05),
    ]


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    (tmp_path / "small.yaml").write_text(SHORT_STUDY)
    yield tmp_path
    mlflow.set_tracking_uri(None)  # which opening the record has set for the process


@pytest.mark.parametrize(
    ("file", "why"),
    [("nowhere/out.json", "No such file or directory"), (".", "it is there and is no file")],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_starts(here, capsys, file, why):
    before = set(here.iterdir())
    assert launch.main(["small.yaml", "--json", "--profile", file]) == 2
    told = capsys.readouterr()
    assert checked(told.out)["of"] == "launch" and "--profile: cannot write" in told.err
    assert why in told.err and set(here.iterdir()) == before


def test_the_check_of_a_file_changes_nothing(tmp_path):
    kept = tmp_path / "out.json"
    kept.write_text("kept")
    check_target(kept)
    check_target(tmp_path / "other.json")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(ProfileFileError):
        check_target(kept / "out.json")


def test_a_refused_launch_leaves_no_profile(here):
    (here / "small.yaml").write_text(SHORT_STUDY.replace("sampler: grid", "sampler: gird"))
    assert launch.main(["small.yaml", "--profile", "out.json"]) == 2
    assert not (here / "out.json").exists()


def test_a_plan_is_profiled_and_its_document_names_the_file(here, capsys):
    assert launch.main(["small.yaml", "--plan", "--json", "--profile", "out.json"]) == 0
    told = capsys.readouterr()
    assert checked(told.out)["profile"] == str(here / "out.json")
    document = json.loads((here / "out.json").read_text())
    assert list(checked_profiles(document)) == ["plan"]
    assert {"plan_study", "prepare_launch"} <= names_in(document, "plan")
    assert "\n  plan: " in told.err


def test_an_interrupt_saves_what_there_is(tmp_path, capsys):
    with (
        pytest.raises(KeyboardInterrupt),
        profile_launch(tmp_path / "out.json", planning=False),
    ):
        work_before()
        raise KeyboardInterrupt
    document = json.loads((tmp_path / "out.json").read_text())
    assert "work_before" in names_in(document, "launch")
    assert "Profile: " in capsys.readouterr().err


LOADING = """
import os, signal, sys, time
from pathlib import Path
from study.launching.launch_profile import profile_launch
from study.launching.signals import quit_at_signals

def load_modules():
    print("loading", flush=True)
    ended = time.monotonic() + 60
    while time.monotonic() < ended:
        sum(range(100))

with quit_at_signals(), profile_launch(Path(sys.argv[1]), planning=False):
    load_modules()
"""


def test_a_signal_while_modules_load_saves_what_there_is(tmp_path):
    file = tmp_path / "out.json"
    with subprocess.Popen(
        [sys.executable, "-c", LOADING, str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "loading\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert "load_modules" in names_in(json.loads(file.read_text()), "launch")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_launch_is_profiled_with_the_first_trial_of_each_kind(tmp_path):
    folder = Folder(tmp_path, KINDS)
    folder.environment |= {n: v for n, v in os.environ.items() if n in ("RAY_TMPDIR",)}
    told = folder.launch("--profile", "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    profiles = checked_profiles(document)
    assert list(profiles) == [
        "start",
        "trials",
        "end",
        "trial: regularizer=lamix seed=0",
        "trial: regularizer=vanilla seed=0",
    ]
    assert all(profile["endValue"] > 0 for profile in profiles.values())
    assert "prepare_launch" in names_in(document, "start")
    assert "close_launch" in names_in(document, "end")
    assert "train_epoch" in names_in(document, "trial: regularizer=lamix seed=0")
    assert f"Profile: {tmp_path / 'out.json'}" in told
    assert not (folder.state("full") / "profiles").exists()
    assert len(folder.runs()) == 2

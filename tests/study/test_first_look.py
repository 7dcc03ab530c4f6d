"""What a launch says before it loads torch."""

import subprocess
import sys

import pytest
import yaml

from study import launch
from study.file.locate import find_study_file
from study.file.problems import StudyFileError
from study.file.reading import read_study
from tests.study.sample import study_data

LAUNCH = """
import sys
from study import launch
try:
    status = launch.main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
print(status, *(name for name in ("torch", "pydantic", "rich", "yaml") if name in sys.modules))
"""


@pytest.fixture
def sample(tmp_path):
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(study_data(), sort_keys=False))
    return file


def launched(*arguments):
    """Return the exit status, and which of the slow libraries were loaded."""
    command = [sys.executable, "-c", LAUNCH, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, *loaded = done.stdout.split("\n")[-2].split()
    return int(status), loaded


def test_help_loads_nothing_slow():
    assert launched("--help") == (0, [])


def test_a_missing_file_and_one_that_is_no_yaml_load_only_yaml(tmp_path):
    assert launched(tmp_path / "missing.yaml") == (2, ["yaml"])
    (tmp_path / "no.yaml").write_text("a: [1")
    assert launched(tmp_path / "no.yaml") == (2, ["yaml"])


@pytest.mark.parametrize(
    "flag",
    [
        "search.sede=3",
        "seeds=3",
        "search.seeds=0",
        "resources.cpus=-1",
        "trial.training.epochs=0",
        "trial.training.epcohs=3",
        "training.epochs=3",
        "scales.quick={}",
    ],
)
def test_a_wrong_setting_is_told_without_torch(sample, flag):
    status, loaded = launched(sample, "--set", flag)
    assert status == 2
    assert "torch" not in loaded


def test_settings_that_fit_only_what_is_searched_are_not_refused_at_first(tmp_path, capsys):
    training = {"batch_size": 32, "epochs": 2, "schedule": "cosine", "milestones": [1]}
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(study_data(trial={"training": training})))
    assert launch.main([str(file)]) == 2
    assert "`milestones` is ignored with `schedule: cosine`" in capsys.readouterr().err


def test_a_bare_name_is_a_shipped_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_study_file(launch.Path("beta")).name == "beta.yaml"
    assert find_study_file(launch.Path("table1")).parent.name == "paper"
    (tmp_path / "beta").write_text("own")
    assert find_study_file(launch.Path("beta")) == launch.Path("beta")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("betaa", "search_spaces/beta.yaml"),
        ("search_spaces/bta.yaml", "search_spaces/beta.yaml"),
        ("smothing.yml", "search_spaces/smoothing.yaml"),
    ],
)
def test_the_nearest_file_is_named(given, meant):
    with pytest.raises(
        StudyFileError, match=f"{given}: there is no such file; did you mean .*{meant}"
    ):
        find_study_file(launch.Path(given))


def test_a_file_beside_the_one_that_is_missing_is_nearer_than_a_shipped_one(sample):
    with pytest.raises(StudyFileError, match=f"did you mean {sample}"):
        find_study_file(sample.with_name("smaple.yaml"))


def test_reading_checks_no_setting(sample):
    read = read_study(sample, overrides=("search.seeds=0",))
    assert read.resolved["search"]["seeds"] == 0
    assert read.plain["search"]["seeds"] == 2

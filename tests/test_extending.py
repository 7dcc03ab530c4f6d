"""What docs/extending.md says, done in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
COPIED = ("lamix_study", "study", "trainables", "analysis", "tests", "search_spaces", "docs")
SCHEMA, DEFAULTS = "search_spaces/study.schema.json", "tests/trainables/defaults.json"

NEW_COMPONENTS = "pixel_noise or two_stages or tpe_alone or stripes"

EPOCH = """
import json
from dataclasses import asdict
from trainables.training import Trainer

trainer = Trainer({
    "dataset": {"name": "stripes"},
    "network": {"name": "two_stages", "width": 4},
    "regularizer": {"name": "pixel_noise", "sigma": 0.2},
    "training": {"epochs": 1, "batch_size": 90, "milestones": []},
})
print(json.dumps(asdict(trainer.train_epoch())))
"""

STUDY = """
study: extended
question: Does noise help?
trial:
  dataset: {name: stripes}
  network: {name: two_stages}
  training: {epochs: 1, milestones: []}
search:
  sampler: tpe_alone
  configurations: 2
  seeds: 1
  space:
    regularizer: [{name: vanilla}, {name: pixel_noise, sigma: {low: 0.0, high: 1.0}}]
scales: {quick: {}, paper: {}}
"""


@dataclass(frozen=True)
class PageBlock:
    """A block of the page that says what to write into a file."""

    language: str
    file: str
    text: str

    def apply(self, root: Path) -> None:
        """Write a new file, or lay a difference over one that is there."""
        target = root / self.file
        if self.language == "python":
            assert not target.exists(), f"{self.file} is there already"
            target.write_text(self.text, encoding="utf-8")
            return
        lines = self.text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        before = target.read_text(encoding="utf-8")
        assert before.count(old) == 1, f"{PAGE.name} no longer fits {self.file}:\n{old}"
        target.write_text(before.replace(old, new), encoding="utf-8")


def page_blocks() -> list[PageBlock]:
    found = re.findall(r"^```(python|diff) (\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    return [PageBlock(*block) for block in found]


@dataclass(frozen=True)
class ProjectCopy:
    """The project with everything of the page added."""

    root: Path
    defaults_before: dict[str, object]

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run Python there, check its exit status and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    root = tmp_path_factory.mktemp("extended")
    for folder in COPIED:
        shutil.copytree(
            ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "results")
        )
    for file in ("pyproject.toml", "Makefile"):
        shutil.copy(ROOT / file, root / file)
    copied = ProjectCopy(root, json.loads((root / DEFAULTS).read_text()))
    for block in page_blocks():
        block.apply(root)
    copied.run("-m", "study.schema", SCHEMA, "--defaults", DEFAULTS)
    return copied


def test_the_page_has_one_of_each() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for kind in ("regularizer", "network", "data set", "sampler", "metric", "command-line flag"):
        (section,) = re.findall(rf"^## An? {kind}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        assert "```" in section and "Check: " in section, kind


def declared_names(*files: Path) -> set[str]:
    """Return the names of the components that these files declare."""
    found = (re.findall(r'name: Literal\["(\w+)"\]', file.read_text("utf-8")) for file in files)
    return {name for names in found for name in names}


def test_the_components_of_the_page_can_live_beside_those_of_the_tests_and_the_template() -> None:
    groups = [
        declared_names(PAGE),
        declared_names(*(ROOT / "tests").rglob("*.py")),
        declared_names(
            *(ROOT / "docs/template").rglob("*.py"), *(ROOT / "docs/tutorial").iterdir()
        ),
    ]
    assert all(groups) and len(set.union(*groups)) == sum(map(len, groups))


def test_make_schema_is_the_command_that_this_test_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"SCHEMA := {SCHEMA} --defaults {DEFAULTS} " in makefile
    assert "\t$(BIN)/python -m study.schema $(SCHEMA)\n" in makefile


def test_the_hook_before_a_commit_checks_all_that_make_schema_writes() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]
    (hook,) = [each for each in hooks["hooks"] if each["id"] == "schema"]
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (written,) = re.findall(r"^SCHEMA := (.*)$", makefile, re.M)
    _, checked = hook["entry"].split(" -m study.schema --check ")
    assert checked.split() == written.split()
    files = [word for word in written.split() if not word.startswith("--")]
    for file in (*files, "study/file/settings.py", "search_spaces/paper/table1.yaml"):
        assert (ROOT / file).exists() and re.search(hook["files"], file), file


def test_make_schema_adds_the_new_components_and_changes_nothing_else(
    extended: ProjectCopy,
) -> None:
    extended.run("-m", "study.schema", "--check", SCHEMA, "--defaults", DEFAULTS)
    defaults = json.loads((extended.root / DEFAULTS).read_text())
    new = {path for path in defaults if path not in extended.defaults_before}
    assert {path: defaults[path] for path in extended.defaults_before} == extended.defaults_before
    assert new == {
        *(f"datasets.stripes.{name}" for name in ("validation", "train_images", "test_images")),
        "networks.two_stages.width",
        "regularizers.pixel_noise.smoothing",
        "regularizers.pixel_noise.loss",
        "regularizers.pixel_noise.sigma",
    }
    schema = (extended.root / SCHEMA).read_text()
    assert all(word in schema for word in ("pixel_noise", "two_stages", "stripes", "tpe_alone"))


def test_an_epoch_trains_with_all_of_it(extended: ProjectCopy) -> None:
    metrics = json.loads(extended.run("-c", EPOCH))
    assert metrics["epoch"] == 1 and 0 <= metrics["test_error"] <= 100
    assert metrics["batches"] == 4  # 360 images are left of 400 without the validation share


def test_a_study_file_may_name_all_of_it(extended: ProjectCopy) -> None:
    (extended.root / "extended.yaml").write_text(STUDY)
    told = extended.run(
        "-c",
        "from pathlib import Path\n"
        "from study.file.resolved import load_study\n"
        "study = load_study(Path('extended.yaml'))\n"
        "print(study.search.sampler, len(study.extremes()))",
    )
    assert told.split() == ["tpe_alone", "3"]


def test_the_new_flag_is_there(extended: ProjectCopy) -> None:
    assert "--no-wait" in extended.run("-m", "study.stop", "--help")


@pytest.mark.slow
@pytest.mark.timeout(600)  # tests within a test: half a minute, more on a busy machine
def test_the_checks_that_the_page_names_hold_the_new_components_to_their_contracts(
    extended: ProjectCopy,
) -> None:
    told = extended.run(
        *(
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--no-header",
            "-o",
            "addopts=--import-mode=importlib",
        ),
        *("tests/trainables/test_regularizers.py", "tests/trainables/test_networks.py"),
        *("tests/trainables/test_keys.py", "tests/trainables/test_settings_keys.py"),
        *("tests/study/test_search.py", "tests/trainables/test_own_components.py"),
        *("tests/test_architecture.py", "tests/test_rooms.py"),
        *("-k", f"{NEW_COMPONENTS} or keys or own_components or architecture"),
    )
    (passed,) = re.findall(r"(\d+) passed", told)
    assert int(passed) >= 20 and "failed" not in told


def test_the_files_of_the_page_are_written_as_the_linter_wants_them(extended: ProjectCopy) -> None:
    files = sorted({block.file for block in page_blocks()})
    extended.run("-m", "ruff", "check", "--no-cache", *files)
    extended.run("-m", "ruff", "format", "--no-cache", "--check", *files)

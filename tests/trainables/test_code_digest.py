"""The digest of a trial's code: what counts, and what does not."""

import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from trainables import code_digest, source_hashes
from trainables.code_digest import TrialCode, trial_code
from trainables.configuration import parse_configuration

ROOT = Path(code_digest.__file__).parent


def configuration(**parts):
    return parse_configuration(
        {
            "dataset": {"name": "digits", "validation": 0.1},
            "network": {"name": "lenet"},
            "regularizer": {"name": "lamix"},
            **parts,
        }
    )


def test_the_code_holds_the_loop_the_step_and_the_parts_of_the_trial():
    modules = trial_code(configuration()).modules
    assert {
        "trainables.training",
        "trainables.training_step",
        "trainables.trainable",
        "trainables.batches",
        "trainables.targets",
        "trainables.randomness",
        "trainables.regularizers.lamix",
        "trainables.networks.lenet",
        "trainables.datasets.digits",
        "trainables.datasets",
        "trainables.datasets._images",
    } <= modules.keys()


def test_components_that_a_trial_does_not_use_do_not_count():
    modules = trial_code(configuration(regularizer={"name": "vanilla"})).modules
    assert (
        not {
            "trainables.regularizers.cutmix",
            "trainables.networks.resnet50",
            "trainables.datasets.svhn",
            "trainables.probe",
        }
        & modules.keys()
    )


def test_settings_do_not_change_the_code():
    one = configuration(regularizer={"name": "lamix", "beta": 0.2})
    assert trial_code(one) == trial_code(configuration())


def test_another_component_is_other_code():
    vanilla = configuration(regularizer={"name": "vanilla"})
    assert trial_code(vanilla).digest != trial_code(configuration()).digest


def test_versions_of_torch_count():
    code = trial_code(configuration())
    older = TrialCode(code.modules, {**code.versions, "torch": "2.0"})
    assert older.digest != code.digest
    assert code.differences(older.as_dict()) == [f"torch 2.0 → {code.versions['torch']}"]


@pytest.fixture
def scratch(tmp_path):
    """Write modules of a package `scratch_code`; return the hash of one by its text."""

    def hash_of(text):
        file = tmp_path / f"{abs(hash(text))}.py"
        file.write_text(textwrap.dedent(text))
        return source_hashes.source_hash(file)

    return hash_of


CODE = """
    def loss(x):
        return x * 2
"""


@pytest.mark.parametrize(
    "text",
    [
        """
    # a comment
    def loss(x):
        return x * 2  # another
""",
        '''
    """A module."""
    def loss(x):
        """Twice."""
        return x * 2
''',
        """
    def loss(
        x,
    ):

        return (x
                * 2)
""",
    ],
)
def test_comments_docstrings_and_layout_do_not_count(scratch, text):
    assert scratch(text) == scratch(CODE)


@pytest.mark.parametrize("expression", ["x * 3", "x * 2.0", "x * True", "x + 2", "2 * x", "y * 2"])
def test_what_is_computed_counts(scratch, expression):
    assert scratch(CODE.replace("x * 2", expression)) != scratch(CODE)


def test_a_decorator_and_a_default_count(scratch):
    assert scratch(CODE.replace("(x)", "(x=1)")) != scratch(CODE)
    assert scratch(CODE.replace("    def", "    @cache\n    def")) != scratch(CODE)


def test_a_module_that_a_component_imports_counts_however_it_is_imported(tmp_path, monkeypatch):
    package = tmp_path / "own_methods"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text(
        "from . import near\nfrom .deep import inner\nimport own_methods.plain\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from own_methods import types_alone\n"
        "def late():\n    from own_methods import late_part\n"
    )
    for name in ("near", "deep", "plain", "late_part", "types_alone", "unused"):
        (package / f"{name}.py").write_text("inner = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("own_methods.method")
    modules = code_digest._code_of(("own_methods.method",)).modules
    used = {name.rpartition(".")[2] for name in modules if name.startswith("own_methods")}
    assert used == {"own_methods", "method", "near", "deep", "plain", "late_part"}


def test_a_module_from_outside_the_installed_packages_counts_though_it_is_of_another_package(
    tmp_path, monkeypatch
):
    (tmp_path / "own_file.py").write_text("import own_helper\nimport json, yaml, torch\n")
    (tmp_path / "own_helper.py").write_text("RATE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("own_file")
    modules = code_digest._code_of(("own_file",)).modules
    assert {"own_file", "own_helper"} <= modules.keys()
    assert not {"json", "yaml", "torch"} & modules.keys()


PARTS = """
import os
RATE = 1
class Loss(Base):
    size: int = 3
    def value(self):
        return 1
def mean(x):
    return x
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("return 1", "return 2", "Loss.value"),
        ("RATE = 1", "RATE = 2", "RATE"),
        ("int = 3", "int = 4", "Loss.size"),
        ("(Base)", "(Other)", "Loss"),
        ("import os", "import io", "imports"),
        ("def mean", "def average", "average is new, mean is gone"),
        ("RATE = 1\n", "", "RATE is gone"),
    ],
)
def test_what_changed_of_a_module_is_named(tmp_path, before, after, said):
    (tmp_path / "then.py").write_text(PARTS)
    (tmp_path / "now.py").write_text(PARTS.replace(before, after))
    then, now = (
        TrialCode({"m": name}, {}, {"m": source_hashes.part_hashes(tmp_path / f"{name}.py")})
        for name in ("then", "now")
    )
    assert now.differences(then.as_dict()) == [f"m changed ({said})"]


def test_what_changed_is_told_in_words():
    code = TrialCode({"a": "1", "b": "2"}, {"torch": "2.14.1"})
    before = {"modules": {"a": "0", "c": "3"}, "versions": {"torch": "2.14.0"}}
    assert code.differences(before) == [
        "a changed",
        "b is new",
        "c is gone",
        "torch 2.14.0 → 2.14.1",
    ]
    assert code.differences({}) == ["the code that computed them is not on record"]


def test_two_processes_agree_on_the_digest():
    """Neither the order of imports nor what else is loaded counts."""
    program = (
        "from trainables.configuration import parse_configuration as p\n"
        "from trainables.code_digest import trial_code\n"
        "print(trial_code(p({'dataset': {'name': 'digits', 'validation': 0.1},"
        " 'network': {'name': 'lenet'}, 'regularizer': {'name': 'lamix'}})).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == trial_code(configuration()).digest

"""Components that a user brings: what a module must hold, and how its mistakes are told."""

import dataclasses
import importlib.metadata
import subprocess
import sys

import pytest

from tests.own_components import NOISE, TWO_MORE
from trainables import networks, plugins, regularizers
from trainables.code_digest import trial_code
from trainables.configuration import parse_configuration, settings_key
from trainables.own_modules import OwnComponentError, OwnModule, find_file, find_module
from trainables.plugins import OwnSet, know_only, know_shipped, set_with
from trainables.trial_key import hash_configuration

TRIAL = {
    "dataset": {"name": "halves"},
    "network": {"name": "one_stage"},
    "regularizer": {"name": "own_noise", "sigma": 0.3},
    "training": {"epochs": 1, "batch_size": 30, "milestones": []},
}


@pytest.fixture(autouse=True)
def known_before():
    before = plugins.known_set()
    yield
    know_only(before)


@pytest.fixture
def own(tmp_path):
    """Write a file of the user's and let its components be known."""

    def own(text, name="methods.py", beside=None):
        file = tmp_path / name
        file.write_text(text)
        made = set_with([find_file(file)], beside=beside or OwnSet())
        know_only(made)
        return made

    return own


def test_one_module_may_hold_components_of_all_kinds(own):
    found = own(NOISE + TWO_MORE)
    assert {(one.kind, one.name) for one in found.components} == {
        ("regularizer", "own_noise"),
        ("network", "one_stage"),
        ("data set", "halves"),
    }
    trained = parse_configuration(TRIAL)
    assert trained.regularizer.sigma == 0.3
    assert "own_noise" in plugins.component_names("trainables.regularizers")


def test_a_trial_of_own_components_alone_trains(own, tmp_path):
    from trainables.training import Trainer

    own(NOISE + TWO_MORE)
    metrics = Trainer(TRIAL, data=tmp_path).train_epoch()
    assert metrics.epoch == 1 and 0 <= metrics.test_error <= 100


VIEWING = """
class Viewing(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(1, 1, 1, 1, 1))

    def forward(self, maps_NCHW):
        return self.kernel.flatten() * maps_NCHW.view(len(maps_NCHW), -1)
"""


def test_the_maps_of_an_own_network_lie_as_its_code_lays_them(own, tmp_path):
    from trainables.training import Trainer

    pooled = "nn.Sequential(nn.AdaptiveAvgPool2d(2), Viewing())"
    text = TWO_MORE.replace("nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())", pooled)
    own(NOISE + text.replace("num_features=self.width", "num_features=4 * self.width") + VIEWING)
    trainer = Trainer(TRIAL, data=tmp_path)
    trainer.train_epoch()
    assert trainer.network.is_own
    assert trainer.network.stages[0][0].weight.is_contiguous()


def test_the_field_of_an_own_component_is_part_of_every_key(own):
    own(NOISE + TWO_MORE)
    one, other = (
        parse_configuration({**TRIAL, "regularizer": {"name": "own_noise", "sigma": sigma}})
        for sigma in (0.3, 0.4)
    )
    keys = [hash_configuration(each, data="d", seed=0) for each in (one, other)]
    assert keys[0] != keys[1]
    assert settings_key(one, "cost") != settings_key(other, "cost")


def test_the_code_of_a_trial_holds_the_users_own_source(own):
    own(NOISE + TWO_MORE)
    before = trial_code(parse_configuration(TRIAL))
    assert "own_file_methods" in before.modules
    own((NOISE + TWO_MORE).replace("self.settings.sigma *", "2 * self.settings.sigma *"))
    after = trial_code(parse_configuration(TRIAL))
    (changed,) = after.differences(before.as_dict())
    assert changed.startswith("own_file_methods changed")


def test_a_file_that_was_edited_is_imported_anew_and_its_old_self_stays_what_it_was(own):
    first = own(NOISE)
    old = regularizers.build({"name": "own_noise"}, num_classes=2, num_features=2)
    second = own(NOISE.replace("sigma: NonNegative = 0.1", "sigma: NonNegative = 0.7"))
    new = regularizers.build({"name": "own_noise"}, num_classes=2, num_features=2)
    assert (old.settings.sigma, new.settings.sigma) == (0.1, 0.7)
    know_only(first)
    again = regularizers.build({"name": "own_noise"}, num_classes=2, num_features=2)
    assert type(again.settings) is type(old.settings)
    assert first != second


def test_another_process_takes_a_file_up_from_what_it_is_sent(own, tmp_path):
    found = own(NOISE)
    module = found.components[0].module
    (tmp_path / "methods.py").unlink()
    code = (
        "import json, sys\n"
        "from trainables import plugins, regularizers\n"
        "from trainables.own_modules import OwnModule\n"
        "plugins.know_shipped([OwnModule(**json.loads(sys.argv[1]))])\n"
        "made = regularizers.build({'name': 'own_noise'}, num_classes=2, num_features=2)\n"
        "print(type(made).__module__, type(made.settings).__pydantic_fields__['sigma'].description)"
    )
    import json

    sent = json.dumps(dataclasses.asdict(module))
    done = subprocess.run([sys.executable, "-c", code, sent], capture_output=True, text=True)
    assert done.stdout.strip() == "own_file_methods Standard deviation of the noise.", done.stderr


def line_of(text, part):
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("@settings\nclass Settings", "class Settings", "class Settings", "needs the decorator `@"),
        (
            "@settings\nclass Settings",
            "import dataclasses\n@dataclasses.dataclass(frozen=True, kw_only=True)\nclass Settings",
            "class Settings",
            "needs the decorator `@settings` of trainables.settings",
        ),
        (
            "num_classes, num_features):",
            "num_classes):",
            "class Settings",
            "`build` must be `build(",
        ),
        (
            "class Settings(SmoothingSettings)",
            "class Settings",
            "class Settings",
            "a regularizer has SmoothingSettings as its base class",
        ),
        ("    def build", "    def bild", "class Settings", "a regularizer has the method `build("),
        (
            '    name: Literal["own_noise"] = "own_noise"\n',
            "",
            "class Settings",
            "needs a field that names it",
        ),
        (
            'Literal["own_noise"] = "own_noise"',
            'Literal["Own Noise"] = "Own Noise"',
            "class Settings",
            "small letters, digits and `_`",
        ),
        (
            "sigma: NonNegative = 0.1",
            "sigma: list = __import__('pydantic').Field(default=[1])",
            "class Settings",
            "its settings must be hashable, so a list is `tuple[…, ...]`",
        ),
        (
            "import torch\n",
            "import torhc\n",
            "import torhc",
            "ModuleNotFoundError: No module named",
        ),
        ("import torch\n", "import torch\n1 / 0\n", "1 / 0", "ZeroDivisionError: division by zero"),
        ("import torch\n", "import torch\nraise SystemExit('no')\n", "raise S", "SystemExit: no"),
        ("def compare(", "def compare((", "def compare((", "is no Python: "),
        ("@settings\nclass Settings", "@settings\nclass _Settings", None, "holds no component"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(own, tmp_path, old, new, at, said):
    assert NOISE.count(old) == 1
    text = NOISE.replace(old, new)
    with pytest.raises(OwnComponentError) as error:
        own(text)
    where = f"{tmp_path / 'methods.py'}:{line_of(text, at)}: " if at else "methods.py: "
    assert where in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_taken_is_refused(own):
    with pytest.raises(
        OwnComponentError, match="`lamix` is the name of a regularizer of this proj"
    ):
        own(NOISE.replace("own_noise", "lamix"))
    first = own(NOISE)
    with pytest.raises(OwnComponentError, match=r"another regularizer already, at .*methods.py:14"):
        own(NOISE, name="others.py", beside=first)


def test_a_module_by_its_name_is_found_and_told_apart_by_its_source(tmp_path, monkeypatch):
    package = tmp_path / "noisy_methods"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "noise.py").write_text(NOISE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = find_module("noisy_methods.noise")
    assert module.text is None and module.root == str(tmp_path)
    assert "noisy_methods" not in sys.modules  # it is found without an import
    know_shipped([module])
    assert plugins.own_modules_of(
        [regularizers.build({"name": "own_noise"}, num_classes=2, num_features=2).settings]
    ) == (module,)
    (package / "helper.py").write_text("changed = True\n")
    other = dataclasses.replace(module, digest="0" * 16)
    with pytest.raises(OwnComponentError, match=r"is another here.*install the same version"):
        know_shipped([other])
    assert find_module("noisy_methods.noise").digest != module.digest


def test_a_module_that_is_not_there_is_named_with_what_to_do():
    with pytest.raises(OwnComponentError, match=r"no module `nowhere` here; install its package"):
        find_module("nowhere.methods")
    with pytest.raises(OwnComponentError, match=r"install its package"):
        know_shipped([OwnModule("nowhere.methods", "/nowhere/methods.py", "00", root="/nowhere")])


class Entry(importlib.metadata.EntryPoint):
    dist = None


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Let an installed package declare a class as a regularizer."""
    (tmp_path / "declared_methods.py").write_text(NOISE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def declare(name, value="declared_methods:Settings"):
        def entries(*, group):
            return [Entry(name, value, group)] if group.endswith("regularizers") else []

        monkeypatch.setattr(importlib.metadata, "entry_points", entries)
        plugins.installed_set.cache_clear()
        return plugins.installed_set()

    yield declare
    plugins.installed_set.cache_clear()
    sys.modules.pop("declared_methods", None)


def test_what_an_installed_package_declares_is_known(installed):
    found = installed("own_noise")
    assert [one.name for one in found.components] == ["own_noise"] and not found.broken
    know_only(found)
    assert regularizers.build({"name": "own_noise"}, num_classes=2, num_features=2)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("own_noise", "declared_methods:Nothing", "has no class `Nothing`"),
        ("noise", "declared_methods:Settings", "is the regularizer `own_noise`, but is declared"),
        ("noise", "nowhere_at_all:Settings", "no module `nowhere_at_all` here"),
    ],
)
def test_a_broken_installed_component_harms_no_other(installed, name, value, said):
    found = installed(name, value)
    assert found.components == ()
    ((named, reason),) = found.broken
    assert named == name and said in reason
    know_only(found)
    assert networks.build("lenet", num_classes=2)


def test_a_file_that_is_not_there_is_told_with_the_nearest_that_is(tmp_path):
    (tmp_path / "methods.py").write_text("")
    with pytest.raises(OwnComponentError, match=r"No such file.*; did you mean `methods.py`\?"):
        find_file(tmp_path / "method.py")
    with pytest.raises(OwnComponentError, match=r"No such file or directory$"):
        find_file(tmp_path / "nowhere" / "method.py")

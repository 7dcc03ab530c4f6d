"""The public names: users, notebooks and outside checks rely on these names and signatures."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from study import cli
from tests import source_tree
from trainables import networks, plugins, regularizers

SIGNATURES = {
    "trainables.networks.build": (
        "(name, *, num_classes, in_channels=3, image_size=32, **options)"
    ),
    "trainables.regularizers.build": "(settings, *, num_classes, num_features)",
    "trainables.regularizers.RegularizerModule.loss": (
        "(self, network, images_NCHW, labels_N, *, step, generator)"
    ),
    "trainables.mixing.mixup": "(images_NCHW, permutation_N, lam)",
    "trainables.mixing.cutmix_box": "(height, width, lam, center_yx)",
    "trainables.mixing.cutmix": "(images_NCHW, permutation_N, box)",
    "trainables.targets.smooth_one_hot": "(labels_N, num_classes, smoothing)",
    "trainables.targets.global_soft_label": "(logits_NC)",
    "trainables.targets.soft_target_cross_entropy": "(logits_NC, targets_NC)",
    "trainables.training.Trainer.state_dict": "(self)",
}
"""Exactly these parameters, with these defaults."""

BEGINNINGS = {
    "trainables.mixing.puzzlemix": "(images_NCHW, permutation_N, saliency_NHW, lam, *, blocks)",
    "trainables.training.Trainer": "(config)",
    "trainables.training.Trainer.train_epoch": "(self)",
    "trainables.training.Trainer.load_state_dict": "(self, state)",
    "analysis.trials.load": "(study, scale=None, tracking_uri=None)",
}
"""These parameters first; further ones are by keyword only and have a default."""

COMMANDS = {
    "study.launch": (
        "file",
        ["--scale", "--set", "--plan", "--data", "--state", "--address"]
        + ["--budget", "--code {check,keep,retrain}", "--json"],
    ),
    "study.list": ("", ["--state", "--json"]),
    "study.stop": ("study", ["--scale", "--now", "--state", "--json"]),
    "study.schema": ("file", ["--check", "--defaults", "--paper", "--plugins"]),
    "study.doctor": ("", ["--only", "--data", "--state", "--json"]),
    "study.completion": ("{bash,zsh,fish}", []),
    "analysis.report": (
        "study",
        ["--scale", "--test {last,last10,best}", "--output", "--attach", "--no-attach", "--json"],
    ),
    "analysis.compare": ("STUDY[:SCALE]", ["--test {last,last10,best}", "--json"]),
    "analysis.evaluate": ("study", ["--scale", "--data", "--output", "--json"]),
    "analysis.site": ("DIR", ["--json"]),
}
"""What each command takes, and the flags that it has at least."""

SHORT_COMMANDS = {
    "launch": "study.launch",
    "plan": "study.launch --plan",
    "list": "study.list",
    "stop": "study.stop",
    "report": "analysis.report",
    "compare": "analysis.compare",
    "evaluate": "analysis.evaluate",
    "site": "analysis.site",
    "doctor": "study.doctor",
    "schema": "study.schema",
    "completion": "study.completion",
}
"""`lamix-study …` → what it stands for after `python -m`."""

EXPORTED = {
    "trainables.mixing": {"mixup", "cutmix", "cutmix_box", "puzzlemix"},
    "trainables.networks": {"build"},
    "trainables.regularizers": {"build"},
}
"""What ``from … import *`` gives at least."""


def found(path: str) -> Any:
    """Return what a dotted path means to someone who has imported the modules on it."""
    first, *parts = path.split(".")
    value: Any = importlib.import_module(first)
    known = first
    for part in parts:
        known = f"{known}.{part}"
        if not hasattr(value, part):
            importlib.import_module(known)
        value = getattr(value, part)
    return value


def parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    signature = inspect.signature(function)
    return [one.replace(annotation=one.empty) for one in signature.parameters.values()]


def written(listed: list[inspect.Parameter]) -> str:
    return str(inspect.Signature(listed))


@pytest.mark.parametrize("path", SIGNATURES)
def test_a_public_function_has_exactly_its_parameters(path: str) -> None:
    assert written(parameters(found(path))) == SIGNATURES[path]


@pytest.mark.parametrize("path", BEGINNINGS)
def test_a_public_function_begins_with_its_parameters(path: str) -> None:
    listed = parameters(found(path))
    known = BEGINNINGS[path].strip("()").split(", ")
    count = len([one for one in known if one != "*"])
    assert written(listed[:count]) == BEGINNINGS[path]
    for further in listed[count:]:
        assert further.kind is further.KEYWORD_ONLY and further.default is not further.empty


@pytest.mark.parametrize("path", EXPORTED)
def test_a_package_exports_its_public_names(path: str) -> None:
    package = found(path)
    assert set(package.__all__) >= EXPORTED[path]
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize("name", plugins.component_names("trainables.networks"))
def test_a_network_is_its_classifier_of_its_features(name: str) -> None:
    with torch.device("meta"):
        network = networks.build(name, num_classes=7)
        images_NCHW = torch.zeros(2, 3, 32, 32)
    assert isinstance(network, nn.Module) and isinstance(network.classifier, nn.Linear)
    features_NM = network.eval().features(images_NCHW)
    assert features_NM.shape == (2, network.classifier.in_features)
    assert network(images_NCHW).shape == (2, 7)


def test_a_regularizers_loss_is_a_scalar() -> None:
    network = networks.build("lenet", num_classes=10)
    module = regularizers.build({"name": "lamix"}, num_classes=10, num_features=84)
    assert isinstance(module, nn.Module)
    images_NCHW, labels_N = torch.zeros(4, 3, 32, 32), torch.arange(4)
    generator = torch.Generator().manual_seed(0)
    assert module.loss(network, images_NCHW, labels_N, step=0, generator=generator).shape == ()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_what_it_is_documented_to_take(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    what, flags = COMMANDS[command]
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(command).main(["--help"])
    assert ended.value.code == 0
    usage = " ".join(capsys.readouterr().out.partition("\n\n")[0].split())
    assert usage.startswith(f"usage: python -m {command} ")
    assert what in usage
    assert [flag for flag in flags if flag not in usage] == []


def test_lamix_study_has_its_commands_and_each_stands_for_a_module() -> None:
    stands_for = {
        name: " ".join([command.module, *command.first]) for name, command in cli.COMMANDS.items()
    }
    assert {name: stands_for.get(name) for name in SHORT_COMMANDS} == SHORT_COMMANDS
    assert {command.module for command in cli.COMMANDS.values()} <= COMMANDS.keys()
    assert source_tree.project_settings()["project"]["scripts"] == {"lamix-study": "study.cli:main"}
    assert cli.PROGRAM == "lamix-study"

"""What a trial will find on the machine that it runs on: asked of each node before a study starts.

What differs between two machines is found here, by a task of seconds, and not by a trial that fails
after hours or, worse, trains on other images.
"""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainables import datasets, plugins
from trainables.datasets import DatasetError
from trainables.own_modules import OwnComponentError, OwnModule
from trainables.settings import parse_settings
from trainables.storage import PART, open_storage

PACKAGES = ("torch", "torchvision", "numpy", "ray")
"""What must be the same on all nodes, besides Python and this project."""


@dataclass(frozen=True)
class NodeQuestion:
    """What a node is asked."""

    datasets: Sequence[Mapping[str, Any]]
    """The settings of each, as plain data."""
    data: Path
    """The folder of the data sets."""
    checkpoints: str
    """Where trials save themselves: an absolute path or a URI."""
    token: str
    """The name of a file that the driver has put there."""
    own_modules: Sequence[OwnModule] = ()
    """The users' modules that trials need."""


@dataclass(frozen=True)
class NodeSight:
    """What a node answers."""

    versions: dict[str, str]
    fingerprints: tuple[str, ...]
    """Of each data set that was asked for."""
    missing: tuple[str, ...]
    """What keeps a data set from being read, in words."""
    checkpoints: str
    """Why trials could not save themselves, or nothing."""
    own_modules: str = ""
    """Why the users' modules could not be used, or nothing."""


def look_around(question: NodeQuestion) -> NodeSight:
    """Look at the data, the place for checkpoints and the versions, as a trial here would."""
    fingerprints, missing = [], []
    fault = _own_module_fault(question.own_modules)
    for plain in question.datasets if not fault else ():
        try:
            settings: datasets.AnySettings = parse_settings(datasets.AnySettings, plain)
            fingerprints.append(datasets.load(settings, question.data).fingerprint)
        except DatasetError as error:
            missing.append(str(error))
    return NodeSight(
        code_versions(), tuple(fingerprints), tuple(missing), _checkpoint_fault(question), fault
    )


def _own_module_fault(modules: Sequence[OwnModule]) -> str:
    try:
        plugins.know_shipped(modules)
    except OwnComponentError as error:
        return str(error)
    return ""


@cache
def code_versions() -> dict[str, str]:
    """Return the versions of Python and the packages, and a hash of this training code."""
    code = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        code.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    packages = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **packages, "trainables": code.hexdigest()}


class OtherVersionsError(Exception):
    """A node would train by other code than the driver's; its trial has to go on elsewhere.

    A node that joins may get a trial before it is asked.
    """


def refuse_other_versions(wanted: Mapping[str, str], node: str) -> None:
    """Refuse to train where the versions are not the driver's.

    Args:
        wanted: the driver's versions, as `code_versions` gives them; empty to refuse nothing.
        node: the id of the node that this is.

    Raises:
        OtherVersionsError: with the node's id and each difference.
    """
    different = different_versions(code_versions(), wanted) if wanted else []
    if different:
        raise OtherVersionsError(f"{node}: {'; '.join(different)}")


def different_versions(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return in words which versions differ.

    Args:
        there: those of a node.
        here: the driver's.
    """
    return [
        f"{name} is {there.get(name, 'missing')} there, {wanted} here"
        for name, wanted in here.items()
        if there.get(name) != wanted
    ]


def _checkpoint_fault(question: NodeQuestion) -> str:
    try:
        folder = open_storage(question.checkpoints, create=False)
        if folder.read(question.token) is None:
            return "is another folder there than here"
        reply = f"{question.token.removesuffix(PART)}-{platform.node()}{PART}"
        folder.write(reply, b"")
        folder.delete(reply)
    except OSError as error:
        return f"cannot be written there: {error}"
    return ""

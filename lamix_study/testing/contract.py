"""What all contracts share: tests of a class, once for each of its settings."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch

Settings = Mapping[str, Any]
"""Of one component, as a study file writes them."""


class ComponentContract:
    """Tests that run once for each of `settings`; a class that names none has none."""

    settings: ClassVar[Sequence[Settings]] = ()
    """What the component is held to: its name alone, for its defaults, and others that matter."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test each of the settings as `chosen`."""
        if "chosen" in metafunc.fixturenames:
            metafunc.parametrize("chosen", self.settings, ids=title)


def title(chosen: Settings) -> str:
    """Return what settings are called in a test's name."""
    return "-".join(str(value) for value in chosen.values())


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator of the CPU's."""
    return torch.Generator().manual_seed(seed)

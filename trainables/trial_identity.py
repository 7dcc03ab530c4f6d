"""What tells a trial from all others: a checkpoint is of one trial and goes on as no other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainables.configuration import Configuration, as_dict, parse_configuration


@dataclass(frozen=True)
class TrialIdentity:
    """The configuration, the seed and the data of a trial."""

    configuration: Configuration
    seed: int
    data: str
    """The fingerprint of the data set."""

    def state_dict(self) -> dict[str, Any]:
        """Return the identity as plain data, the first entries of a checkpoint."""
        return {
            "configuration": as_dict(self.configuration),
            "seed": self.seed,
            "data": self.data,
        }

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Make sure that a checkpoint is of this trial.

        Raises:
            ValueError: if the state is of another configuration, seed or data.
        """
        # Parsed, so that a setting that an older checkpoint does not know has its default.
        stored = as_dict(parse_configuration(state["configuration"]))
        for name, value in self.state_dict().items():
            found = stored if name == "configuration" else state[name]
            if found != value:
                raise ValueError(
                    f"the checkpoint's {name} must be the trial's: {found} is not {value}"
                )

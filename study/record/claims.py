"""What launches say of themselves on record: that they run a study, or are about to.

A claim is a tag of the study's experiment. What claims mean stands in `study.record.lease`.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from analysis.record.names import LEASE_PREFIX
from analysis.record.store_errors import is_store_error
from study.processes import ProcessIdentity, is_gone

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

GONE = "RESOURCE_DOES_NOT_EXIST"
"""What MLflow calls the error of deleting a tag that is not there."""


@dataclass(frozen=True)
class LeaseClaim:
    """What a launch says of itself in its tag."""

    scale: str
    token: str
    """Also ends the tag's name."""
    state: Literal["asks", "holds"]
    term: int
    """One more than that of any launch seen before; a later term ends an earlier one."""
    since: str
    """When the launch began, by the clock of its machine."""
    process: ProcessIdentity
    beat: int = 0
    """The sign of life, counted up."""

    @property
    def name(self) -> str:
        """The tag's name."""
        return f"{LEASE_PREFIX}{self.token}"

    @property
    def holder(self) -> str:
        """Who it is and since when, for people."""
        return (
            f"process {self.process.pid} on {self.process.host} holds this study since {self.since}"
        )

    def as_text(self) -> str:
        """Return the tag's value."""
        return json.dumps(asdict(self))


def read_claims(client: "MlflowClient", experiment_id: str, scale: str) -> list[LeaseClaim]:
    """Return what launches say of a study at a scale, the dead ones among them."""
    tags = client.get_experiment(experiment_id).tags
    return [claim for claim in parse_claims(tags) if claim.scale == scale]


def living_holder(claims: Iterable[LeaseClaim]) -> str:
    """Return who holds the study since when, by the last sign of life, or an empty text."""
    living = (each for each in claims if each.state == "holds" and not is_gone(each.process))
    return next((claim.holder for claim in living), "")


def parse_claims(tags: Mapping[str, str]) -> list[LeaseClaim]:
    """Return the claims among the tags of an experiment; what is none is left out."""
    claims = []
    for name, text in tags.items():
        if name.startswith(LEASE_PREFIX) and text:
            with suppress(ValueError, TypeError, KeyError):
                content: dict[str, Any] = json.loads(text)
                process = ProcessIdentity(**content.pop("process"))
                claims.append(LeaseClaim(**content, process=process))
    return claims


def write_claim(client: "MlflowClient", experiment_id: str, claim: LeaseClaim) -> LeaseClaim:
    """Write a claim with its next sign of life, and return what was written."""
    alive = replace(claim, beat=claim.beat + 1)
    client.set_experiment_tag(experiment_id, alive.name, alive.as_text())
    return alive


def withdraw_claim(client: "MlflowClient", experiment_id: str, claim: LeaseClaim) -> None:
    """Delete a claim; a server that is away, or cannot delete tags, must not end a launch."""
    for withdraw in (_delete_tag, _empty_tag):
        try:
            withdraw(client, experiment_id, claim.name)
        except Exception as error:
            if not is_store_error(error):
                raise
            if getattr(error, "error_code", "") == GONE:
                return
            log.warning("cannot withdraw %s: %s", claim.name, error)
        else:
            return


def _delete_tag(client: "MlflowClient", experiment_id: str, name: str) -> None:
    client.delete_experiment_tag(experiment_id, name)


def _empty_tag(client: "MlflowClient", experiment_id: str, name: str) -> None:
    """Empty a tag, for servers of older versions cannot delete an experiment's."""
    client.set_experiment_tag(experiment_id, name, "")

"""What the driver tells an actor of the trial that it trains."""

from typing import Any, TypedDict


class TrialAssignment(TypedDict):
    """What the driver asks of an actor: one trial. It is the trial's Ray Tune config."""

    name: str
    """What people call the trial: study, configuration and seed."""
    study: str
    point: str
    """The searched settings of the configuration, as people write them."""
    configuration: dict[str, Any]
    seed: int
    key: str
    data: str
    checkpoints: str
    checkpoint_seconds: float
    cpus: float
    gpus: float
    avoid: list[str]
    """Ids of nodes that must not be used."""
    timeout_seconds: float
    """How long the preparation of a trial may take; 0 for ever."""
    versions: dict[str, str]
    """Of the driver, as `code_versions` gives them; empty for an actor on the driver's machine."""
    fingerprint: str
    """Of the data set that the trial's key holds; a trial on other data is not trained."""
    own_modules: list[dict[str, Any]]
    """The users' modules that the trial's components come from (`OwnModule`)."""
    code: str
    """The digest of the code that the driver knows the trial's by; other code trains nothing."""
    proved: list[str]
    """Digests of other code that was proven equal: a checkpoint of theirs is gone on from."""
    rungs: list[int]
    """Epochs after which the trial saves itself and reports: it may have to wait there."""

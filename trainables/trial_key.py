"""The key of a trial and of a configuration: the hash under which the record knows it."""

import hashlib
import json
from typing import Any

from trainables.configuration import Configuration, non_default_settings


def hash_configuration(configuration: Configuration, *, data: str, seed: int | None = None) -> str:
    """Return the hash of the configuration, the data's fingerprint and, for a trial, the seed.

    Settings that have their default are left out: a setting that a later version adds, whose
    default is what was done before, leaves the keys of all trials on record as they are.
    """
    content: dict[str, Any] = {"configuration": non_default_settings(configuration), "data": data}
    if seed is not None:
        content["seed"] = seed
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()

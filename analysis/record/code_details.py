"""What digests of code stand for, as the runs of studies keep it: modules and versions."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.record.client import download_artifact, has_artifact, open_reader
from analysis.record.names import CODE_FILE
from analysis.record.study_info import StudyInfo


@dataclass(frozen=True)
class CodeDetails:
    """What one digest stands for."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """Name → hash of its source."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package → version."""

    def differences(self, other: "CodeDetails") -> tuple[str, ...]:
        """Return the modules and packages that both have and that differ, in words.

        Trials of two methods have modules that only one of them uses: those are left out.
        """
        moved = _differing(self.versions, other.versions)
        return (
            *_differing(self.modules, other.modules),
            *(f"{name} {self.versions[name]} and {other.versions[name]}" for name in moved),
        )


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names that both have and that stand for something else, in their order."""
    return sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])


def read_code_details(info: StudyInfo) -> dict[str, CodeDetails]:
    """Return what the digests of a study's trials stand for, as far as that is on record."""
    client = open_reader(info.tracking_uri)
    if not has_artifact(client, info.run_id, CODE_FILE):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        text = download_artifact(client, info.run_id, CODE_FILE, folder).read_text("utf-8")
    digests = json.loads(text).get("digests", {})
    return {
        digest: CodeDetails(found.get("modules", {}), found.get("versions", {}))
        for digest, found in digests.items()
    }


def code_differences(
    codes: Iterable[str], others: Iterable[str], known: Mapping[str, CodeDetails]
) -> tuple[str, ...] | None:
    """Return in what the code of two trials differs; empty if in nothing, None if unknown.

    Args:
        codes: the digests of all code that is known to compute the first trial.
        others: of the second trial.
        known: what digests stand for.
    """
    first, second = set(codes), set(others)
    if first & second:
        return ()
    told = [
        known[one].differences(known[other])
        for one in sorted(first & known.keys())
        for other in sorted(second & known.keys())
    ]
    return min(told, key=len) if told else None

"""The file of a profile, in speedscope's format: several named profiles that share their frames.

The format: https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
VIEWER = "https://www.speedscope.app"

Document = dict[str, Any]


class ProfileFileError(Exception):
    """The file of a profile cannot be written."""


def check_target(file: Path) -> None:
    """Check that a profile can be written, and change nothing.

    Raises:
        ProfileFileError: if it cannot.
    """
    if file.exists() and not file.is_file():
        raise ProfileFileError(f"--profile: cannot write {file}: it is there and is no file")
    try:
        with tempfile.TemporaryFile(dir=file.absolute().parent):
            pass
    except OSError as error:
        raise ProfileFileError(
            f"--profile: cannot write {file}: {error.strerror or error}"
        ) from error


def write_profiles(file: Path, name: str, rendered: Mapping[str, Document]) -> None:
    """Write profiles as one file, whole or not at all.

    Args:
        file: where to.
        name: what speedscope calls the file.
        rendered: by name, a document of one profile each.

    Raises:
        OSError: if the file cannot be written.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(merged_profiles(name, rendered)), "utf-8")
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk is fuller with the half of a file on it
        raise


def merged_profiles(name: str, rendered: Mapping[str, Document]) -> Document:
    """Return one document of several profiles.

    Args:
        name: of the whole.
        rendered: by the name of the profile, a document of one profile each.
    """
    numbers: dict[str, int] = {}
    frames: list[Document] = []
    profiles: list[Document] = []
    for title, document in rendered.items():
        places = []
        for frame in document["shared"]["frames"]:
            known = {key: value for key, value in frame.items() if value is not None}
            text = json.dumps(known, sort_keys=True)
            if text not in numbers:
                numbers[text] = len(frames)
                frames.append(known)
            places.append(numbers[text])
        for profile in document["profiles"]:
            events = [{**event, "frame": places[event["frame"]]} for event in profile["events"]]
            end = max(profile["endValue"], max((event["at"] for event in events), default=0.0))
            profiles.append({**profile, "name": title, "endValue": end, "events": events})
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "lamix-study with pyinstrument",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": profiles,
    }

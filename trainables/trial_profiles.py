"""Profiles of trials on their way to the driver: files in one folder, by trial key.

The trial's process writes them and the driver, perhaps on another machine, reads them.
"""

import gzip
import json

from pyinstrument.session import Session

from trainables.storage import StorageFolder, open_storage


class TrialProfiles:
    """The profiles that trials of one launch have left."""

    def __init__(self, folder: StorageFolder) -> None:
        """Take the folder that they are in (`open_profiles`)."""
        self.folder = folder

    def save(self, key: str, session: Session) -> None:
        """Write a trial's profile, whole or not at all."""
        # Packed, it is a hundredth: most of it are the same names again.
        content = gzip.compress(json.dumps(session.to_json()).encode(), compresslevel=1)
        self.folder.write(_file_of(key), content)

    def load(self, key: str) -> Session | None:
        """Return a trial's profile, or None if it has left none."""
        content = self.folder.read(_file_of(key))
        return None if content is None else Session.from_json(json.loads(gzip.decompress(content)))


def _file_of(key: str) -> str:
    return f"{key}.json.gz"


def open_profiles(location: str, *, create: bool = True) -> TrialProfiles:
    """Open the folder of profiles of trials.

    Args:
        location: an absolute path or a URI such as ``s3://bucket/path``.
        create: whether to make the folder where there is none.

    Raises:
        OSError: if the place cannot be reached, or the folder not be made.
        ValueError: if the location is none that is understood.
    """
    return TrialProfiles(open_storage(location, create=create))

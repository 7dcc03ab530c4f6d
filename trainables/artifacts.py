"""Files that a trial leaves at its end, kept beside its checkpoint until they are on record.

The trial's process writes them and the driver, perhaps on another machine and after a crash, takes
them to the record: both find them by the trial's key.
"""

from trainables.storage import StorageFolder, open_storage


class TrialArtifacts:
    """The files of each trial, by trial key and name."""

    def __init__(self, folder: StorageFolder) -> None:
        """Take the folder that holds them."""
        self.folder = folder

    def save(self, key: str, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        self.folder.write(f"{key}.{name}", content)

    def load(self, key: str, name: str) -> bytes | None:
        """Return what the file holds, or None if there is none."""
        return self.folder.read(f"{key}.{name}")

    def discard(self, key: str, name: str) -> None:
        """Delete the file, if there is one."""
        self.folder.delete(f"{key}.{name}")


def open_artifacts(location: str) -> TrialArtifacts:
    """Open the folder of files of trials, which is made where there is none.

    Args:
        location: an absolute path or a URI such as ``s3://bucket/path``.

    Raises:
        OSError: if the place cannot be reached, or the folder not be made.
        ValueError: if the location is none that is understood.
    """
    return TrialArtifacts(open_storage(location))

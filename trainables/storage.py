"""A folder of files on a local disk or in an object store, each written whole or not at all."""

import os
from contextlib import suppress

from pyarrow import fs

PART = ".part"
"""How the name of a file ends that is not written to its end yet, or never will be."""


class StorageFolder:
    """Files by name in one flat folder.

    A write replaces the file in one move, so a reader sees the old content or the new one, whole;
    on a local disk also after a loss of power, once the write has returned.
    """

    def __init__(self, files: fs.FileSystem, path: str) -> None:
        """Take a folder that is open (`open_storage`).

        Args:
            files: the file system that it is in.
            path: where in there.
        """
        self.files, self.path = files, path

    def of(self, name: str) -> str:
        """Return where the file is, for messages."""
        return f"{self.path}/{name}"

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file."""
        if isinstance(self.files, fs.LocalFileSystem):
            self._write_locally(name, content)
            return
        # An object store shows a file only once it is closed; a disk shows it while it grows.
        with self.files.open_output_stream(self.of(name)) as stream:
            stream.write(content)

    def _write_locally(self, name: str, content: bytes | memoryview) -> None:
        part = f"{self.of(name)}.{os.getpid()}{PART}"
        try:
            with open(part, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())  # or the new name could be kept without its content
            os.replace(part, self.of(name))
        except OSError:
            with suppress(OSError):  # a full disk is fuller with the half of a file on it
                os.unlink(part)
            raise
        sync_folder(self.path)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, or None if there is none."""
        try:
            with self.files.open_input_file(self.of(name)) as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None
        return content

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        try:
            self.files.delete_file(self.of(name))
        except FileNotFoundError:
            return

    def names(self) -> set[str]:
        """Return the names of all files."""
        entries = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return {entry.base_name for entry in entries}

    def destroy(self) -> None:
        """Delete the folder with all that is in it, folders too."""
        if self.files.get_file_info(self.path).type != fs.FileType.NotFound:
            self.files.delete_dir(self.path)


def open_storage(location: str, *, create: bool = True) -> StorageFolder:
    """Open a folder.

    Args:
        location: an absolute path or a URI such as ``s3://bucket/path``.
        create: whether to make the folder where there is none.

    Raises:
        OSError: if the place cannot be reached, or the folder not be made.
        ValueError: if the location is none that is understood.
    """
    files, path = fs.FileSystem.from_uri(location)
    if create:
        files.create_dir(path, recursive=True)
    return StorageFolder(files, path)


def location_below(location: str, *names: str) -> str:
    """Return the location of a folder below another: a path or a URI, whose query stays at its end.

    Args:
        location: ``/folder`` or ``s3://bucket/path?endpoint_override=host:port``.
        names: of the folders on the way.
    """
    path, mark, query = location.partition("?") if "://" in location else (location, "", "")
    return "/".join([path.rstrip("/"), *names]) + mark + query


def sync_folder(path: str) -> None:
    """Have the names of a local folder's files on its disk, where its file system can do that."""
    try:
        folder = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)


def describe_error(error: OSError) -> str:
    """Return why a file cannot be used, without its name: the same for all files of a full disk."""
    return os.strerror(error.errno) if error.errno else " ".join(str(error).split())

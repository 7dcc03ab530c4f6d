"""Where a study keeps what it needs to go on: one folder per study and scale.

Trials save their checkpoints in the same folder, which all machines then share, or in an object
store. With an object store the folder holds the driver's own files alone, and what these hold is on
record as well.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from study.scratch import lend_scratch

DEFAULT = "state"
CHECKPOINTS = "checkpoints"
"""The folder of the trials' checkpoints."""


def _below(root: str, *parts: str) -> str:
    """Return a place below a path or a URI; see `trainables.storage.location_below`."""
    # Late: pyarrow takes .3 s, which the help of commands need not wait for.
    from trainables import storage

    return storage.location_below(root, *parts)


def local_folder(root: str) -> Path:
    """Return the folder of the driver's own files: `root`, or the default with an object store."""
    return Path(DEFAULT if "://" in root else root).absolute()


@dataclass(frozen=True)
class StateFolder:
    """The files of one study at one scale."""

    folder: Path
    shared: str
    """What trials need on all nodes: the same folder, or a URI."""
    kept: Path | None = None
    """The folder that a copy is of: what is measured for a copy is kept there."""
    made: tuple[Path, ...] = ()
    """The folders that were not there before, the innermost first."""

    @classmethod
    def open(cls, root: str, study: str, scale: str) -> "StateFolder":
        """Return the folder below `root`, a path or a URI (``s3://bucket/path``), and make it.

        Raises:
            ValueError: if the URI holds credentials.
        """
        if "://" in root and "@" in root:
            raise ValueError("credentials of an object store belong in the environment")
        folder = local_folder(root) / study / scale
        made = tuple(one for one in (folder, *folder.parents) if not one.exists())
        folder.mkdir(parents=True, exist_ok=True)
        shared = str(folder)
        if "://" in root:
            shared = _below(root, study, scale)
        return cls(folder, shared, made=made)

    @contextmanager
    def discarded_if_refused(self) -> Iterator[None]:
        """Leave no new folder behind that holds nothing if the block raises: nothing was started.

        A log with words in it stays: it may hold why the block raises.
        """
        try:
            yield
        except BaseException:
            self._discard_unused()
            raise

    @contextmanager
    def discarded_unless_used(self) -> Iterator[None]:
        """Leave no new folder behind that holds nothing: after a plan, or a refusal of it."""
        with self.discarded_if_refused():
            yield
        with suppress(OSError):
            if self.log.exists():
                self._discard_unused()

    def _discard_unused(self) -> None:
        """Delete what `open` has made, if only the lock and an empty log were put there since."""
        if self.folder not in self.made or (self.log.exists() and self.log.stat().st_size):
            return
        with suppress(OSError):  # a folder that is not empty stays, and those around it
            (self.folder / CHECKPOINTS).rmdir()
        if {entry.name for entry in self.folder.iterdir()} <= {self.lock.name, self.log.name}:
            self.log.unlink(missing_ok=True)
            self.lock.unlink(missing_ok=True)
            with suppress(OSError):
                for folder in self.made:
                    folder.rmdir()

    @contextmanager
    def copy(self) -> Iterator["StateFolder"]:
        """Lend a copy of what a plan needs to know; the plan may change the copy."""
        with lend_scratch("plan") as scratch:
            copied = StateFolder(Path(scratch), scratch, self.folder)
            if self.optuna.exists():
                shutil.copy(self.optuna, copied.optuna)
            yield copied

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.folder / "lock"

    @property
    def optuna(self) -> Path:
        """Optuna's storage, a SQLite file."""
        return self.folder / "optuna.db"

    @property
    def spool(self) -> Path:
        """Records on their way to MLflow."""
        return self.folder / "records.jsonl"

    @property
    def shares(self) -> Path:
        """What was measured of trials that share a GPU."""
        return (self.kept or self.folder) / "shares.json"

    @property
    def checkpoints(self) -> str:
        """Checkpoints of unfinished trials: an absolute path or a URI."""
        return _below(self.shared, CHECKPOINTS)

    @property
    def scratch(self) -> str:
        """Ray Tune's own files, which nobody reads: an absolute path or a URI."""
        return _below(self.shared, "tune")

    @property
    def profiles(self) -> str:
        """Profiles of trials, while a launch takes them: an absolute path or a URI."""
        return _below(self.shared, "profiles")

    @property
    def log(self) -> Path:
        """What Ray and the libraries had to say."""
        return self.folder / "log.txt"

    @property
    def kept_log(self) -> Path:
        """The log that stays, to be named to the user: of a copy, that of its original."""
        return (self.kept or self.folder) / self.log.name

"""Where a study keeps what it needs to go on: one folder per study and scale."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEFAULT = "state"


@dataclass(frozen=True)
class State:
    """The files of one study at one scale."""

    folder: Path

    @classmethod
    def open(cls, root: Path, study: str, scale: str) -> "State":
        """Make the folder below `root`, if need be."""
        state = cls(root.absolute() / study / scale)
        state.folder.mkdir(parents=True, exist_ok=True)
        return state

    @contextmanager
    def copy(self) -> Iterator["State"]:
        """Lend a copy of what a plan needs to know, which it may change."""
        with tempfile.TemporaryDirectory(prefix="study-plan-") as scratch:
            copied = State(Path(scratch))
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
    def checkpoints(self) -> Path:
        """Unfinished trials."""
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        """What Ray and the libraries had to say."""
        return self.folder / "log.txt"

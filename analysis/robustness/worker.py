"""The process that runs trained networks, so that the analysis itself needs no PyTorch.

It is `python -m trainables.robustness`: a line of JSON in, a line out. It holds the data and the
perturbed images from one trial to the next.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trainables.robustness_document import ScoreRequest

MODULE = "trainables.robustness"
ROOT = Path(__file__).parents[2]
"""Where the packages lie: the process finds them there, from any working directory."""
ENDING_SECONDS = 10.0
"""How long the process may take to end once nothing more is asked."""


class WorkerEndedError(RuntimeError):
    """The process has ended before it answered."""


class RobustnessWorker:
    """The process, begun at the first question."""

    def __init__(self, data: Path) -> None:
        """Begin nothing yet.

        Args:
            data: the folder of the data sets.
        """
        self.data = data
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):  # what was asked of a process that has ended
            process.stdin.close()
        try:
            process.wait(0 if kind else ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def ask(self, *, settings: dict[str, Any], weights: Path, seed: int, key: str) -> Any:
        """Return the scores of a trial's weights, or `reason`, why there are none.

        Args:
            settings: of the trial, by their parts.
            weights: the file that the trial has kept.
            seed: the trial's.
            key: the trial's.

        Raises:
            WorkerEndedError: if the process ends.
        """
        process = self._begun()
        assert process.stdin is not None and process.stdout is not None
        request = ScoreRequest(settings=settings, weights=str(weights), seed=seed, key=key)
        try:
            process.stdin.write(f"{json.dumps(request)}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise WorkerEndedError(f"the process that evaluates has ended: {process.wait()}")
        return json.loads(answer)

    def _begun(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, "--data", str(self.data)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_search_path())},
                text=True,
                encoding="utf-8",
            )
        return self._process


def _search_path() -> list[str]:
    return [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]

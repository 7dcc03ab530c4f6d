"""The exit statuses of a launch."""

from typing import Literal

from analysis.command_line import NOTHING_DONE

DONE = 0
"""All trials ended as planned."""
FAILED = 1
"""Some trial failed for good."""
BAD_INPUT = NOTHING_DONE
"""Nothing was started."""
INTERRUPTED = 130
"""The same command goes on."""

RUN_STATUS: dict[int, Literal["FINISHED", "FAILED", "KILLED"]] = {
    DONE: "FINISHED",
    FAILED: "FAILED",
    INTERRUPTED: "KILLED",
}
"""MLflow's status of the study's run after a launch with this exit status."""


def incomplete_status(status: int) -> int:
    """Return the exit status of a launch that has not put all on record."""
    return INTERRUPTED if status == DONE else status

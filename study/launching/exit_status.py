"""The exit statuses of a launch."""

from typing import Literal

DONE = 0
"""All trials ended as planned."""
FAILED = 1
"""Some trial failed for good."""
BAD_INPUT = 2
"""Nothing was started."""
INTERRUPTED = 130
"""The same command goes on."""

RUN_STATUS: dict[int, Literal["FINISHED", "FAILED", "KILLED"]] = {
    DONE: "FINISHED",
    FAILED: "FAILED",
    INTERRUPTED: "KILLED",
}
"""MLflow's status of the study's run after a launch with this exit status."""

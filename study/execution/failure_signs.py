"""What a trial's failure is a sign of, by the words of Ray and of the errors of its own."""

from trainables.code_digest import CodeChangedError
from trainables.datasets import DataChangedError

NODE_LOST = ("node has died", "node died", "NodeDiedError")
"""Ray's words for a trial whose node is known to be lost."""
PROCESS_LOST = ("ActorUnavailableError", "ActorDiedError")
"""Ray's words where it cannot tell yet what became of the trial's process, or of its node."""


CHANGES = (DataChangedError.__name__, CodeChangedError.__name__)
"""The errors of a trial that is not what its key and its record say, on this machine or any."""


def change_in(failure: str) -> str:
    """Return what has changed of data or code, if a failed attempt says that it has, or nothing."""
    said = [
        line.rpartition(f"{name}: ")[2]
        for line in failure.splitlines()
        for name in CHANGES
        if f"{name}: " in line
    ]
    return said[-1] if said else ""

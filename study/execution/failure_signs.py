"""What a trial's failure is a sign of, by the words of Ray and of the errors of its own."""

from trainables.datasets import DataChangedError

NODE_LOST = ("node has died", "node died", "NodeDiedError")
"""Ray's words for a trial whose node is known to be lost."""
PROCESS_LOST = ("ActorUnavailableError", "ActorDiedError")
"""Ray's words where it cannot tell yet what became of the trial's process, or of its node."""


def data_change_in(failure: str) -> str:
    """Return what has changed of the data, if a failed attempt says that it has, or nothing."""
    sign = f"{DataChangedError.__name__}: "
    said = [line.rpartition(sign)[2] for line in failure.splitlines() if sign in line]
    return said[-1] if said else ""

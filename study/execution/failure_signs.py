"""What a trial's failure is a sign of, by the words of Ray and of the errors of its own."""

from trainables.code_digest import CodeChangedError
from trainables.datasets import DataChangedError
from trainables.node_checks import OtherVersionsError

NODE_LOST = ("node has died", "node died", "NodeDiedError")
"""Ray's words for a trial whose node is known to be lost."""
PROCESS_LOST = ("ActorUnavailableError", "ActorDiedError")
"""Ray's words where it cannot tell yet what became of the trial's process, or of its node."""


CHANGES = (DataChangedError, CodeChangedError)
"""The errors of a trial that is not what its key and its record say, on this machine or any."""


def change_in(failure: str) -> str:
    """Return what has changed of data or code, if a failed attempt says that it has, or nothing."""
    return next(filter(None, (_last_words(failure, kind) for kind in CHANGES)), "")


def other_versions_in(failure: str) -> tuple[str, str]:
    """Return the id of the node that has other versions, and which; or nothing for both."""
    node, _, different = _last_words(failure, OtherVersionsError).partition(": ")
    return node, different


def _last_words(failure: str, kind: type[Exception]) -> str:
    """Return what the last error of a kind in a traceback says, or nothing."""
    sign = f"{kind.__name__}: "
    said = [line.rpartition(sign)[2] for line in failure.splitlines() if sign in line]
    return said[-1] if said else ""

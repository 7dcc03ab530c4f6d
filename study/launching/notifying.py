"""A word on how a launch goes, to where its study says: a failure, a decision, the end.

Sent by apprise from a thread of its own, and waited for briefly. Whatever goes wrong with it is
said, and changes nothing of the study.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from analysis.counted import agreeing, count_text
from analysis.record.credentials import hide_logins
from study.file.notify_targets import TargetError, filled_target, shown_target
from study.launching.exit_status import DONE, FAILED
from study.launching.study_launch import StudyLaunch
from study.launching.watching import watch_meanwhile
from study.scheduling.progress import describe_left, describe_settled, describe_spent
from study.scheduling.scheduler import StudyScheduler

SEND_SECONDS = 15.0
"""How long a launch waits for an address that takes no word."""
ENDS = {DONE: "done", FAILED: "done, but some trials failed"}


@contextmanager
def watch_news(launch: StudyLaunch, say: Callable[[str], None]) -> Iterator[None]:
    """Send word of the first trial that fails for good, and of each decision of a race.

    Args:
        launch: which is watched until the block ends.
        say: called, from another thread, with what could not be sent.
    """
    if not launch.study.notify:
        yield
        return
    told: set[str] = set()

    def look() -> bool:
        for news in _news_of(launch.scheduler):
            if news not in told:
                told.add(news)
                tell(launch, news.partition(":")[0], news, say=say)
        return True

    with watch_meanwhile(look, name="news"):
        yield


def tell_end(launch: StudyLaunch, status: int) -> None:
    """Send word that the launch is over, and how."""
    if not launch.study.notify:
        return
    scheduler = launch.scheduler
    race = scheduler.looks.race
    parts = [
        describe_left(scheduler),
        describe_spent(scheduler),
        describe_settled(scheduler),
        f"{race.describe_state()}." if race and race.decision else "",
        *(f"Failed for good: {trial.name}." for trial in scheduler.failures),
    ]
    end = ENDS.get(status, "interrupted; the same command goes on")
    tell(launch, end, "\n".join(part for part in parts if part), say=launch.say)


def tell(launch: StudyLaunch, what: str, body: str, *, say: Callable[[str], None]) -> None:
    """Send a word to all addresses of a study; say to which it could not be sent."""
    title = f"{launch.study.name}, {launch.study.scale}: {what}"
    for target in send_words(launch.study.notify, title, hide_logins(body or what)):
        say(f"The notification by {shown_target(target)} could not be sent.")


def send_words(
    targets: Sequence[str], title: str, body: str, *, seconds: float = SEND_SECONDS
) -> list[str]:
    """Send a message and return the addresses that have not taken it in time.

    Args:
        targets: addresses of apprise, perhaps with variables of the environment.
        title: a line.
        body: further lines.
        seconds: after which an address counts as one that takes nothing.
    """
    taken: set[str] = set()

    def send(target: str) -> None:
        if _is_sent(target, title, body):
            taken.add(target)

    # Each in a thread of its own: one that hangs keeps neither the others nor the launch.
    threads = [threading.Thread(target=send, args=(each,), daemon=True) for each in targets]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(timeout=max(0.0, until - time.monotonic()))
    return [target for target in targets if target not in taken]


def _is_sent(target: str, title: str, body: str) -> bool:
    try:
        import apprise  # late: an extra that few studies need

        # What apprise and its transport log holds the address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY)
        sender = apprise.Apprise(asset=asset)
        return bool(sender.add(filled_target(target)) and sender.notify(body=body, title=title))
    except (ImportError, TargetError):
        return False
    except Exception:  # whatever an address brings about is no matter of the study
        return False


def _news_of(scheduler: StudyScheduler) -> Iterator[str]:
    if scheduler.failures:
        yield f"A trial failed for good: {scheduler.failures[0].name}."
    race = scheduler.looks.race
    if race is not None and race.decision is not None:
        decision = race.decision
        left = len(decision.going_on)
        still = f"{left} of {len(race.racing)} {agreeing(left, 'goes', 'go')} on"
        if decision.next_look is None:
            yield f"The race has decided: {decision.verdict}."
        elif len(decision.going_on) < len(race.racing):
            yield (
                f"The race has decided on some: {still} to "
                f"{count_text(decision.next_look, 'seed')}."
            )

"""The profile of a launch: its start, its trials, its end, and the first trial of each kind.

pyinstrument samples the main thread of this process. The process of a trial samples itself, and
leaves what it has found below the state folder (`trainables.profiled_trial`).
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyinstrument.renderers import SpeedscopeRenderer
from pyinstrument.session import Session

from study.launching import signals
from study.launching.profile_file import VIEWER, check_target, write_profiles
from study.launching.profile_summary import summary_lines
from trainables.sampling import ThreadSampler

if TYPE_CHECKING:  # what a launch loads is part of its profile, and is not loaded for it
    from study.trials import CostClass, Trial

START, TRIALS, END = "start", "trials", "end"
PLAN, LAUNCH = "plan", "launch"
"""Of a plan, and of a launch in which no trial begins."""


class LaunchProfile:
    """The profile of one launch. Its methods are called on the main thread."""

    def __init__(self, file: Path, *, planning: bool) -> None:
        """Prepare.

        Args:
            file: where the profile is to be written.
            planning: whether the launch is a plan.
        """
        self.file = file
        self.profiles = ""
        """The folder where trials leave their profiles, once it is known: a path or a URI."""
        self.is_over = False
        """Whether the profile was written, or could not be."""
        self._alone = PLAN if planning else LAUNCH
        self._start: Session | None = None
        self._trials = ThreadSampler()
        """From the first trial's beginning to the last end that is known."""
        self._now = ThreadSampler()
        """Since then; before the first trial, since the command."""
        self._running = 0
        self._first_of_kind: dict[CostClass, Trial] = {}

    def begin(self) -> None:
        """Begin to sample."""
        self._now.begin()

    def profiles_of(self, trial: "Trial") -> str:
        """Return where a trial is to leave its profile, or nothing if it is to leave none."""
        if not self._first_of_kind:  # what a launch that was killed has left is none of this one
            self._remove_profiles(lambda sentence: None)
        first = self._first_of_kind.setdefault(trial.cost_class, trial)
        return self.profiles if first is trial else ""

    def note_running(self, running: int) -> None:
        """Take how many trials are under way; when none is, the end of the launch may have begun.

        The end is sampled on its own from its beginning: trials of hours must not thin it.
        """
        if self._start is None:
            if running:
                self._start = self._closed_stretch()
                self._now.begin()
        elif bool(running) != bool(self._running):  # what looked like the end may have been none
            self._trials.add(self._closed_stretch())
            self._now.begin()
        self._now.thin()
        self._running = running

    def _closed_stretch(self) -> Session | None:
        self._now.pause()
        session, self._now = self._now.session, ThreadSampler()
        return session

    def save(self, say: Callable[[str], None]) -> str | None:
        """End the profile, write it and say what it shows.

        Returns:
            the file, or None if it cannot be written or was written before.
        """
        if self.is_over:
            return None
        self.is_over = True
        sessions = self._driver_sessions()
        for name, trial in self._named_trials().items():
            session = self._left_session(trial, say)
            if session is None:
                say(
                    f"{name} has left no profile: its process ended before it could write one, or "
                    "its node lacks pyinstrument."
                )
            else:
                sessions[name] = session
        if self._first_of_kind:
            self._remove_profiles(say)
        rendered = {name: _rendered_session(session) for name, session in sessions.items()}
        try:
            write_profiles(self.file, self.file.name, rendered)
        except OSError as error:
            say(f"The profile is lost: cannot write {self.file}: {error.strerror or error}.")
            return None
        say(f"Profile: {self.file}, to be opened at {VIEWER}")
        for name, session in sessions.items():
            for line in summary_lines(name, session):
                say(f"  {line}")
        return str(self.file)

    def discard(self) -> None:
        """End the profile without a file."""
        self.is_over = True
        self._now.pause()

    def _driver_sessions(self) -> dict[str, Session]:
        last = self._closed_stretch()
        if self._start is None:
            parts = {self._alone: last}
        elif self._running:  # the process ends amid its trials
            self._trials.add(last)
            parts = {START: self._start, TRIALS: self._trials.session}
        else:
            parts = {START: self._start, TRIALS: self._trials.session, END: last}
        return {name: session for name, session in parts.items() if session is not None}

    def _named_trials(self) -> dict[str, "Trial"]:
        """Return the trials that were to leave a profile, by the names of their profiles."""
        named: dict[str, Trial] = {}
        for trial in self._first_of_kind.values():
            name = f"trial: regularizer={trial.configuration.regularizer.name} seed={trial.seed}"
            if name in named:
                name += f" ({trial.name})"
            named[name if name not in named else f"{name} {len(named)}"] = trial
        return named

    def _left_session(self, trial: "Trial", say: Callable[[str], None]) -> Session | None:
        # Late: what it loads is part of a launch that has trials.
        from trainables.trial_profiles import open_profiles

        try:
            return open_profiles(self.profiles, create=False).load(trial.key)
        except (OSError, ValueError, EOFError) as error:
            say(f"A profile in {self.profiles} cannot be read: {error}")
            return None

    def _remove_profiles(self, say: Callable[[str], None]) -> None:
        # Late, as above.
        from trainables.storage import open_storage

        try:
            open_storage(self.profiles, create=False).destroy()
        except OSError as error:
            say(f"{self.profiles} cannot be deleted: {error}")


@contextmanager
def profile_launch(file: Path, *, planning: bool) -> Iterator[LaunchProfile]:
    """Profile the block, from now on.

    The block saves the profile at its end. An interrupt saves what there is; a block that ends in
    another way, such as a refusal, leaves no file.

    Args:
        file: where the profile is to be written.
        planning: whether the launch is a plan.

    Raises:
        ProfileFileError: if the file cannot be written.
    """
    check_target(file)
    profile = LaunchProfile(file, planning=planning)
    profile.begin()
    try:
        with signals.quit_at_signals_after(lambda: profile.save(_say_beside)):
            yield profile
    except KeyboardInterrupt:
        profile.save(_say_beside)
        raise
    finally:
        profile.discard()


def _say_beside(sentence: str) -> None:
    """Say a sentence on the standard error, where an interrupt is told."""
    print(sentence, file=sys.stderr)


def _rendered_session(session: Session) -> dict[str, object]:
    """Return a document of speedscope's format with one profile."""
    # Of a timeline no part is too small: a training step is one of thousands.
    renderer = SpeedscopeRenderer(processor_options={"filter_threshold": 0.0})
    document: dict[str, object] = json.loads(renderer.render(session))
    return document

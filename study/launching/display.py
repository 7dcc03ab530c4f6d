"""What the user sees while a study runs: a live display on a terminal, plain lines elsewhere."""

import logging
import statistics
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from analysis.console import print_prose, prose_width
from analysis.counted import count_text, duration_text
from analysis.record.names import FAILED
from analysis.tables.configurations import TIE_DIGITS
from analysis.terminal import text_width, wrapped
from study.file.space import describe_point
from study.launching.trial_lines import trial_lines
from study.scheduling.progress import is_settled, trial_counts
from study.scheduling.scheduler import StudyScheduler
from study.trials import ConfigurationTrials, Trial

log = logging.getLogger(__name__)

Shown = TypeVar("Shown")

LINE_SECONDS = 10.0
"""How often a line is printed where there is no terminal."""
WIDEST_BAR = 40
NARROWEST_BAR = 8
LABEL = 10
"""The width of labels and of a line's time, in characters."""
DRAWING = 0.02
"""The share of the time that drawing may take; it grows with the number of trials."""
FEWEST_ENDED = 2
"""Trials that have ended before a pace is told."""
EARLY = 20
"""In the first seconds of a launch, this many, no pace and no time left are shown."""


class LaunchDisplay:
    """Shows how far a study is. It is told of changes and draws when it is time."""

    def __init__(
        self,
        scheduler: StudyScheduler,
        console: Console,
        *,
        facts: list[tuple[str, str]],
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        """Prepare.

        Args:
            scheduler: whose study to show.
            console: where.
            facts: label and text of what does not change: dashboard, MLflow UI, log.
            trouble: asked at each drawing what else the user should know; empty if nothing.
        """
        self.scheduler = scheduler
        self.console = console
        self.facts = facts
        self.trouble = trouble
        self.occupancy: Callable[[], str] = lambda: ""
        """Asked at each drawing how the nodes are used; empty if there is nothing to say."""
        self.noticed: set[str] = set()
        self.started = time.monotonic()
        """When the first trial of this launch began; until then, when the display did."""
        self._has_begun = False
        self._last_line = float("-inf")
        self._drawn: RenderableType = ""
        self._next_drawing = float("-inf")
        self._live = Live(
            console=console,
            get_renderable=self._latest_picture,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        for label, text in self.facts:
            shown = wrapped(f"{label:<{LABEL}}{text}", prose_width(self.console), hanging=LABEL)
            line = Text.assemble((shown[:LABEL], "dim"), shown[LABEL:])
            self.console.print(line, highlight=False, soft_wrap=True)
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Give the terminal back, with a last line."""
        self._live.stop()
        self._print_line()

    def note_change(self) -> None:
        """Take note that something happened."""
        if not self._has_begun and self.scheduler.running:
            self._has_begun, self.started = True, time.monotonic()
        if not self.console.is_terminal and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._print_line()

    def say(self, text: str) -> None:
        """Show a sentence above the display, and keep it there."""
        print_prose(self.console, text)

    def say_later(self, text: str) -> None:
        """Show a sentence from another thread: this one may be writing when a signal comes."""
        threading.Thread(target=self.say, args=(text,), daemon=True).start()

    def say_once(self, text: str) -> None:
        """Show a sentence above the display once, however often it is said."""
        if text not in self.noticed:
            self.noticed.add(text)
            self.say(text)

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        stamp = time.strftime("%H:%M:%S")
        line = _shown_or(lambda: " · ".join([self._counts_text(), *self._remarks()]), "…")
        print_prose(self.console, f"{stamp}  {line}", hanging=LABEL)

    def _latest_picture(self) -> RenderableType:
        began = time.monotonic()
        if began >= self._next_drawing:
            self._drawn = _shown_or(self._draw, self._drawn)
            ended = time.monotonic()
            self._next_drawing = ended + (ended - began) / DRAWING
        return self._drawn

    def _draw(self) -> RenderableType:
        done, total = trial_counts(self.scheduler)
        counts, width = self._counts_text(), self.console.width
        room = min(WIDEST_BAR, width - text_width(counts) - 1)
        lines: list[RenderableType] = [Text(counts)]
        if room >= NARROWEST_BAR:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(ProgressBar(total=total, completed=done, width=room), counts)
            lines = [bar]
        running = sorted(self.scheduler.running, key=lambda trial: (trial.number, trial.seed))
        lines += [Text(line) for line in trial_lines(running, width)]
        lines += [Text(part) for part in self._remarks()]
        return Group(*lines)

    def _remarks(self) -> list[str]:
        """Return what there is to say beside the counts."""
        race = self.scheduler.looks.race
        parts = [self.occupancy(), self._best_text(), race.describe_state() if race else ""]
        parts += [self._pace_text(), self._time_left_text(), self.trouble()]
        return [part for part in parts if part]

    def _counts_text(self) -> str:
        done, total = trial_counts(self.scheduler)
        running = len(self.scheduler.running)
        failed = sum(trial.outcome == FAILED for trial in self.scheduler.trials.values())
        text = (
            f"{done:,} of {count_text(total, 'trial')} done · {running} running · "
            f"{total - done - running:,} to do"
        )
        return f"{text} · {failed} failed" if failed else text

    def _best_text(self) -> str:
        objectives = self.scheduler.study.search.objectives
        judged = [
            configuration
            for configuration in self.scheduler.configurations
            if configuration.judgement.state == "complete" and configuration.judgement.is_feasible
        ]
        if not judged or len(objectives) > 1 or not self.scheduler.study.search.selects:
            return ""
        race = self.scheduler.looks.race
        best = race.leader if race else None
        best = best or min(judged, key=lambda each: each.judgement.values[0])
        means = [round(each.judgement.values[0], TIE_DIGITS) for each in judged]
        tied = 0 if race else means.count(min(means)) - 1
        name = describe_point(best.point) + (f" and {tied} more as low" if tied else "")
        return f"best so far: {name}, {objectives[0]} {_mean_and_spread(best)}"

    def _pace_text(self) -> str:
        """Return how many trials an hour this launch trains; those under way count in part.

        What a trial takes beside its epochs is known by those that have ended, not by one alone.
        """
        elapsed = time.monotonic() - self.started
        if elapsed < EARLY or self._ended_here() < FEWEST_ENDED:
            return ""
        trials = sum(
            _epochs_trained_here(trial) / trial.epochs for trial in self.scheduler.trials.values()
        )
        per_hour = trials / elapsed * 3600
        return f"{per_hour:,.{0 if per_hour >= 10 else 1}f} trials an hour"

    def _time_left_text(self) -> str:
        elapsed = time.monotonic() - self.started
        trained = sum(map(_epochs_trained_here, self.scheduler.trials.values()))
        if self.scheduler.stopping or not (trained or self.scheduler.running):
            return ""  # nothing that is left begins in this launch, or nothing has begun
        _, total = trial_counts(self.scheduler)
        typical = statistics.fmean(t.epochs for t in self.scheduler.trials.values())
        left = max(0.0, total * typical - self._epochs_done())
        if not left:
            return ""
        if elapsed < EARLY or not self._is_pace_known():
            return "no estimate of the time left yet"
        return f"about {duration_text(left * elapsed / trained)} left"

    def _is_pace_known(self) -> bool:
        """Return whether a trial has ended here, or all that run have two epochs behind them.

        The first epoch of a trial, with what comes before it, takes longer than any other.
        """
        trained = [_epochs_trained_here(trial) for trial in self.scheduler.running]
        return self._ended_here() > 0 or (bool(trained) and min(trained) >= 2)

    def _ended_here(self) -> int:
        """Return how many trials this launch has trained to their end."""
        return sum(
            trial.state == "done" and _epochs_trained_here(trial) > 0
            for trial in self.scheduler.trials.values()
        )

    def _epochs_done(self) -> float:
        return sum(
            trial.epochs if is_settled(trial, configuration) else _epochs_done(trial)
            for configuration in self.scheduler.configurations
            for trial in configuration.wanted_trials
        )


def _shown_or(draw: Callable[[], Shown], otherwise: Shown) -> Shown:
    """Return what is drawn, or else something: a fault of the display must not end a study.

    On a terminal another thread draws what the study changes meanwhile.
    """
    try:
        return draw()
    except Exception:
        log.warning("the display could not be drawn", exc_info=True)
        return otherwise


def _epochs_done(trial: Trial) -> int:
    """Return how many epochs of a trial are done; a trial that has ended keeps no history."""
    return trial.epochs if trial.state == "done" else len(trial.history)


def _epochs_trained_here(trial: Trial) -> int:
    """Return how many of them this launch has done."""
    return _epochs_done(trial) - trial.found


def _mean_and_spread(configuration: ConfigurationTrials) -> str:
    values = [trial.values[0] for trial in configuration.wanted_trials if trial.values]
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.2f} (1 seed)"
    return f"{mean:.2f} ± {statistics.stdev(values):.2f} ({len(values)} seeds)"

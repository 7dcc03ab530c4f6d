"""The lines of the live display that say how far each running trial is."""

from collections.abc import Sequence

from analysis.terminal import cut_text, padded, text_width
from study.trials import Trial

NARROW = 70
"""In a narrower terminal the speed of a trial is left out."""
SHORTEST_NAME = 12
"""Characters that a trial's name keeps at least."""


def trial_lines(trials: Sequence[Trial], width: int) -> list[str]:
    """Return a line for each trial, its name and how far it is, at most so wide.

    A name that is too long loses its beginning: the values that differ and the seed stand last.
    """
    states = [_progress_text(trial, speed=width >= NARROW) for trial in trials]
    longest = max(map(text_width, states), default=0)
    room = max(SHORTEST_NAME, width - longest - 4)
    # The beginning is cut: the text is turned round, cut at its end, and turned back.
    names = [cut_text(trial.name[::-1], room)[::-1] for trial in trials]
    column = max(map(text_width, names), default=0)
    return [f"  {padded(n, column)}  {state}" for n, state in zip(names, states, strict=True)]


def _progress_text(trial: Trial, *, speed: bool) -> str:
    if not trial.history:
        return "starting"
    last = trial.history[-1]
    error = last.validation_error if last.validation_error is not None else last.test_error
    text = f"epoch {last.epoch}/{trial.epochs}  error {error:.2f}%"
    return f"{text}  {last.images_per_second:,.0f} images/s" if speed else text

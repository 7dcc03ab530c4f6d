"""What the trials to do will take, in the words of a plan."""

import math
from collections.abc import Sequence

import torch

from analysis.counted import agreeing, count_text, duration_text
from study.launching.estimate import StudyEstimate
from study.scheduling.gpu_shares import MEMORY_MARGIN
from study.scheduling.granted import granted_megabytes
from study.scheduling.memory_room import trials_that_fit
from study.scheduling.scheduler import StudyScheduler
from study.trials import cost_class
from trainables.configuration import Configuration

NO_ROOM = "none: no node has room for a trial, so that a launch here is refused"
SPREAD = 0.25
"""Half the width of the range that is given around an estimate."""


def estimate_lines(
    found: StudyEstimate, scheduler: StudyScheduler, configurations: Sequence[Configuration]
) -> list[tuple[str, str]]:
    """Return label and text of what the trials to do will take.

    Args:
        found: the figures.
        scheduler: reconciled with the record.
        configurations: of all trials to do.
    """
    study = scheduler.study
    shares = {scheduler.shares.share_of(cost_class(c)) for c in configurations}
    wall, hours, gpu = found.wall_seconds, found.work_hours, found.unit == "GPU"
    lines = [
        ("work", f"{_show_hours(hours * 3600)} {found.unit}-hours ({_hours_range(hours)})"),
        ("wall time", NO_ROOM if wall is None else _wall_time(wall, found.side_by_side)),
        *_memory_lines(found, gpu=gpu),
        ("measured by", "; ".join(found.basis)),
    ]
    if not gpu and max(shares) > 0:
        said = "the figures are of this machine's CPU, not of a GPU"
        if wall is None:
            said += "; where there is none, --set resources.gpus=0 trains on CPUs"
        lines.append(("no GPU here", said))
    if study.search.early_stopping is not None:
        lines.append(
            ("assumed", f"no trial is stopped early ({study.search.early_stopping.name} may save)")
        )
    return lines


def _wall_time(seconds: float, beside: Sequence[int]) -> str:
    return (
        f"about {duration_text(seconds)} ({duration_text(seconds * (1 - SPREAD))} to "
        f"{duration_text(seconds * (1 + SPREAD))}), "
        f"{_beside_words(beside)}"
    )


def _beside_words(beside: Sequence[int]) -> str:
    if tuple(beside) == (1,):
        return "one trial at a time"
    return f"{' or '.join(map(str, beside))} trials side by side"


def _memory_lines(found: StudyEstimate, *, gpu: bool) -> list[tuple[str, str]]:
    peak = found.memory_mb
    if peak is None:
        return []
    lines = [("memory", f"{peak:,.0f} MB a trial at its peak")]
    if gpu:
        total = torch.cuda.get_device_properties(0).total_memory / 2**20
        fit = math.floor(total / (peak * MEMORY_MARGIN))
        lines.append(
            (
                "GPU share",
                f"up to {count_text(fit, 'trial')} {agreeing(fit, 'fits', 'fit')} into one "
                f"GPU of {total:,.0f} MB",
            )
        )
    elif (granted := granted_megabytes()) is not None:
        fit = trials_that_fit(granted, peak)
        if fit < max(found.side_by_side, default=0):
            lines.append(
                ("", f"{granted:,.0f} MB of memory hold {fit} side by side, fewer than have CPUs")
            )
    return lines


def _show_hours(seconds: float) -> str:
    hours = seconds / 3600
    digits = 1 if hours >= 0.1 else 3 if hours >= 0.001 else 5
    return f"{hours:,.{digits}f}"


def _hours_range(hours: float) -> str:
    return (
        f"{_show_hours(hours * 3600 * (1 - SPREAD))} to {_show_hours(hours * 3600 * (1 + SPREAD))}"
    )

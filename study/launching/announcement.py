"""The first words of a launch: which study and scale this is, and what the paper's setting is."""

from pathlib import Path

from rich.console import Console

from analysis.console import print_prose
from analysis.counted import count_text
from study.file.names import PAPER_SCALE
from study.file.problems import StudyFileError
from study.file.resolved import ResolvedStudy, load_study


def announce_study(study: ResolvedStudy, console: Console, *, named: bool) -> None:
    """Say which study and scale this is and, if none was named, what the paper's is."""
    judged = ", ".join(study.search.objectives)
    for bound in study.search.constraints:
        judged += f"; {bound}"
    print_prose(
        console,
        f"{study.name} · scale {study.scale}: {study.question}\n"
        f"{study_size(study)}, sampler {study.search.sampler}, judged by {judged}"
        + (f"\n{study.used_up}" if study.used_up else ""),
    )
    if not named and PAPER_SCALE in study.scales:
        try:
            size = study_size(load_study(Path(study.source), scale=PAPER_SCALE))
        except StudyFileError as error:
            size = f"it has mistakes: {error}"
        print_prose(
            console,
            f"No --scale is given, so this is the {study.scale} one. The paper's setting is "
            f"--scale paper ({size}); --scale paper --plan says what that costs.",
            style="dim",
        )


def study_size(study: ResolvedStudy) -> str:
    """Return how many trials of which length on which networks and data sets a study has."""
    search, count = study.search, study.configurations
    most = len(search.seed_list)
    seeds, trials = count_text(most, "seed"), count_text(count * most, "trial")
    if search.race is not None:
        seeds = f"{search.judging_seeds} to {seeds}"
        trials = f"{count * search.judging_seeds:,} to {trials}"
    extremes = study.extremes()
    lengths = list(dict.fromkeys(each.training.epochs for each in extremes))
    epochs = ", ".join([*map(str, lengths[:-1]), count_text(lengths[-1], "epoch")])
    networks = ", ".join(dict.fromkeys(each.network.name for each in extremes))
    datasets = ", ".join(dict.fromkeys(each.dataset.name for each in extremes))
    return (
        f"{study.at_most}{count_text(count, 'configuration')} x {seeds} = {trials} of {epochs}, "
        f"{networks} on {datasets}"
    )

"""What there is to do, where, and what it costs, before anything is started."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from analysis.console import print_prose
from analysis.counted import count_text
from analysis.terminal import padded
from study.file.resolved import ResolvedStudy
from study.file.space import Point, describe_point
from study.launching.estimate import StudyEstimate, estimate_study, planned_work
from study.launching.estimate_words import estimate_lines
from study.launching.opening_words import (
    describe_belonging,
    describe_changes_since,
    describe_code,
)
from study.launching.outlook import budget_lines
from study.launching.places import choose_cluster, lend_place
from study.launching.study_launch import LaunchRefusedError, StudyLaunch
from study.launching.trial_costs import costs_by_class
from study.record.claims import living_holder, read_claims
from study.record.errors import RecordError, store_errors_told
from study.scheduling.gpu_shares import ShareError
from study.scheduling.nodes import StudyPlace, describe_nodes
from study.scheduling.progress import describe_settled
from study.scheduling.scheduler import StudyScheduler
from study.trials import ConfigurationTrials, RecordedTrial, Trial
from trainables.configuration import Configuration

SHOWN = 30
"""Configurations listed one by one."""
LABEL = 16
"""The width of the labels, in characters."""


@dataclass(frozen=True)
class TrialCounts:
    """The trials of a study by their state."""

    all: int
    done: int
    running: int
    """That another launch trains now."""
    cut_off: int
    to_adopt: int
    """Of other studies, which have finished them."""
    to_do: int


@dataclass(frozen=True)
class StudyPlan:
    """What there is to do, and what it costs."""

    scheduler: StudyScheduler
    """Reconciled with the record."""
    upcoming: Sequence[Point]
    """The configurations that will be chosen next, as far as that is known."""
    trials: TrialCounts
    estimate: StudyEstimate | None
    """None where nothing is to train."""


def plan_study(launch: StudyLaunch, address: str | None) -> StudyPlan:
    """Say what there is to do, where, and what it costs; start nothing.

    Args:
        launch: prepared for planning.
        address: of an existing Ray cluster; without one RAY_ADDRESS says which, or this machine.

    Raises:
        LaunchRefusedError: if the cluster cannot be used or a trial cannot be measured.
    """
    said = (
        *describe_changes_since(launch),
        *describe_belonging(launch.found),
        *describe_code(launch),
    )
    for sentence in said:
        launch.say(sentence)
    running = _running_elsewhere(launch)
    choose_cluster(address)
    try:
        with lend_place(launch) as place:
            measured = launch.shares.measure_missing(
                launch.study.extremes(), place.bench, say=launch.say
            )
            if measured:
                launch.say(f"What was measured is kept, for the launch: {launch.folder.shares}")
            plan = print_plan(
                launch.scheduler,
                launch.recorded,
                launch.console,
                upcoming=launch.search.upcoming(launch.scheduler.unasked),
                adoptable=launch.code.elsewhere.adoptable.keys(),
                running=running,
                data=launch.data,
                place=place,
            )
    except ShareError as error:
        raise LaunchRefusedError(str(error)) from error
    launch.record.close(timeout=0)
    return plan


def _running_elsewhere(launch: StudyLaunch) -> frozenset[str]:
    """Return the keys of trials that another launch trains now, and say which launch that is.

    Raises:
        LaunchRefusedError: if the tracking server cannot be asked.
    """
    record = launch.record
    if not record.experiment_id:
        return frozenset()
    try:
        with store_errors_told("cannot ask who runs this study"):
            claims = read_claims(record.client, record.experiment_id, launch.study.scale)
    except RecordError as error:
        raise LaunchRefusedError(str(error)) from error
    holder = living_holder(claims)
    if not holder:
        return frozenset()
    launch.say(f"Running now: {holder}. This plan is of what it leaves to do at this moment.")
    return frozenset(key for key, each in launch.recorded.items() if each.status == "RUNNING")


def print_plan(
    scheduler: StudyScheduler,
    recorded: Mapping[str, RecordedTrial],
    console: Console,
    *,
    upcoming: Sequence[Point],
    data: Path,
    place: StudyPlace,
    adoptable: Collection[str] = (),
    running: Collection[str] = (),
) -> StudyPlan:
    """Print the configurations known so far, what is done and to do, where, and an estimate.

    Args:
        scheduler: reconciled with the record.
        recorded: the record's trials by key.
        console: where to print.
        upcoming: the configurations that will be chosen next, as far as that is known.
        data: the folder of the data sets.
        place: what the study would run on.
        adoptable: keys of trials that are adopted from other studies.
        running: keys of trials that another launch trains now.
    """
    study = scheduler.study
    trials = [trial for each in scheduler.configurations for trial in each.wanted_trials]
    unasked = scheduler.unasked
    going_on = [c for c in scheduler.configurations if c.judgement.state != "pruned"]
    todo = [trial for each in going_on for trial in each.wanted_trials]
    todo = list(dict.fromkeys(trial for trial in todo if trial.state != "done"))
    seeds = study.search.seed_list[: study.search.judging_seeds]
    more = unasked * len(seeds)
    at_most = study.at_most if more else ""
    live = sum(t.key in running for t in todo)
    cut_off = sum(t.cut_off and t.key not in running for t in todo)
    counts = TrialCounts(
        all=len(trials) + more,
        done=sum(t.state == "done" for t in trials),
        running=live,
        cut_off=cut_off,
        to_adopt=len(adoptable),
        to_do=len(todo) + more - live - cut_off - len(adoptable),
    )
    coming = [t for t in scheduler.known.planned_trials(upcoming) if t.key not in adoptable]
    lines = [
        ("configurations", _describe_configurations(scheduler)),
        ("seeds", _describe_seeds(study)),
        (
            "trials",
            f"{at_most}{counts.all}: {counts.done} done, "
            + (f"{counts.running} running now, " if counts.running else "")
            + f"{counts.cut_off} cut off, "
            + (f"{counts.to_adopt} to adopt, " if counts.to_adopt else "")
            + f"{at_most}{counts.to_do} to do",
        ),
        *_race_lines(scheduler),
        ("nodes", describe_nodes(place.nodes, study.resources.cpus, *scheduler.shares.sizes)),
    ]
    if place.dashboard:
        lines.append(("dashboard", place.dashboard))
    _print_lines(console, lines)
    _print_configurations(scheduler.configurations, upcoming, console, running=running)
    if not todo and not more:
        print_prose(console, "Nothing to do: every trial of the study is done.")
        return StudyPlan(scheduler, upcoming, counts, None)
    todo = [trial for trial in todo if trial.key not in adoptable]
    configurations = [t.configuration for t in todo]
    if upcoming:
        configurations += [trial.configuration for trial in coming]
    else:
        configurations += [c for c in _stand_ins(study, unasked) for _ in seeds]
    if not configurations:
        print_prose(console, "Nothing to train: what is missing is adopted from other studies.")
        return StudyPlan(scheduler, upcoming, counts, None)
    costs = costs_by_class(
        configurations,
        recorded,
        scheduler,
        data,
        say=lambda sentence: print_prose(console, sentence),
    )
    estimate = estimate_study(scheduler, todo, configurations, costs, place)
    _print_lines(console, estimate_lines(estimate, scheduler, configurations))
    if study.budget is not None and estimate.wall_seconds is not None:
        work = planned_work(scheduler, todo, configurations, costs, place)
        _print_lines(console, budget_lines(scheduler, study.budget, work))
    return StudyPlan(scheduler, upcoming, counts, estimate)


def _describe_configurations(scheduler: StudyScheduler) -> str:
    """Return how many configurations are chosen of how many, and whether the search has settled."""
    study = scheduler.study
    chosen = f"{len(scheduler.configurations):,} chosen of {study.at_most}{study.configurations:,}"
    settled = describe_settled(scheduler)
    return f"{chosen}; {settled[0].lower()}{settled[1:]}" if settled else chosen


def _describe_seeds(study: ResolvedStudy) -> str:
    race, seeds = study.search.race, study.search.seed_list
    if race is None:
        return f"{len(seeds)}: {', '.join(map(str, seeds))}"
    return f"{race.schedule[0]} to {len(seeds)}, looks at {', '.join(map(str, race.schedule))}"


def _race_lines(scheduler: StudyScheduler) -> list[tuple[str, str]]:
    """Return where a race stands, and between which numbers that of its trials will lie."""
    study, race = scheduler.study, scheduler.looks.race
    if race is None:
        return []
    settings = study.search
    fewest, most = settings.judging_seeds, len(settings.seed_list)
    bounds = (
        f"{study.configurations * fewest:,} to "
        f"{count_text(study.configurations * most, 'trial')} in all"
    )
    state = race.describe_state() or "the trials above are those before the first look"
    return [("race", f"{bounds}; {state}")]


def _stand_ins(study: ResolvedStudy, count: int) -> list[Configuration]:
    """Return configurations in place of those not chosen yet: the corners of the space in turn."""
    corners = study.extremes()
    return [corners[i % len(corners)] for i in range(count)]


def _print_configurations(
    configurations: Sequence[ConfigurationTrials],
    upcoming: Sequence[Point],
    console: Console,
    *,
    running: Collection[str],
) -> None:
    rows = [(each.point, _trial_states(each, running)) for each in configurations]
    rows += [(point, "to do") for point in upcoming]
    for number, (point, states) in enumerate(rows[:SHOWN]):
        print_prose(
            console, f"  {number:>4}  {padded(describe_point(point), 32)} {states}", hanging=6
        )
    if len(rows) > SHOWN:
        print_prose(console, f"        and {len(rows) - SHOWN} more")


def _trial_states(configuration: ConfigurationTrials, running: Collection[str]) -> str:
    """Return how many of a configuration's trials are in which state."""
    counts = Counter(
        "running now" if trial.key in running else _trial_state(trial, configuration)
        for trial in configuration.wanted_trials
    )
    return ", ".join(f"{count:,} {state}" for state, count in counts.items())


def _trial_state(trial: Trial, configuration: ConfigurationTrials) -> str:
    if trial.state == "done":
        return "done"
    if configuration.judgement.state == "pruned":
        return "stopped early"
    return "cut off" if trial.cut_off else "to do"


def _print_lines(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    for label, text in lines:
        print_prose(console, f"{label:<{LABEL}}{text}", hanging=LABEL)

"""Which command would give a finished study more seeds, what it costs and how likely it decides.

Nobody is invited to look again and again: there is a command only where more seeds are likely to
decide something that is open, and what it decides allows for the looks before.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis import trials
from analysis.counted import count_text
from analysis.tables.next_look import foresee_next_look
from analysis.tables.race import tell_race
from study.file.evidence import SeedRace
from study.launching.study_launch import StudyLaunch

if TYPE_CHECKING:
    import pandas as pd

SEEDS_FLAG = re.compile(r" --set[ =]('search\.seeds[.=][^']*'|search\.seeds[.=]\S+)")
"""A flag of a command that sets the seeds."""


def more_seeds(
    launch: StudyLaunch,
    frame: "pd.DataFrame",
    table: "pd.DataFrame",
    factors: list[str],
    looks: Sequence[int],
) -> list[tuple[str, str]]:
    """Return the command that gives more seeds, with what it would bring, or nothing.

    Args:
        launch: of a finished study with a single objective.
        frame: its trials.
        table: over its configurations.
        factors: what names a configuration.
        looks: numbers of seeds at which was looked, this look included.
    """
    search = launch.study.search
    bare = SEEDS_FLAG.sub("", launch.command)
    if search.race is not None:
        return _further_look(launch, frame, table, factors, bare, search.race)
    if not search.selects:
        return []  # nothing is the best of a comparison: two of its rows lie lowest by chance
    if search.seeds != len(search.seed_list):
        return []  # a list of chosen seeds has no next one
    (objective,) = trials.shown_objectives(search.objectives)
    found = foresee_next_look(frame, table, objective, looks)
    if found is None:
        return []
    if not found.more:
        launch.say(found.remark)
        return []
    command = f"{bare} --set search.seeds={len(search.seed_list) + found.more}"
    return [(command, found.sentence)]


def _further_look(
    launch: StudyLaunch,
    frame: "pd.DataFrame",
    table: "pd.DataFrame",
    factors: list[str],
    bare: str,
    race: SeedRace,
) -> list[tuple[str, str]]:
    """Return the command that adds a look to a race that is undecided at its cap."""
    looks = [*race.schedule, race.schedule[-1] + (race.schedule[-1] + 1) // 2]
    recorded = launch.study.as_dict()["search"]
    longer = {**recorded, "seeds": {**recorded["seeds"], "looks": looks}}
    (objective,) = trials.shown_objectives(launch.study.search.objectives)
    story = tell_race(frame, table, factors, longer, objective=objective, foresee=True)
    if story is None or story.outlook is None:
        return []
    outlook = story.outlook
    flags = f"search.seeds.most={looks[-1]} --set search.seeds.looks={looks}".replace(", ", ",")
    purpose = (
        f"a look at {looks[-1]} seeds, {count_text(outlook.trials, 'trial')}: decides "
        "something with probability "
        f"{outlook.progress:.2f}, all with {outlook.over:.2f}"
    )
    return [(f"{bare} --set {flags}", purpose)]

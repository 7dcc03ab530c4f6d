"""What must hold in a study file beyond the types of its keys."""

import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pydantic

from analysis.counted import count_text
from study.file import document, space
from study.file import points as file_points
from study.file.ablation import ablation_problems, with_ablation
from study.file.annotations import drop_nulls, setting_paths
from study.file.device_rules import device_problems
from study.file.evidence_rules import constraint_problems, race_problems, settling_problems
from study.file.messages import MOST_PROBLEMS, problems_of
from study.file.notify_targets import target_problems
from study.file.point_rules import point_rule
from study.file.points import with_labels
from study.file.problems import FileProblem
from study.file.samplers import LEARNING_SAMPLERS, NOT_LEARNING_SAMPLERS, SAMPLERS
from study.file.sections import DocumentSection
from study.file.setting_types import number_kind
from study.file.settings import (
    MOST_CONFIGURATIONS,
    SearchSettings,
    Study,
)
from study.file.space import Point, Space, SpaceError
from trainables.configuration import Configuration, parse_configuration
from trainables.metrics import SELECTING_NOTHING, description_of
from trainables.plugins import per_known_set
from trainables.settings import parse_settings

MOST_COMBINATIONS = 2000
"""How many configurations are checked before a study starts."""
MOST_TRIALS = 1_000_000
"""Configurations times seeds."""
SPACE = "search.space."
TRIAL = "trial."


@per_known_set
def known_paths() -> tuple[str, ...]:
    """Return the dotted paths of all settings of a study file."""
    return (*setting_paths(Study), *setting_paths(Configuration, "trial."))


def parse_study_space(section: Mapping[str, Any]) -> Space:
    """Read a space; its ranges hold the kind of numbers that their settings take.

    Raises:
        SpaceError: naming the path that is wrong.
    """
    for path in map(str, section):
        if path.startswith(TRIAL):
            below = path.removeprefix(TRIAL)
            raise SpaceError(path, f"paths of a space begin below `trial`; write `{below}`")
    return space.parse_space(section, kind_of=number_kind)


def plain_study(resolved: DocumentSection) -> Any:
    """Return a study as plain data, without the nulls that only leave a setting out."""
    plain = drop_nulls(document.as_plain_data(resolved), Study)
    if isinstance(plain.get("trial"), Mapping):
        plain["trial"] = drop_nulls(plain["trial"], Configuration)
    return plain


def find_problems(resolved: DocumentSection) -> list[FileProblem]:
    """Return the mistakes that can be found without guessing what another one was to mean.

    Of very many, the first.
    """
    found = list(dict.fromkeys(itertools.islice(_problems(resolved), 50 * MOST_PROBLEMS)))
    return found[:MOST_PROBLEMS]


def _problems(resolved: DocumentSection) -> Iterator[FileProblem]:
    plain = plain_study(resolved)
    try:
        study: Study = parse_settings(Study, plain)
    except pydantic.ValidationError as error:
        for path, rule in problems_of(error, Study, tree=known_paths()):
            yield problem_at(resolved, path, rule)
        search = plain.get("search")
        section = search.get("space", {}) if isinstance(search, Mapping) else {}
        searched = yield from _space_problems(section, resolved)
        trial = plain.get("trial")
        if searched is not None and isinstance(trial, Mapping):
            yield from _trial_problems(trial, searched, section, resolved)
        return
    broken = [*ablation_problems(study), *target_problems(study.notify)]
    for path, rule in broken:
        yield problem_at(resolved, path, rule)
    if broken:
        return
    study = with_ablation(study)
    searched = yield from _space_problems(study.search.space, resolved)
    if searched is not None:
        yield from _search_problems(study.search, searched, resolved)
        valid = yield from _trial_problems(study.trial, searched, study.search.space, resolved)
        yield from _validation_problems(study.search, valid, resolved)
        for each in device_problems(study.resources.gpus, valid):
            yield problem_at(resolved, *each)


def _space_problems(
    section: Any, resolved: DocumentSection
) -> Generator[FileProblem, None, Space | None]:
    """Yield what is wrong with the space, and return it if nothing is."""
    if not isinstance(section, Mapping):
        return None
    right = True
    searched: Space = {}
    for part in (*({path: value} for path, value in section.items()), section):
        try:
            searched = parse_study_space(part)
        except SpaceError as error:
            right = False
            yield problem_at(resolved, _space_path(error.path, section), str(error))
    return searched if right else None


def _search_problems(
    search: SearchSettings, searched: Space, resolved: DocumentSection
) -> Iterator[FileProblem]:
    """Yield what is wrong between the settings of the search."""

    def problem(path: str, rule: str) -> FileProblem:
        return problem_at(resolved, f"search.{path}", rule)

    if search.sampler == "grid":
        if search.configurations is not None:
            yield problem("configurations", "a grid takes every point once; leave it out")
        if search.enqueue:
            yield problem("enqueue", "a grid takes every point in order; leave it out")
        try:
            size = file_points.grid_size(searched)
        except SpaceError as error:
            yield problem_at(resolved, _space_path(error.path, search.space), str(error))
        else:
            if size > MOST_CONFIGURATIONS:
                rule = f"a grid has at most {MOST_CONFIGURATIONS:,} points, but got {size:,}"
                yield problem("space", f"{rule}; use another sampler with `configurations`")
    else:
        if search.configurations is None:
            yield problem("configurations", f"is required with `sampler: {search.sampler}`")
        if not searched:
            yield problem("space", "is empty: there is nothing to search; use `sampler: grid`")
    seeds = len(search.seed_list)
    if seeds * (search.most_configurations or 0) > MOST_TRIALS:
        rule = f"a study has at most {MOST_TRIALS:,} trials"
        yield problem(
            "configurations",
            f"{rule}, but got {search.most_configurations} x {count_text(seeds, 'seed')}",
        )
    if len(set(search.seed_list)) < len(search.seed_list):
        yield problem("seeds", f"must be distinct, but got {_shorten(search.seed_list)}")
    if len(set(search.objectives)) < len(search.objectives):
        yield problem("objective", f"must be distinct, but got {list(search.objectives)}")
    if not search.selects and search.sampler in LEARNING_SAMPLERS:
        yield problem(
            "objective",
            f"{SELECTING_NOTHING} says nothing of unseen images, so no search may follow it; "
            f"use one of the samplers {', '.join(NOT_LEARNING_SAMPLERS)}, or another objective, "
            f"but got {search.sampler}",
        )
    if len(search.objectives) > 1 and search.early_stopping is not None:
        yield problem("early_stopping", "needs a single objective, but there are several")
    if len(search.objectives) > 1 and not SAMPLERS[search.sampler].takes_several_objectives:
        able = [name for name in LEARNING_SAMPLERS if SAMPLERS[name].takes_several_objectives]
        yield problem(
            "sampler", f"{search.sampler} needs a single objective; use one of {', '.join(able)}"
        )
    evidence = (*race_problems(search, searched), *settling_problems(search, searched))
    for path, rule in (*evidence, *constraint_problems(search)):
        yield problem(path, rule)
    for index, point in enumerate(search.enqueue):
        labelled = with_labels(searched, point)
        for path, value in labelled.items():
            broken = point_rule(searched, labelled, path, value)
            if broken:
                yield problem(f"enqueue[{index}].{path}", broken)


def _trial_problems(
    trial: Mapping[str, Any], searched: Space, section: Mapping[str, Any], resolved: DocumentSection
) -> Generator[FileProblem, None, list[Configuration]]:
    """Yield what is wrong with any configuration of the space, ends of ranges included.

    Returns the configurations that are right.
    """
    for path in searched:
        if _is_given(trial, path):
            rule = "is searched (`search.space`), so that a value here would be ignored"
            yield problem_at(resolved, f"trial.{path}", rule)
    valid = []
    for point in file_points.end_combinations(searched, most=MOST_COMBINATIONS):
        try:
            valid.append(parse_configuration(file_points.apply_point(trial, point, searched)))
        except SpaceError as error:
            yield problem_at(resolved, _space_path(error.path, section), str(error))
        except pydantic.ValidationError as error:
            for path, rule in problems_of(error, Configuration, tree=known_paths()):
                searched_by = _searched_at(path, point)
                if searched_by is None:
                    yield problem_at(resolved, f"trial.{path}".rstrip("."), rule)
                    continue
                rule = rule.replace(f"did you mean `{TRIAL}", "did you mean `")
                where = _space_path(searched_by, section)
                yield problem_at(resolved, where, f"{rule} (searched value of {searched_by})")
    return valid


def _validation_problems(
    search: SearchSettings, configurations: list[Configuration], resolved: DocumentSection
) -> Iterator[FileProblem]:
    """Yield what the search measures and the trials do not."""
    unvalidated = any(not c.dataset.validation for c in configurations)
    for objective in search.objectives:
        if unvalidated and description_of(objective).split == "validation":
            rule = f"{objective} needs a validation share, but `trial.dataset.validation` is 0"
            yield problem_at(resolved, "search.objective", rule)
    for index, metric in enumerate(search.bounded):
        if unvalidated and description_of(metric).split == "validation":
            rule = f"{metric} needs a validation share, but `trial.dataset.validation` is 0"
            yield problem_at(resolved, f"search.constraints[{index}].metric", rule)
    if search.early_stopping is None:
        return
    if unvalidated:
        rule = "needs a validation share, but `trial.dataset.validation` is 0"
        yield problem_at(resolved, "search.early_stopping", rule)
    epochs = min((c.training.epochs for c in configurations), default=math.inf)
    grace = search.early_stopping.grace_period
    if grace >= epochs:
        rule = f"must be below the {count_text(epochs, 'epoch')} of a trial, but got `{grace}`"
        yield problem_at(resolved, "search.early_stopping.grace_period", rule)


def _is_given(trial: Mapping[str, Any], path: str) -> bool:
    """Return whether `trial` sets what is searched; the mere name of a component may stay."""
    value: Any = trial
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return value is not None and not (isinstance(value, Mapping) and set(value) <= {"name"})


def _searched_at(path: str, point: Point) -> str | None:
    """Return the searched path that decides `path`: itself or one it lies below."""
    return max(
        (p for p in point if path == p or path.startswith(f"{p}.") or p.startswith(f"{path}.")),
        key=len,
        default=None,
    )


def _space_path(path: str, section: Mapping[str, Any]) -> str:
    """Return where in the file a searched path stands: an inner one, in its alternatives' list."""
    keys = [key for key in section if path == key or path.startswith(f"{key}.")]
    return f"search.space.{max(keys, key=len)}" if keys else f"search.space.{path}"


def problem_at(resolved: DocumentSection, path: str, rule: str) -> FileProblem:
    """Return a mistake at a dotted path, with the line that the path has in the file."""
    ablate = resolved.get("ablate")
    ablated = ablate.get("to") if isinstance(ablate, Mapping) else None
    searched = path.removeprefix(SPACE)
    if isinstance(ablated, Mapping) and path != searched and searched in ablated:
        path = f"ablate.to.{searched}"  # it joins the space by the ablation
    return FileProblem.at(path, rule, document.line_of(resolved, document.keys_to(path)))


def _shorten(values: Sequence[Any]) -> str:
    text = str(list(values[:30]))
    return text if len(values) <= 30 else f"{text[:-1]}, …]"

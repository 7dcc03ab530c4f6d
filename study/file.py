"""The study file, typed, resolved for one scale, and validated in full before anything starts."""

import json
import math
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from annotated_types import Ge, MinLen
from pydantic import Field, Strict

from study import document, space
from study.document import Section
from study.problems import Problem, StudyFileError
from study.space import Domain, Point, Space, SpaceError
from study.validation import problems_of
from trainables.configuration import Configuration, configuration
from trainables.settings import Count, Index, NonNegative, Positive, nearest, parse, settings

DEFAULT_SCALE = "quick"
REQUIRED_SCALES = ("quick", "paper")

Objective = Literal[
    "validation_error", "best_validation_error", "epoch_seconds", "peak_memory_mb", "train_loss"
]
LEARNING_SAMPLERS = ("tpe", "gp", "cmaes", "nsga2")
"""Samplers whose next configuration depends on the results so far."""
MOST_COMBINATIONS = 2000
"""How many configurations are checked before a study starts."""


@settings
class Asha:
    """Asynchronous successive halving. Li et al. 2020, arXiv:1810.05934."""

    name: Literal["asha"] = "asha"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    reduction_factor: Annotated[int, Strict(), Ge(2)] = 4
    """One in so many configurations goes on at each rung."""


@settings
class Median:
    """Stop a configuration that is worse than the median of the others at the same epoch."""

    name: Literal["median"] = "median"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    startup_configurations: Count = 5
    """Configurations that must have ended before the first is stopped."""


@settings
class Hyperband:
    """HyperBand: several brackets of successive halving. Li et al. 2018, arXiv:1603.06560."""

    name: Literal["hyperband"] = "hyperband"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    reduction_factor: Annotated[int, Strict(), Ge(2)] = 3
    """One in so many configurations goes on at each rung."""


EarlyStopping = Annotated[Asha | Median | Hyperband, Field(discriminator="name")]


@settings
class Search:
    """What is searched, how, and by what it is judged."""

    sampler: Literal["tpe", "gp", "cmaes", "random", "qmc", "grid", "nsga2"] = "tpe"
    """Optuna's sampler; `grid` takes every point of the space once."""
    sampler_seed: Index = 0
    """Keys the sampler's randomness."""
    configurations: Count | None = None
    """How many points of the space are tried; not with `grid`."""
    seeds: Count | Annotated[tuple[Index, ...], MinLen(1)] = 5
    """How many seeds (0, 1, 2, …), or which; a configuration is judged by its mean over them."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Dotted path from `trial` → range {low, high, step, log} or list of choices."""
    enqueue: tuple[dict[str, Any], ...] = ()
    """Points to try first; a path left out is chosen by the sampler."""
    objective: Objective | Annotated[tuple[Objective, ...], MinLen(1)] = "validation_error"
    """What is minimised, in the last epoch (or the best, where it says so). `train_loss` selects
    nothing: it is for tables of chosen configurations that train on all images."""
    early_stopping: EarlyStopping | None = None
    """Ends configurations that do badly; null trains all to the end."""

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds themselves."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives as a tuple, also when there is one."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective

    @property
    def selects(self) -> bool:
        """Whether a best configuration is chosen."""
        return "train_loss" not in self.objectives


@settings
class Resources:
    """A trial's share of a machine."""

    gpus: NonNegative | Literal["auto"] = 0.0
    """GPUs, fractions allowed; 0 trains on the CPU. `auto` measures, before trials start, how many
    of each kind share a GPU best."""
    cpus: Positive = 1.0
    """CPU cores, and threads."""


@settings
class Checkpoints:
    """How often unfinished trials are saved."""

    at_least_every_seconds: Positive = 300.0
    """Saved sooner where a save costs less than 2% of the time since the last."""


@settings
class Study:
    """A study file, resolved for one scale."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The study's name, and the MLflow experiment's."""
    question: str
    """What the study asks, in a sentence."""
    trial: dict[str, Any]
    """What all trials share: dataset, network, regularizer, training."""
    search: Search
    """What is searched."""
    resources: Resources = Resources()
    """A trial's share of a machine."""
    checkpoints: Checkpoints = Checkpoints()
    """How often unfinished trials are saved."""
    scales: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    """Named overrides of everything above; `quick` is the default, `paper` the paper's setting."""


class ResolvedStudy:
    """A valid study at one scale: what the rest of the program works from."""

    def __init__(self, study: Study, *, scale: str, written: str, source: str) -> None:
        self.name = study.study
        self.question = study.question
        self.scale = scale
        self.search = study.search
        self.resources = study.resources
        self.checkpoints = study.checkpoints
        self.trial = study.trial
        self.space: Space = space.parse(study.search.space)
        self.scales = study.scales
        self.written = written
        """The file as written."""
        self.source = source
        """Where the file was."""

    def configuration(self, point: Point) -> Configuration:
        """Return the full configuration of a point of the space."""
        return configuration(space.apply(self.trial, point, self.space))

    def extremes(self) -> list[Configuration]:
        """Return configurations that together hold every end of a range and every alternative."""
        points = list(space.corners(self.space)) or [{}]
        return list(dict.fromkeys(self.configuration(point) for point in points))

    @cached_property
    def configurations(self) -> int:
        """How many configurations the study has when it is done."""
        if self.search.sampler == "grid":
            return space.grid_size(self.space)
        assert self.search.configurations is not None
        return self.search.configurations

    def enqueued(self) -> list[Point]:
        """Return the points to try first, perhaps incomplete, as the space itself writes them."""
        points = []
        for point in self.search.enqueue:
            labelled = _labelled(self.space, point)
            domains = space.reached(self.space, labelled)
            points.append(
                {path: _snapped(domains[path], value) for path, value in labelled.items()}
            )
        return points

    def as_dict(self) -> dict[str, Any]:
        """Return the study as plain data, resolved, every default spelled out."""
        import dataclasses

        search = {**dataclasses.asdict(self.search), "seeds": list(self.search.seed_list)}
        return {
            "study": self.name,
            "question": self.question,
            "scale": self.scale,
            "trial": document.plain(self.trial),
            "search": json.loads(json.dumps(search)),
            "resources": dataclasses.asdict(self.resources),
            "checkpoints": dataclasses.asdict(self.checkpoints),
        }


def _labelled(searched: Space, point: Mapping[str, Any]) -> Point:
    """Return the point with the label of each alternative that it writes out."""
    labelled: Point = {}
    for path in sorted(point, key=lambda path: path.count(".")):
        domain, value = space.reached(searched, labelled).get(path), point[path]
        if isinstance(domain, space.Choice) and isinstance(value, Mapping | list):
            value = next((o.label for o in domain.options if o.value == value), value)
        labelled[path] = value
    return {path: labelled[path] for path in point}


def _snapped(domain: Domain, value: Any) -> Any:
    return domain.snap(value) if isinstance(domain, space.Range) else value


def load(path: Path, *, scale: str | None = None, overrides: tuple[str, ...] = ()) -> ResolvedStudy:
    """Read, resolve and validate a study file.

    Args:
        path: the file.
        scale: one of its scales; `quick` if none is given.
        overrides: ``--set`` flags, ``DOTTED.PATH=VALUE``, laid over the scale.

    Raises:
        StudyFileError: with every mistake that could be found.
    """
    file = str(path)
    base = document.read(path)
    chosen = scale or DEFAULT_SCALE
    resolved = document.override(base, _scale(base, chosen, file))
    flags = document.flags(overrides)
    if "scales" in flags:
        rule = "a flag is laid over the scale; set the setting itself, as in search.seeds=5"
        raise StudyFileError(file, [Problem("scales", rule, document.FLAG)])
    resolved = document.override(resolved, flags)
    problems = _unique(_problems(resolved))
    if problems:
        raise StudyFileError(file, problems)
    study: Study = parse(Study, document.plain(resolved))
    return ResolvedStudy(study, scale=chosen, written=path.read_text("utf-8"), source=file)


def _scale(base: Section, scale: str, file: str) -> Mapping[str, Any]:
    scales = base.get("scales")
    line = document.line_of(base, ("scales",))
    if not isinstance(scales, Mapping):
        rule = "every study file has the scales quick and paper, but this one has no `scales`"
        raise StudyFileError(file, [Problem("scales", rule, line)])
    missing = [name for name in REQUIRED_SCALES if name not in scales]
    if missing:
        rule = f"every study file has the scales quick and paper, but {missing[0]} is missing"
        raise StudyFileError(file, [Problem("scales", rule, line)])
    if scale not in scales:
        rule = f"there is no scale `{scale}`; known: {', '.join(scales)}{nearest(scale, scales)}"
        raise StudyFileError(file, [Problem("scales", rule, line)])
    for name, patch in scales.items():
        if patch is not None and not isinstance(patch, Mapping):
            rule = f"a scale is a mapping of overrides, but got `{patch}`"
            line = document.line_of(base, ("scales", name))
            raise StudyFileError(file, [Problem(f"scales.{name}", rule, line)])
        if isinstance(patch, Mapping):
            for key in patch:
                head = key.partition(".")[0]
                if head in ("study", "scales"):
                    rule = f"a scale cannot override `{head}`"
                    line = document.line_of(base, ("scales", name, key))
                    raise StudyFileError(file, [Problem(f"scales.{name}.{key}", rule, line)])
    return scales[scale] or {}


def _problems(resolved: Section) -> Iterator[Problem]:
    """Yield every mistake that can be found without guessing what another one was to mean."""
    try:
        study: Study = parse(Study, document.plain(resolved))
    except pydantic.ValidationError as error:
        for path, rule in problems_of(error, Study):
            yield _problem(resolved, path, rule)
        search = document.plain(resolved).get("search")
        section = search.get("space", {}) if isinstance(search, Mapping) else {}
        searched = yield from _space_problems(section, resolved)
        trial = resolved.get("trial")
        if searched is not None and isinstance(trial, Mapping):
            yield from _trial_problems(document.plain(trial), searched, section, resolved)
        return
    searched = yield from _space_problems(study.search.space, resolved)
    if searched is not None:
        yield from _search_problems(study.search, searched, resolved)
        valid = yield from _trial_problems(study.trial, searched, study.search.space, resolved)
        yield from _validation_problems(study.search, valid, resolved)


def _space_problems(section: Any, resolved: Section) -> Generator[Problem, None, Space | None]:
    """Yield what is wrong with the space, and return it if nothing is."""
    if not isinstance(section, Mapping):
        return None
    right = True
    for part in (*({path: value} for path, value in section.items()), section):
        try:
            searched = space.parse(part)
        except SpaceError as error:
            right = False
            yield _problem(resolved, _space_path(error.path, section), str(error))
    return searched if right else None


def _search_problems(search: Search, searched: Space, resolved: Section) -> Iterator[Problem]:
    """Yield what is wrong between the settings of the search."""

    def problem(path: str, rule: str) -> Problem:
        return _problem(resolved, f"search.{path}", rule)

    if search.sampler == "grid":
        if search.configurations is not None:
            yield problem("configurations", "a grid takes every point once; leave it out")
        if search.enqueue:
            yield problem("enqueue", "a grid takes every point in order; leave it out")
        try:
            space.grid_size(searched)
        except SpaceError as error:
            yield _problem(resolved, _space_path(error.path, search.space), str(error))
    else:
        if search.configurations is None:
            yield problem("configurations", f"is required with `sampler: {search.sampler}`")
        if not searched:
            yield problem("space", "is empty: there is nothing to search; use `sampler: grid`")
    if len(set(search.seed_list)) < len(search.seed_list):
        yield problem("seeds", f"must be distinct, but got {list(search.seed_list)}")
    if len(set(search.objectives)) < len(search.objectives):
        yield problem("objective", f"must be distinct, but got {list(search.objectives)}")
    if not search.selects and search.sampler in LEARNING_SAMPLERS:
        yield problem(
            "objective",
            "train_loss says nothing of unseen images, so no search may follow it; use "
            f"`sampler: grid`, random or qmc, or another objective, but got {search.sampler}",
        )
    if len(search.objectives) > 1 and search.early_stopping is not None:
        yield problem("early_stopping", "needs a single objective, but there are several")
    if search.sampler in ("gp", "cmaes") and len(search.objectives) > 1:
        yield problem("sampler", f"{search.sampler} needs a single objective; use tpe or nsga2")
    for index, point in enumerate(search.enqueue):
        labelled = _labelled(searched, point)
        for path, value in labelled.items():
            rule = _enqueue_rule(searched, labelled, path, value)
            if rule:
                yield problem(f"enqueue[{index}].{path}", rule)


def _enqueue_rule(searched: Space, point: Point, path: str, value: Any) -> str | None:
    domains = space.domains(searched)
    if path not in domains:
        return f"is not searched; searched are {', '.join(domains)}{nearest(path, domains)}"
    domain = space.reached(searched, point).get(path)
    if domain is None:
        return "is searched within an alternative alone; say first which alternative it is"
    if domain.contains(value):
        return None
    if isinstance(domain, space.Choice):
        known = ", ".join(map(str, domain.labels))
        return f"must be one of {known}, but got `{value}`{nearest(value, map(str, domain.labels))}"
    step = f" in steps of {domain.step}" if domain.step else ""
    return f"must be from {domain.low} to {domain.high}{step}, but got `{value}`"


def _trial_problems(
    trial: Mapping[str, Any], searched: Space, section: Mapping[str, Any], resolved: Section
) -> Generator[Problem, None, list[Configuration]]:
    """Yield what is wrong with any configuration of the space, ends of ranges included.

    Returns the configurations that are right.
    """
    for path in searched:
        if _given(trial, path):
            rule = "is searched (`search.space`), so that a value here would be ignored"
            yield _problem(resolved, f"trial.{path}", rule)
    valid = []
    for point in space.combinations(searched, most=MOST_COMBINATIONS):
        try:
            valid.append(configuration(space.apply(trial, point, searched)))
        except SpaceError as error:
            yield _problem(resolved, _space_path(error.path, section), str(error))
        except pydantic.ValidationError as error:
            for path, rule in problems_of(error, Configuration):
                searched_by = _searched_at(path, point)
                if searched_by is None:
                    yield _problem(resolved, f"trial.{path}".rstrip("."), rule)
                else:
                    where = _space_path(searched_by, section)
                    yield _problem(resolved, where, f"{rule} (searched value of {searched_by})")
    return valid


def _validation_problems(
    search: Search, configurations: list[Configuration], resolved: Section
) -> Iterator[Problem]:
    """Yield what the search measures and the trials do not."""
    unvalidated = any(not c.dataset.validation for c in configurations)
    for objective in search.objectives:
        if unvalidated and "validation" in objective:
            rule = f"{objective} needs a validation share, but `trial.dataset.validation` is 0"
            yield _problem(resolved, "search.objective", rule)
    if search.early_stopping is None:
        return
    if unvalidated:
        rule = "needs a validation share, but `trial.dataset.validation` is 0"
        yield _problem(resolved, "search.early_stopping", rule)
    epochs = min((c.training.epochs for c in configurations), default=math.inf)
    grace = search.early_stopping.grace_period
    if grace >= epochs:
        rule = f"must be below the {epochs} epochs of a trial, but got `{grace}`"
        yield _problem(resolved, "search.early_stopping.grace_period", rule)


def _given(trial: Mapping[str, Any], path: str) -> bool:
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


def _problem(resolved: Section, path: str, rule: str) -> Problem:
    return Problem(path, rule, document.line_of(resolved, _parts(path)))


def _parts(path: str) -> list[str | int]:
    """Return the keys and indices that lead to a path; below the space, a path is one key."""
    prefix = "search.space."
    if path.startswith(prefix):
        return ["search", "space", path.removeprefix(prefix)]
    if enqueued := re.fullmatch(r"search\.enqueue\[(\d+)\]\.(.+)", path):
        return ["search", "enqueue", int(enqueued[1]), enqueued[2]]
    return [int(n) if n else key for key, n in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files, for editors."""
    schema = pydantic.TypeAdapter(Study).json_schema()
    trial = pydantic.TypeAdapter(Configuration).json_schema(ref_template="#/$defs/{model}")
    schema["$defs"] |= trial.pop("$defs")
    trial.pop("required", None)  # what is searched need not be given
    schema["properties"]["trial"] = trial
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Study file"
    schema["required"] = ["study", "question", "trial", "search", "scales"]
    return schema

"""A study file at one scale: read, overridden, checked, and ready to work from."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pydantic

from study.file import document, space
from study.file import points as file_points
from study.file.document import DocumentSection
from study.file.points import with_labels
from study.file.problems import FileProblem, StudyFileError
from study.file.rules import (
    find_problems,
)
from study.file.settings import (
    Study,
)
from study.file.space import Domain, Point, Space
from trainables.configuration import Configuration, parse_configuration
from trainables.settings import (
    nearest_word,
    parse_settings,
)

DEFAULT_SCALE = "quick"
REQUIRED_SCALES = ("quick", "paper")


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
        self.space: Space = space.parse_space(study.search.space)
        self.scales = study.scales
        self.written = written
        """The file as written."""
        self.source = source
        """Where the file was."""

    def configuration(self, point: Point) -> Configuration:
        """Return the full configuration of a point of the space."""
        return parse_configuration(file_points.apply_point(self.trial, point, self.space))

    def extremes(self) -> list[Configuration]:
        """Return configurations that together hold every end of a range and every alternative."""
        points = list(file_points.corner_points(self.space)) or [{}]
        return list(dict.fromkeys(self.configuration(point) for point in points))

    @cached_property
    def configurations(self) -> int:
        """How many configurations the study has when it is done."""
        if self.search.sampler == "grid":
            return file_points.grid_size(self.space)
        assert self.search.configurations is not None
        return self.search.configurations

    def enqueued(self) -> list[Point]:
        """Return the points to try first, perhaps incomplete, as the space itself writes them."""
        points = []
        for point in self.search.enqueue:
            labelled = with_labels(self.space, point)
            domains = file_points.reached_domains(self.space, labelled)
            points.append(
                {path: _snap_value(domains[path], value) for path, value in labelled.items()}
            )
        return points

    def as_dict(self) -> dict[str, Any]:
        """Return the study as plain data, resolved, every default spelled out."""
        search = {**dataclasses.asdict(self.search), "seeds": list(self.search.seed_list)}
        return {
            "study": self.name,
            "question": self.question,
            "scale": self.scale,
            "trial": document.as_plain_data(self.trial),
            "search": json.loads(json.dumps(search)),
            "resources": dataclasses.asdict(self.resources),
            "checkpoints": dataclasses.asdict(self.checkpoints),
        }


def _snap_value(domain: Domain, value: Any) -> Any:
    return domain.snap(value) if isinstance(domain, space.NumberRange) else value


def load_study(
    path: Path, *, scale: str | None = None, overrides: tuple[str, ...] = ()
) -> ResolvedStudy:
    """Read, resolve and validate a study file.

    Args:
        path: the file.
        scale: one of its scales; `quick` if none is given.
        overrides: ``--set`` flags, ``DOTTED.PATH=VALUE``, laid over the scale.

    Raises:
        StudyFileError: with every mistake that could be found.
    """
    file = str(path)
    base = document.read_document(path)
    chosen = scale or DEFAULT_SCALE
    resolved = document.override_document(base, _chosen_scale(base, chosen, file))
    flags = document.parse_flags(overrides)
    if "scales" in flags:
        rule = "a flag is laid over the scale; set the setting itself, as in search.seeds=5"
        raise StudyFileError(file, [FileProblem("scales", rule, document.FLAG)])
    resolved = document.override_document(resolved, flags)
    problems = _without_repeats(find_problems(resolved))
    if problems:
        raise StudyFileError(file, problems)
    study: Study = parse_settings(Study, document.as_plain_data(resolved))
    return ResolvedStudy(study, scale=chosen, written=path.read_text("utf-8"), source=file)


def _chosen_scale(base: DocumentSection, scale: str, file: str) -> Mapping[str, Any]:
    scales = base.get("scales")
    line = document.line_of(base, ("scales",))
    if not isinstance(scales, Mapping):
        rule = "every study file has the scales quick and paper, but this one has no `scales`"
        raise StudyFileError(file, [FileProblem("scales", rule, line)])
    missing = [name for name in REQUIRED_SCALES if name not in scales]
    if missing:
        rule = f"every study file has the scales quick and paper, but {missing[0]} is missing"
        raise StudyFileError(file, [FileProblem("scales", rule, line)])
    if scale not in scales:
        rule = (
            f"there is no scale `{scale}`; known: {', '.join(scales)}{nearest_word(scale, scales)}"
        )
        raise StudyFileError(file, [FileProblem("scales", rule, line)])
    for name, patch in scales.items():
        if patch is not None and not isinstance(patch, Mapping):
            rule = f"a scale is a mapping of overrides, but got `{patch}`"
            line = document.line_of(base, ("scales", name))
            raise StudyFileError(file, [FileProblem(f"scales.{name}", rule, line)])
        if isinstance(patch, Mapping):
            for key in patch:
                head = key.partition(".")[0]
                if head in ("study", "scales"):
                    rule = f"a scale cannot override `{head}`"
                    line = document.line_of(base, ("scales", name, key))
                    raise StudyFileError(file, [FileProblem(f"scales.{name}.{key}", rule, line)])
    return scales[scale] or {}


def _without_repeats(problems: Iterable[FileProblem]) -> list[FileProblem]:
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

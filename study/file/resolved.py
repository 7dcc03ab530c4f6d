"""A study file at one scale: read, overridden, checked, and ready to work from."""

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.counted import count_text
from analysis.paper.claims_file import PublishedRow, rows_as_data
from study.file import document, own_plugins, space
from study.file import points as file_points
from study.file.ablation import ablation_points, as_mapping, with_ablation
from study.file.evidence import RaceReference, SearchUntil
from study.file.points import with_labels
from study.file.problems import StudyFileError
from study.file.reading import ReadStudy, blame_flags, read_study
from study.file.rules import find_problems, parse_study_space, plain_study
from study.file.schema import json_schema as json_schema
from study.file.settings import Study
from study.file.space import Domain, Point, Space
from trainables import plugins
from trainables.configuration import Configuration, parse_configuration
from trainables.own_modules import OwnModule
from trainables.plugins import OwnSet
from trainables.settings import parse_settings

NO_OWN = OwnSet()


class ResolvedStudy:
    """A valid study at one scale: what the rest of the program works from."""

    def __init__(
        self,
        study: Study,
        *,
        scale: str,
        written: str,
        source: str,
        own: OwnSet = NO_OWN,
        claims: tuple[PublishedRow, ...] = (),
    ) -> None:
        settings = study.search.space
        study = with_ablation(study)
        self.name = study.study
        self.question = study.question
        self.scale = scale
        self.search = study.search
        self.resources = study.resources
        self.checkpoints = study.checkpoints
        self.budget = study.budget
        """What a launch may spend. It is no part of the question, so it is not on record."""
        self.notify = study.notify
        """Where word is sent to. The addresses give access, so they are never put on record."""
        self.trial = study.trial
        self.space: Space = parse_study_space(study.search.space)
        self.ablation = study.ablate
        self.design = (
            ablation_points(study.ablate, parse_study_space(settings)) if study.ablate else []
        )
        """The points of an ablation, in order; they alone belong to the study."""
        self.scales = study.scales
        self.written = written
        """The file as written."""
        self.source = source
        """Where the file was."""
        self.own = own
        """The own components that the study may use."""
        self.claims_file = study.claims
        self.claims = claims
        """The published cells that the study is held against."""

    def configuration(self, point: Point) -> Configuration:
        """Return the full configuration of a point of the space."""
        plugins.know_only(self.own)  # another study may have been loaded since
        return parse_configuration(file_points.apply_point(self.trial, point, self.space))

    def has_point(self, point: Point) -> bool:
        """Return whether a point belongs to the study."""
        return file_points.is_point_of(point, self.space) and (
            not self.design or point in self.design
        )

    def extremes(self) -> list[Configuration]:
        """Return configurations that together hold every end of a range and every alternative."""
        points = list(file_points.corner_points(self.space)) or [{}]
        return list(dict.fromkeys(self.configuration(point) for point in points))

    @cached_property
    def own_modules(self) -> tuple[OwnModule, ...]:
        """The users' modules that trials of the study need."""
        parts = [part for corner in self.extremes() for part in corner.components]
        return plugins.own_modules_of(parts)

    @cached_property
    def configurations(self) -> int:
        """How many configurations the study has when it is done: no point is taken twice."""
        if self.design:
            return len(self.design)
        size = file_points.space_size(self.space)
        asked = self.search.most_configurations
        known = [count for count in (size, asked) if count is not None]
        assert known, "only a grid has no count of its own"
        return min(known)

    @property
    def at_most(self) -> str:
        """Stands before a number of configurations or trials: the search may end sooner."""
        return "at most " if isinstance(self.search.configurations, SearchUntil) else ""

    @property
    def used_up(self) -> str:
        """Where the space has fewer points than the study asks for, a sentence that says so."""
        asked, found = self.search.most_configurations, self.configurations
        if asked is None or asked <= found:
            return ""
        return f"The space has {count_text(found, 'point')}; configurations: {asked} → {found}."

    def enqueued(self) -> list[Point]:
        """Return the points to try first, perhaps incomplete, as the space itself writes them.

        What all others are compared with is tried as well, unless a grid takes every point.
        """
        points = [self._snap_point(with_labels(self.space, each)) for each in self.search.enqueue]
        reference = self.reference
        if reference is None or self.search.sampler == "grid":
            return points
        return (
            points if any(reference.items() <= p.items() for p in points) else [reference, *points]
        )

    @property
    def reference(self) -> Point | None:
        """The point, perhaps incomplete, that a race compares all others with."""
        race = self.search.race
        if race is None or not isinstance(race.decide, RaceReference):
            return None
        return self._snap_point(file_points.reference_point(self.space, race.decide.against))

    def _ablation_as_data(self) -> dict[str, Any]:
        plan = self.ablation
        if plan is None:
            return {}
        return {"ablate": document.as_plain_data(as_mapping(plan))}

    def _seeds_as_data(self) -> Any:
        """Return the seeds, or the rule of a race with every default spelled out."""
        race = self.search.race
        if race is None:
            return self.search.seed_list
        looks = race.schedule
        decide = race.decide if self.reference is None else {"against": self.reference}
        return {
            "first": looks[0],
            "most": looks[-1],
            "looks": looks,
            "decide": decide,
            "margin": race.margin,
        }

    def _snap_point(self, point: Point) -> Point:
        domains = file_points.reached_domains(self.space, point)
        return {path: _snap_value(domains[path], value) for path, value in point.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the study as plain data, resolved, every default spelled out."""
        search = {**dataclasses.asdict(self.search), "seeds": self._seeds_as_data()}
        if not self.search.constraints:
            del search["constraints"]  # older records know no such key
        brought = {module.shown_name: module.digest for module in self.own_modules}
        claims = {"file": self.claims_file, "cells": rows_as_data(self.claims)}
        return {
            "study": self.name,
            "question": self.question,
            "scale": self.scale,
            "trial": document.as_plain_data(self.trial),
            "search": json.loads(json.dumps(search)),
            "resources": dataclasses.asdict(self.resources),
            "checkpoints": dataclasses.asdict(self.checkpoints),
            **({own_plugins.KEY: brought} if brought else {}),
            **({"claims": claims} if self.claims else {}),
            **self._ablation_as_data(),
        }


def _snap_value(domain: Domain, value: Any) -> Any:
    return domain.snap(value) if isinstance(domain, space.NumberRange) else value


def load_study(
    path: Path, *, scale: str | None = None, overrides: tuple[str, ...] = ()
) -> ResolvedStudy:
    """Read, resolve and validate a study file.

    Args:
        path: the file.
        scale: one of its scales; None stands for `quick`, or `full` where it has none.
        overrides: ``--set`` flags, ``DOTTED.PATH=VALUE``, laid over the scale.

    Raises:
        StudyFileError: with every mistake that could be found.
    """
    return resolve_study(read_study(path, scale=scale, overrides=overrides))


def resolve_study(read: ReadStudy) -> ResolvedStudy:
    """Validate a study file that was read.

    Raises:
        StudyFileError: with every mistake that could be found.
    """
    own = own_plugins.own_set_of(read)
    plugins.know_only(own)
    problems = find_problems(read.resolved)
    if problems:
        blamed = blame_flags(problems, read, find_problems)
        raise StudyFileError(read.file, own_plugins.explain_broken(blamed, own))
    study: Study = parse_settings(Study, plain_study(read.resolved))
    return ResolvedStudy(
        study,
        scale=read.scale,
        written=read.written,
        source=read.file,
        own=own,
        claims=read.claims,
    )

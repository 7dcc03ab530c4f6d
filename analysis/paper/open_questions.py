"""What a study leaves open: lists of its file, and which value of each a trial has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.paper.comparable import RECIPE_SETTING
from analysis.record.names import DATASET_NAME
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import setting_value_text

METHODS = "regularizer"
DATA = "dataset"
NAME = "name"
QUESTIONS = {
    "dataset": "data set",
    "network": "network",
    "training.milestones": "milestones",
    RECIPE_SETTING: "recipe",
    "alternation": "alternation",
    "lam": "λ of the label",
    "soften_originals": "global label on originals",
    "detach_global_label": "learning of the global label",
    "global_label": "learning of the global label",
}
"""By path of the space, and by setting of LaMix: what is open."""

Case = tuple[int, ...]
"""For each open question the place of its value; the last is LaMix's alternative."""


@dataclass(frozen=True)
class OpenQuestion:
    """A question of the study, and its values in the order of the study file."""

    path: str
    options: tuple[Any, ...]
    """The first is the base."""

    @property
    def is_reading(self) -> bool:
        """Whether the paper leaves it open; what data there is it says."""
        return self.path not in (DATA, DATASET_NAME)

    def name(self, place: int) -> str:
        """Return what is asked; of LaMix's alternatives each has a question of its own."""
        if self.path != METHODS:
            return QUESTIONS.get(self.path, self.path)
        changed = [key for key in self.options[place] if key != NAME]
        return ", ".join(dict.fromkeys(QUESTIONS.get(key, key) for key in changed)) or "LaMix"

    def value(self, place: int) -> str:
        """Return a value in words, as far as it differs from the others."""
        option = self.options[place]
        if not isinstance(option, Mapping):
            return setting_value_text(option)
        shown = [key for key in option if self._differs(key)]
        texts = [
            setting_value_text(option[key])
            if key == NAME
            else f"{key} = {setting_value_text(option[key])}"
            for key in shown
        ]
        return ", ".join(texts) or "the base"

    def phrase(self, place: int) -> str:
        """Return the value so that it stands alone in a sentence."""
        if isinstance(self.options[place], Mapping):
            return self.value(place)
        return f"{self.name(place)} {self.value(place)}"

    def place_of(self, trial: "pd.Series[Any]") -> int | None:
        """Return which value a trial has: of those that it meets the one that says most."""
        met = [place for place, option in enumerate(self.options) if self._meets(trial, option)]
        said = [len(o) if isinstance(o := self.options[place], Mapping) else 1 for place in met]
        if not met or said.count(max(said)) > 1:
            return None
        return met[said.index(max(said))]

    def _differs(self, key: str) -> bool:
        values = [hashable_value(option.get(key)) for option in self.options]
        return len(set(values)) > 1

    def _meets(self, trial: "pd.Series[Any]", option: Any) -> bool:
        if not isinstance(option, Mapping):
            return hashable_value(trial.get(self.path)) == hashable_value(option)
        return all(
            hashable_value(trial.get(f"{self.path}.{key}")) == hashable_value(value)
            for key, value in option.items()
        )


def questions_of(space: Mapping[str, Any]) -> tuple[tuple[OpenQuestion, ...], OpenQuestion | None]:
    """Return the questions beside the methods, and the methods, from the space of a grid."""
    lists = {path: options for path, options in space.items() if isinstance(options, list)}
    methods = lists.pop(METHODS, None)
    if methods is None or len(lists) + 1 < len(space):
        return (), None  # a range is searched: there are no cases to compare
    if not all(isinstance(option, Mapping) for option in methods):
        return (), None
    axes = tuple(OpenQuestion(path, tuple(options)) for path, options in lists.items())
    return axes, OpenQuestion(METHODS, tuple(methods))


def places_of_method(methods: OpenQuestion | None, name: str) -> list[int]:
    """Return the places of the alternatives that have a method's name."""
    options = methods.options if methods else ()
    return [place for place, option in enumerate(options) if option.get(NAME) == name]


def case_text(case: Case, questions: Sequence[OpenQuestion]) -> str:
    """Return a case, or a reading, in words: its values where there are several."""
    told = [
        question.phrase(place)
        for question, place in zip(questions, case, strict=True)
        if len(question.options) > 1
    ]
    return ", ".join(told) or "the base"

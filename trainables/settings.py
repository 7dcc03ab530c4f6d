"""How a component declares its settings: a frozen, validated dataclass, its fields the YAML keys.

A component (a regularizer, a network, a data set) is a module with a class `Settings`. Its `name`
is the module's own name, its other fields are what a study file may say about it, and the string
under each field states its meaning, unit and range; all of it reaches the JSON Schema.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast, dataclass_transform

import pydantic
from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, Strict

Class = TypeVar("Class", bound=type)

# Strict: `epochs: "10"` and `epochs: true` are mistakes, not numbers.
Flag = Annotated[bool, Strict()]
Share = Annotated[float, Strict(), Ge(0), Le(1)]
"""A number in [0, 1], both ends allowed."""
Positive = Annotated[float, Strict(), Gt(0)]
NonNegative = Annotated[float, Strict(), Ge(0)]
Count = Annotated[int, Strict(), Ge(1)]
Index = Annotated[int, Strict(), Ge(0)]

FEWEST_HELD = 4
"""Letters of a word that must lie within a known one for that one to be meant."""
SettingsKeyName = Literal["cost", "step"]
"""A key of settings: `cost` holds what decides how fast a trial trains and what memory it takes,
`step` what a recorded training step holds."""


@dataclasses.dataclass(frozen=True)
class Exempt:
    """Marks a setting that a key of settings leaves out: ``Annotated[Share, Exempt("cost", …)]``.

    A setting without a mark is part of every key, so a new setting is safe before anyone has
    thought about it.
    """

    key: SettingsKeyName
    """The key that leaves the setting out."""
    reason: str
    """Why the key may leave it out."""
    but_zero: bool = False
    """Whether the key still tells 0 from all other values."""


def exempt_settings(cls: type, key: SettingsKeyName) -> Mapping[str, Exempt]:
    """Return the settings of a class that a key leaves out, by name, each with its mark."""
    fields: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", {})
    return {
        name: mark
        for name, field in fields.items()
        for mark in field.metadata
        if isinstance(mark, Exempt) and mark.key == key
    }


CONFIG = ConfigDict(
    extra="forbid",
    use_attribute_docstrings=True,
    allow_inf_nan=False,
)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def settings(cls: Class) -> Class:
    """Make `cls` a frozen keyword-only dataclass that checks its fields when it is built.

    Raises:
        pydantic.ValidationError: on construction, for an unknown key, a wrong type or a bad value.
    """
    decorated = pydantic.dataclasses.dataclass(cls, frozen=True, kw_only=True, config=CONFIG)
    _pass_descriptions_on(decorated)
    return cast(Class, decorated)


def _pass_descriptions_on(decorated: Any) -> None:
    # pydantic reads the strings under the fields from a class's own source, so a subclass would
    # lose those of its base. What a subclass does take over is the type, so they travel in it.
    for field in dataclasses.fields(decorated):
        description = decorated.__pydantic_fields__[field.name].description
        if description is not None:
            field.type = Annotated[field.type, pydantic.Field(description=description)]


def nearest_word(word: object, known: Iterable[str]) -> str:
    """Return ``; did you mean `x`?`` for the nearest known word, or an empty string.

    Capitals make no difference. A word that holds the given one is nearer than one that is like it.
    """
    given = str(word).lower()
    by_lower = {each.lower(): each for each in known}
    holding = [each for each in by_lower if len(given) >= FEWEST_HELD and given in each]
    cutoff = 0.6 if len(given) <= 2 else 0.5  # at .5 one letter is like three
    near = (
        [min(holding, key=len)]
        if holding
        else difflib.get_close_matches(given, by_lower, n=1, cutoff=cutoff)
    )
    return f"; did you mean `{by_lower[near[0]]}`?" if near else ""


def parse_settings(kind: Any, value: object) -> Any:
    """Validate plain data (what YAML holds) into `kind`.

    Raises:
        pydantic.ValidationError: naming each field that is wrong.
    """
    return pydantic.TypeAdapter(kind).validate_python(value)

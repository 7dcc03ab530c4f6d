"""Configurations of several studies that are alike in all but what tells the studies apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.record.code_details import CodeDetails
from analysis.record.names import DATASET_NAME
from analysis.record.study_info import StudyInfo
from analysis.tables.configurations import hashable_value


@dataclass(frozen=True)
class ComparedConfiguration:
    """One configuration of a study, with its numbers by seed."""

    configuration: str
    what: str
    """The settings that vary within its study, in words."""
    settings: "pd.Series[Any]"
    objective: "pd.Series[Any]"
    """The objective, by seed."""
    test: "pd.Series[Any]"
    codes: tuple[frozenset[str], ...] = ()
    """For each code of its trials the digests of all code that is known to compute the same; none
    for trials whose code is not on record."""


@dataclass(frozen=True)
class ComparedStudy:
    """One study at one scale, with the configurations that represent it."""

    label: str
    """As on the command line."""
    info: StudyInfo
    configurations: tuple[ComparedConfiguration, ...]
    """Its best one where it selects, else all that have run in full."""
    factors: tuple[str, ...]
    """The settings that vary among them."""
    code: Mapping[str, CodeDetails] = field(default_factory=dict)
    """What digests of code stand for, as far as that is on record."""
    remarks: tuple[str, ...] = ()
    """What a reader should know of the study's own part."""


@dataclass(frozen=True)
class Counterparts:
    """A configuration of the first study, and its like in another one."""

    name: str
    label: str
    reference: ComparedConfiguration
    other: ComparedConfiguration

    def agree_in(self, names: Sequence[str]) -> bool:
        """Return whether both have these settings alike."""
        return settings_key(self.reference, names) == settings_key(self.other, names)

    @property
    def share_data_set(self) -> bool:
        """Whether both have the same data set by name; errors on others do not compare."""
        return self.agree_in([DATASET_NAME])


def find_counterparts(first: ComparedStudy, entry: ComparedStudy) -> Iterator[Counterparts]:
    """Yield the pairs whose settings are equal in all that varies within one of the studies."""
    varied = tuple(dict.fromkeys([*first.factors, *entry.factors]))
    single = len(first.configurations) == 1 == len(entry.configurations)
    for reference in first.configurations:
        for other in entry.configurations:
            if settings_key(reference, varied) == settings_key(other, varied):
                name = entry.label if single else f"{entry.label}: {other.what}"
                yield Counterparts(name, entry.label, reference, other)


def settings_key(item: ComparedConfiguration, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of settings, to be compared."""
    return tuple(hashable_value(item.settings.get(name)) for name in names)

"""Configurations of several studies that are alike in all but what tells the studies apart.

Those of other studies stand beside those of the first, the reference, whose settings are equal in
all that varies within a study.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd

from analysis.counted import count_text
from analysis.record.code_details import CodeDetails, code_differences
from analysis.record.names import (
    DATA_FINGERPRINT,
    DATASET_NAME,
    NETWORK_NAME,
    REGULARIZER_NAME,
)
from analysis.record.study_info import StudyInfo
from analysis.statistics.summary import summarise_seeds
from analysis.tables import paired
from analysis.tables.configurations import hashable_value
from analysis.tables.display_names import (
    display_name,
    setting_value_text,
    with_capital,
    with_unit,
)
from analysis.tables.printed import spread_text
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import TEST_ERROR_LAST

DATASET = "dataset."
COMPONENTS = (REGULARIZER_NAME, NETWORK_NAME, DATASET_NAME)
"""Trials that share these are computed by the same modules."""
MOST_WORDS = 4
"""Modules and packages that a sentence names."""


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
    """For each code of its trials the digests of all code that is known to compute the same."""


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


class NoCounterpartError(LookupError):
    """Studies without configurations that are alike."""


def side_by_side(
    entries: Sequence[ComparedStudy], *, test: str = TEST_ERROR_LAST
) -> list[TableGrid]:
    """Return the tables: the numbers, the differences to the first, the settings that differ.

    Raises:
        NoCounterpartError: if no configuration of the first study has one beside it.
    """
    first, rest = entries[0], entries[1:]
    pairs = [pair for entry in rest for pair in _counterparts(first, entry)]
    if not pairs:
        labels = ", ".join(f"`{entry.label}`" for entry in rest)
        raise NoCounterpartError(
            f"no configuration of `{first.label}` has its like in {labels}: they differ in "
            f"{_what_keeps_apart(entries)}"
        )
    shown = [pair for pair in pairs if _shares_data_set(pair)]
    contrasts = paired.contrasts_against(
        {pair.name: (pair.other.test, pair.reference.test) for pair in shown},
        trials={pair.name: pair.reference.settings for pair in shown},
        test=test,
    )
    grids = [_number_grid(entries, pairs, test)]
    if shown:
        grids.append(paired.contrast_grid(contrasts, title=f"Minus {first.label}", test=test))
    differing = _differing_settings(entries, pairs)
    grids += [differing] if differing.rows else []
    return grids


@dataclass(frozen=True)
class _Counterparts:
    """A configuration of the first study, and its like in another one."""

    name: str
    label: str
    reference: ComparedConfiguration
    other: ComparedConfiguration


def _counterparts(first: ComparedStudy, entry: ComparedStudy) -> Iterator[_Counterparts]:
    """Yield the pairs whose settings are equal in all that varies within one of the studies."""
    varied = tuple(dict.fromkeys([*first.factors, *entry.factors]))
    single = len(first.configurations) == 1 == len(entry.configurations)
    for reference in first.configurations:
        for other in entry.configurations:
            if _key(reference, varied) == _key(other, varied):
                name = entry.label if single else f"{entry.label}: {other.what}"
                yield _Counterparts(name, entry.label, reference, other)


def _key(item: ComparedConfiguration, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(hashable_value(item.settings.get(name)) for name in names)


def _shares_data_set(pair: _Counterparts) -> bool:
    """Return whether both have the same data set by name; errors on others do not compare."""
    return _key(pair.reference, [DATASET_NAME]) == _key(pair.other, [DATASET_NAME])


def _what_keeps_apart(entries: Sequence[ComparedStudy]) -> str:
    varied = list(dict.fromkeys(name for entry in entries for name in entry.factors))
    apart = [
        name
        for name in varied
        if not set.intersection(
            *({_key(item, [name]) for item in entry.configurations} for entry in entries)
        )
    ]
    return ", ".join(apart or varied)


def _number_grid(
    entries: Sequence[ComparedStudy], pairs: Sequence[_Counterparts], test: str
) -> TableGrid:
    """Return one row per configuration that has its like, those that are alike together."""
    rows = []
    left_out = {entry.label: len(entry.configurations) for entry in entries}
    for item in entries[0].configurations:
        alike = [pair for pair in pairs if pair.reference is item]
        if not alike:
            continue
        for label, held in [(entries[0].label, item), *((p.label, p.other) for p in alike)]:
            rows.append(_number_row(label, held))
    for label, count in left_out.items():
        held_ones = {p.other.configuration for p in pairs if p.label == label}
        if label == entries[0].label:
            held_ones = {p.reference.configuration for p in pairs}
        left_out[label] = count - len(held_ones)
    objectives = dict.fromkeys(
        test if (name := entry.info.objectives[0]) == TEST_ERROR_LAST else name for entry in entries
    )
    objective = with_unit(next(iter(objectives))) if len(objectives) == 1 else "objective"
    if all(not entry.info.selects for entry in entries):
        objective = ""
    what = "configuration" if not all(e.info.selects for e in entries) else "best configuration"
    header = ["study", what, *([objective] if objective else []), with_unit(test), "seeds"]
    if not objective:
        rows = [[*row[:2], *row[3:]] for row in rows]
    notes = ["Mean ± standard deviation over seeds."]
    notes += [
        f"{count_text(count, 'configuration')} of {label} without a like in the other studies."
        for label, count in left_out.items()
        if count
    ]
    notes += comparison_notes(entries, pairs)
    return TableGrid(
        header=[("", name) for name in header],
        rows=rows,
        notes=notes,
        numeric=[False, False] + [True] * (len(header) - 3) + [False],
    )


def _number_row(label: str, item: ComparedConfiguration) -> list[TableCell]:
    texts = [
        label,
        item.what,
        spread_text(summarise_seeds(item.objective)),
        spread_text(summarise_seeds(item.test)),
        ", ".join(map(str, sorted(item.test.index))),
    ]
    return [TableCell(text) for text in texts]


def comparison_notes(
    entries: Sequence[ComparedStudy], pairs: "Sequence[_Counterparts] | None" = None
) -> list[str]:
    """Return what a reader should know: of each study's part, of data and of code that differ.

    Args:
        entries: the studies.
        pairs: the configurations that stand side by side; None finds them.
    """
    if pairs is None:
        pairs = [pair for entry in entries[1:] for pair in _counterparts(entries[0], entry)]
    remarks = dict.fromkeys(remark for entry in entries for remark in entry.remarks)
    return [*remarks, *_data_warnings(pairs), *_code_warnings(entries, pairs)]


def _code_warnings(
    entries: Sequence[ComparedStudy], pairs: Sequence[_Counterparts]
) -> Iterator[str]:
    """Say where what stands side by side was computed by codes that differ in what both use."""
    known = {digest: code for entry in entries for digest, code in entry.code.items()}
    apart: dict[str, None] = {}
    words: dict[str, None] = {}
    for pair in pairs:
        for one, other in product(pair.reference.codes, pair.other.codes):
            found = code_differences(one, other, known)
            if found is None and _key(pair.reference, COMPONENTS) == _key(pair.other, COMPONENTS):
                found = ("what the digests stand for is not on record",)
            if found:
                apart[pair.name] = None
                words |= dict.fromkeys(found)
    if apart:
        more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
        yield (
            f"Other code: that of {', '.join(apart)} differs from that of {entries[0].label} "
            f"({', '.join(list(words)[:MOST_WORDS])}{more}), and nothing proves that both compute "
            "the same."
        )


def _data_warnings(pairs: Sequence[_Counterparts]) -> Iterator[str]:
    """Say where what stands side by side was not trained and tested on the same data."""
    apart = [pair for pair in pairs if not _shares_data_set(pair)]
    if apart:
        yield (
            f"Different data sets, so no difference is given: "
            f"{', '.join(dict.fromkeys(pair.name for pair in apart))}."
        )
    settings: dict[str, None] = {}
    prints: dict[str, None] = {}
    for pair in pairs:
        if not _shares_data_set(pair):
            continue
        both = pair.reference.settings, pair.other.settings
        names = sorted({str(n) for row in both for n in row.index if str(n).startswith(DATASET)})
        differing = [n for n in names if len({hashable_value(row.get(n)) for row in both}) > 1]
        settings |= dict.fromkeys(differing)
        held = {row.get(DATA_FINGERPRINT) for row in both}
        if len(held) > 1 and not differing:
            prints[pair.name] = None
    if settings:
        yield f"Different data: {', '.join(settings)} not the same; see the settings that differ."
    if prints:
        yield f"Different data: the fingerprints of the images differ for {', '.join(prints)}."


def _differing_settings(
    entries: Sequence[ComparedStudy], pairs: Sequence[_Counterparts]
) -> TableGrid:
    """Return the settings in which configurations side by side differ, by study."""
    names = sorted(
        {str(n) for p in pairs for row in (p.reference, p.other) for n in row.settings.index}
    )
    differing = [
        name
        for name in names
        if "." in name
        and any(_key(pair.reference, [name]) != _key(pair.other, [name]) for pair in pairs)
    ]
    rows = [
        [TableCell(display_name(name)), *(TableCell(_values_of(entry, name)) for entry in entries)]
        for name in differing
    ]
    return TableGrid(
        title=with_capital("settings that differ"),
        header=[("", "setting"), *(("", entry.label) for entry in entries)],
        rows=rows,
    )


def _values_of(entry: ComparedStudy, name: str) -> str:
    values = {
        hashable_value(item.settings.get(name)): item.settings.get(name)
        for item in entry.configurations
    }
    return ", ".join(setting_value_text(value) for value in values.values())

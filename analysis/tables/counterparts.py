"""The tables of several studies side by side: numbers, differences, settings that differ.

Those of other studies stand beside those of the first, the reference, whose settings are equal in
all that varies within a study.
"""

from collections.abc import Sequence

from analysis.counted import count_text
from analysis.statistics.summary import summarise_seeds
from analysis.tables import paired
from analysis.tables.alike import (
    ComparedConfiguration,
    ComparedStudy,
    Counterparts,
    find_counterparts,
    settings_key,
)
from analysis.tables.comparison_notes import comparison_notes
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
    pairs = [pair for entry in rest for pair in find_counterparts(first, entry)]
    if not pairs:
        labels = ", ".join(f"`{entry.label}`" for entry in rest)
        raise NoCounterpartError(
            f"no configuration of `{first.label}` has its like in {labels}: they differ in "
            f"{_what_keeps_apart(entries)}"
        )
    shown = [pair for pair in pairs if pair.share_data_set]
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


def _what_keeps_apart(entries: Sequence[ComparedStudy]) -> str:
    varied = list(dict.fromkeys(name for entry in entries for name in entry.factors))
    apart = [
        name
        for name in varied
        if not set.intersection(
            *({settings_key(item, [name]) for item in entry.configurations} for entry in entries)
        )
    ]
    return ", ".join(apart or varied)


def _number_grid(
    entries: Sequence[ComparedStudy], pairs: Sequence[Counterparts], test: str
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


def _differing_settings(
    entries: Sequence[ComparedStudy], pairs: Sequence[Counterparts]
) -> TableGrid:
    """Return the settings in which configurations side by side differ, by study."""
    names = sorted(
        {str(n) for p in pairs for row in (p.reference, p.other) for n in row.settings.index}
    )
    differing = [
        name for name in names if "." in name and not all(pair.agree_in([name]) for pair in pairs)
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

"""Sets studies side by side: the best configuration of each, and their differences seed by seed.

    python -m analysis.compare STUDY[:SCALE] STUDY[:SCALE] …

Each study is represented by its best configuration, chosen by its own objective. The first study is
the reference: every other one is compared with it by test error over the seeds that both have.
Settings that differ between the configurations are listed, since a difference in error is a
difference in any of them.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import trials
from analysis.record.names import CONFIGURATION
from analysis.statistics.summary import summarise_seeds
from analysis.tables import configurations, paired
from analysis.tables.configurations import by_seed
from analysis.tables.display_names import display_name, setting_value_text, with_capital, with_unit
from analysis.tables.printed import setting_text, spread_text
from analysis.tables.rendering import TableCell, TableGrid, to_text
from analysis.trials import StudyInfo, UnknownStudyError
from trainables.metrics import TEST_ERROR_LAST


@dataclass(frozen=True)
class ComparedStudy:
    """One study at one scale, represented by its best configuration."""

    label: str
    """As on the command line."""
    info: StudyInfo
    configuration: str
    what: str
    """The searched factors of the configuration, in words."""
    settings: "pd.Series[Any]"
    validation: "pd.Series[Any]"
    """The objective, by seed."""
    test: "pd.Series[Any]"


class NoResultError(LookupError):
    """A study on record in which no configuration has run in full."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 where a study has nothing to compare."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY[:SCALE]")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args(argv)
    if len(arguments.studies) < 2:
        parser.error("name at least two studies, or one at two scales")
    try:
        entries = [compared_study(label) for label in arguments.studies]
    except (UnknownStudyError, NoResultError) as error:
        print(f"analysis.compare: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(compare_document(entries), indent=2))
        return 0
    print("\n".join(to_text(grid) for grid in side_by_side(entries)), end="")
    return 0


def compare_document(entries: Sequence[ComparedStudy]) -> dict[str, Any]:
    """Return the comparison as docs/json/compare.schema.json describes it; errors by seed."""
    return {
        "document": "compare",
        "version": 1,
        "reference": entries[0].label,
        "studies": [
            {
                "label": entry.label,
                "study": entry.info.study,
                "scale": entry.info.scale,
                "best_configuration": entry.what,
                "objective": entry.info.objectives[0],
                "objective_by_seed": _by_seed(entry.validation),
                TEST_ERROR_LAST: _by_seed(entry.test),
            }
            for entry in entries
        ],
    }


def _by_seed(values: "pd.Series[Any]") -> dict[str, float | None]:
    return {str(seed): None if pd.isna(value) else float(value) for seed, value in values.items()}


def compared_study(label: str, tracking_uri: str | None = None) -> ComparedStudy:
    """Return the best configuration of `STUDY` or `STUDY:SCALE`.

    Raises:
        UnknownStudyError: if it is not on record, or has several scales and none is named.
        NoResultError: if no configuration has run in full.
    """
    info = _study_of_label(label, tracking_uri)
    frame = trials.load(info.study, info.scale, tracking_uri)
    factors = configurations.factors_of(frame, info.space)
    table = configurations.over_configurations(frame, factors, info.objectives)
    if not len(table) or not table["best"].any():
        raise NoResultError(f"`{label}`: no configuration has run in full yet")
    best = table.iloc[0]
    configuration = str(best[CONFIGURATION])
    return ComparedStudy(
        label=label,
        info=info,
        configuration=configuration,
        what=setting_text(best, factors),
        settings=frame[frame[CONFIGURATION] == configuration].iloc[0],
        validation=by_seed(frame, configuration, info.objectives[0]),
        test=by_seed(frame, configuration, TEST_ERROR_LAST),
    )


def side_by_side(entries: Sequence[ComparedStudy]) -> list[TableGrid]:
    """Return the tables: the numbers, the differences to the first, the settings that differ."""
    first, rest = entries[0], entries[1:]
    contrasts = paired.contrasts_against(first.test, {entry.label: entry.test for entry in rest})
    grids = [_number_grid(entries), paired.contrast_grid(contrasts, title=f"Minus {first.label}")]
    differing = _differing_settings(entries)
    return [*grids, differing] if differing.rows else grids


def _study_of_label(label: str, tracking_uri: str | None) -> StudyInfo:
    """Return the study that a label means; a colon may also be part of a study's name."""
    study, colon, scale = label.rpartition(":")
    try:
        return trials.study_info(label, None, tracking_uri)
    except UnknownStudyError:
        if not colon:
            raise
    return trials.study_info(study, scale, tracking_uri)


def _number_grid(entries: Sequence[ComparedStudy]) -> TableGrid:
    rows = []
    for item in entries:
        texts = [item.label, item.what, spread_text(summarise_seeds(item.validation))]
        texts += [
            spread_text(summarise_seeds(item.test)),
            ", ".join(map(str, sorted(item.test.index))),
        ]
        rows.append([TableCell(text) for text in texts])
    objectives = dict.fromkeys(entry.info.objectives[0] for entry in entries)
    objective = with_unit(next(iter(objectives))) if len(objectives) == 1 else "objective"
    header = ["study", "best configuration", objective, with_unit(TEST_ERROR_LAST), "seeds"]
    return TableGrid(
        header=[("", name) for name in header],
        rows=rows,
        notes=["Mean ± standard deviation over seeds."],
        numeric=[False, False, True, True, False],
    )


def _differing_settings(entries: Sequence[ComparedStudy]) -> TableGrid:
    names = sorted({name for entry in entries for name in entry.settings.index if "." in name})
    values = {
        name: [entry.settings.get(name) for entry in entries]
        for name in names
        if len({configurations.hashable_value(entry.settings.get(name)) for entry in entries}) > 1
    }
    rows = [
        [TableCell(display_name(name)), *(TableCell(setting_value_text(value)) for value in row)]
        for name, row in values.items()
    ]
    return TableGrid(
        title=with_capital("settings that differ"),
        header=[("", "setting"), *(("", entry.label) for entry in entries)],
        rows=rows,
    )


if __name__ == "__main__":
    sys.exit(main())

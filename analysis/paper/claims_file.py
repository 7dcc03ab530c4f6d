"""A file of published numbers that a study is held against: CSV, a row a cell.

Columns: `dataset`, `network`, `method`, `metric`, `mean`, `spread`, `runs`, `source`, `match`, and
optionally `claim`. `spread` is empty where none is published, and `runs` is 1 where the paper names
no number. `match` says which configurations belong to the cell, beyond the names of data set and
network: dotted settings, `regularizer.name = mixup; regularizer.alpha = 1`. `claim` is empty, or
says in the row of a method what is claimed of it against all other methods of that data set and
network: `better` or `on par`.

The standard library and the metrics are all that this module needs: a study file is checked by it
before anything is loaded.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainables.metrics import METRICS, PERCENT

NEEDED = ("dataset", "network", "method", "metric", "mean", "spread", "runs", "source", "match")
OPTIONAL = ("claim",)
CLAIMS = ("better", "on par")
MOST_ROWS = 10_000


class ClaimsFileError(ValueError):
    """A file of published numbers that cannot be used, with each mistake and its line."""


@dataclass(frozen=True)
class PublishedRow:
    """One published cell."""

    dataset: str
    network: str
    method: str
    metric: str
    """The metric of a trial that the number is compared with, in percent."""
    mean: float
    spread: float | None
    """The standard deviation over the runs; None where none is published."""
    runs: int
    source: str
    match: Mapping[str, Any]
    """Dotted setting → the value that a configuration of this cell has."""
    claim: str = ""


def read_claims(path: Path) -> list[PublishedRow]:
    """Return the rows of a file.

    Raises:
        ClaimsFileError: naming each mistake with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(reader.fieldnames or [])
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClaimsFileError(f"it cannot be read as CSV: {error}") from error
    if not lines or len(lines) > MOST_ROWS:
        raise ClaimsFileError(f"it has {len(lines)} rows; 1 to {MOST_ROWS:,} are taken")
    rows, problems = [], []
    for number, line in lines:
        try:
            rows.append(_parsed_row(line))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    problems += _repeats(rows) if not problems else []
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ClaimsFileError("; ".join(problems[:5]) + more)
    return rows


def rows_as_data(rows: Sequence[PublishedRow]) -> list[dict[str, Any]]:
    """Return the rows as plain data, as the record of a study holds them."""
    return [{**asdict(row), "match": dict(row.match)} for row in rows]


def rows_of_data(data: Sequence[Mapping[str, Any]]) -> list[PublishedRow]:
    """Return the rows that `rows_as_data` wrote."""
    return [PublishedRow(**entry) for entry in data]


def _check_columns(names: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    unknown = [name for name in names if name not in (*NEEDED, *OPTIONAL)]
    if missing:
        raise ClaimsFileError(
            f"its first line lacks {', '.join(missing)}; it must name {', '.join(NEEDED)}"
        )
    if unknown:
        raise ClaimsFileError(f"it has unknown columns: {', '.join(map(str, unknown))}")


def _parsed_row(line: Mapping[str, Any]) -> PublishedRow:
    if None in line or any(value is None for value in line.values()):
        raise ValueError("it has another number of cells than the first line")
    text = {name: str(value).strip() for name, value in line.items()}
    for name in ("dataset", "network", "method", "source", "match"):
        if not text[name]:
            raise ValueError(f"`{name}` is empty")
    mean = _number(text["mean"], "mean", most=100.0)
    runs = _number(text["runs"], "runs", most=1e6)
    if runs != int(runs) or runs < 1:
        raise ValueError(f"`runs` is a whole number from 1, but here is `{text['runs']}`")
    spread = _number(text["spread"], "spread", most=100.0) if text["spread"] else None
    if runs < 2 and spread is not None:
        raise ValueError("a single run has no `spread`; leave it empty, or say how many `runs`")
    claim = text.get("claim", "")
    if claim and claim not in CLAIMS:
        raise ValueError(f"`claim` is empty, {' or '.join(CLAIMS)}, but here is `{claim}`")
    return PublishedRow(
        dataset=text["dataset"],
        network=text["network"],
        method=text["method"],
        metric=_metric(text["metric"]),
        mean=mean,
        spread=spread,
        runs=int(runs),
        source=text["source"],
        match=_match(text["match"]),
        claim=claim,
    )


def _number(text: str, name: str, *, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise ValueError(f"`{name}` is a number from 0 to {most:g}, but here is `{text}`")
    return value


def _metric(name: str) -> str:
    if name in METRICS and METRICS[name].unit == PERCENT:
        return name
    if name in METRICS:
        raise ValueError(f"`metric` is an error in percent, which `{name}` is not")
    known = [metric for metric, described in METRICS.items() if described.unit == PERCENT]
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
    raise ValueError(f"no trial records the metric `{name}`; {hint}")


def _match(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        path, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or "." not in path or not value:
            raise ValueError(
                f"`match` is `setting = value; …` with dotted settings such as "
                f"`regularizer.name = mixup`, but here is `{part}`"
            )
        if path in found:
            raise ValueError(f"`match` names `{path}` twice")
        try:
            found[path] = json.loads(value)
        except ValueError:
            found[path] = value
    if not found:
        raise ValueError("`match` names no setting")
    return found


def _repeats(rows: Sequence[PublishedRow]) -> Iterator[str]:
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        key = row.dataset, row.network, row.method, row.metric
        if key in seen:
            yield f"{', '.join(key)} stands there twice"
        seen.add(key)

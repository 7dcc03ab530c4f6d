"""The table of a study's trials as MLflow's UI is to open it: which runs, in which order, which
columns.

The UI keeps a view that is shared as JSON in a tag of the experiment, and takes it from there when
an address names it (MLflow 3.17; not documented, but written by its button "Share").
"""

import json
from collections.abc import Iterator
from typing import Any

from analysis.record.client import with_tags
from analysis.record.names import DEVICE, OUTCOME, ROLE, SCALE, SEED, TRIAL_ROLE
from study.file import space
from study.file.resolved import ResolvedStudy
from trainables.configuration import as_dict, flatten_settings
from trainables.metrics import TEST_ERROR_LAST, ordering_metrics


def trials_view(study: ResolvedStudy) -> str:
    """Return the view of a study's trials at its scale, as the text of the experiment's tag."""
    ordered = ordering_metrics(study.search.objectives)
    state: dict[str, Any] = {
        "searchFilter": with_tags({ROLE: TRIAL_ROLE, SCALE: study.scale}),
        "orderByKey": _column("metrics", ordered[0]),
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(_columns(study, ordered)),
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": None,
        "chartsSearchFilter": None,
        "compareRunCharts": None,
        "compareRunSections": None,
    }
    return json.dumps(state)


def searched_params(study: ResolvedStudy) -> list[str]:
    """Return the params of a trial that the search sets, in the order of the space.

    Of alternatives (`regularizer: [{…}, {…}]`) those params count that differ between two of them.
    """
    corners = [flatten_settings(as_dict(corner)) for corner in study.extremes()]
    found: list[str] = []
    for path in space.domains_by_path(study.space):
        found += [name for name in _params_of(path, corners) if name not in found]
    return found


def _params_of(path: str, corners: list[dict[str, Any]]) -> list[str]:
    if any(path in corner for corner in corners):
        return [path]
    below = dict.fromkeys(name for each in corners for name in each if name.startswith(f"{path}."))
    return [
        name
        for name in below
        if len({str(corner[name]) for corner in corners if name in corner}) > 1
    ]


def _columns(study: ResolvedStudy, ordered: list[str]) -> Iterator[str]:
    for name in [*searched_params(study), SEED]:
        yield _column("params", name)
    for name in dict.fromkeys([*ordered, TEST_ERROR_LAST]):
        yield _column("metrics", name)
    for name in (OUTCOME, DEVICE):
        yield _column("tags", name)


def _column(kind: str, name: str) -> str:
    """Return a column as the UI names it."""
    return f"{kind}.`{name}`"

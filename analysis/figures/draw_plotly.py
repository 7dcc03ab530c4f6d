"""Figures for the browser: plotly, to be put into a page that carries plotly.js itself."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from analysis.figures import model

MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "5px,2px", "8px,3px")
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Named beside a heatmap's colours."""
READ_OFF = [step * 10.0**power for power in range(-3, 3) for step in (1, 2, 5)]
"""Values named along a logarithmic axis of errors."""
ROW_HEIGHT = 360
"""Pixels."""
FEW = 8
"""Whole numbers that all get a tick."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


def plotly_js() -> str:
    """Return the library's source, for a page that opens without a network."""
    return str(get_plotlyjs())


def to_html(figure: model.Figure) -> str:
    """Return a ``<div>`` with the chart; the page must have loaded plotly.js before it."""
    return str(
        draw_figure(figure).to_html(
            full_html=False,
            include_plotlyjs=False,
            config=CONFIG,
            div_id=f"figure-{figure.name}",
        )
    )


def draw_figure(figure: model.Figure) -> go.Figure:
    """Return the figure drawn."""
    sheet = make_subplots(
        rows=figure.rows,
        cols=figure.columns,
        subplot_titles=[panel.title for panel in figure.panels],
        horizontal_spacing=_panel_gap(figure) / figure.columns if figure.columns > 1 else 0.1,
        vertical_spacing=(0.12 if _picture_axes(figure) else 0.3) / figure.rows,
    )
    legend = set(model.named_marks(figure)) if len(model.named_marks(figure)) > 1 else set()
    for i, panel in enumerate(figure.panels):
        place = {"row": i // figure.columns + 1, "col": i % figure.columns + 1}
        for mark in panel.marks:
            for trace in _mark_traces(mark, panel, legend):
                sheet.add_trace(trace, **place)
        _layout_axes(sheet, panel, place)
    _colour_bars(sheet)
    sheet.update_layout(
        template="simple_white",
        height=_figure_height(figure),
        margin={"l": 60, "r": 15, "t": 70 if len(model.named_marks(figure)) > 1 else 35,
                "b": 50},
        font={"family": FONT, "size": 13, "color": "#1f2933"},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.04, "xanchor": "left", "x": 0},
        barmode="group",
        hoverlabel={"font": {"family": FONT}},
    )  # fmt: skip
    sheet.update_annotations(font_size=13)
    return sheet


def _panel_gap(figure: model.Figure) -> float:
    if _picture_axes(figure):
        return 0.06
    heat = any(
        isinstance(mark, model.HeatmapMark) for panel in figure.panels for mark in panel.marks
    )
    return 0.4 if heat else 0.22


def _mark_traces(mark: Any, panel: model.Panel, legend: set[str]) -> list[go.Trace]:
    match mark:
        case model.LineMark():
            return _line_traces(mark, legend)
        case model.PointMarks():
            return [_point_traces(mark, legend)]
        case model.BarMarks():
            return [_bar_traces(mark, legend)]
        case model.HeatmapMark():
            centres = (mark.x_edges[1:] + mark.x_edges[:-1]) / 2
            hover = f"%{{x:.3f}}, epoch %{{y}}: %{{customdata:.3f}} {mark.unit}<extra></extra>"
            ticks = [tick for tick in SHARES if tick <= mark.z.max(initial=0)]
            bar = {"tickvals": np.sqrt(ticks), "ticktext": [f"{tick:g}" for tick in ticks]}
            return [go.Heatmap(x=centres, y=mark.y, z=np.sqrt(mark.z), customdata=mark.z,
                               colorscale=model.COLOUR_SCALE, zmin=0, colorbar=bar,
                               hovertemplate=hover)]  # fmt: skip
        case model.PictureMark():
            return [go.Image(z=mark.rgb_HWC, hoverinfo="skip")]
    raise AssertionError(f"not a mark: {mark!r} in {panel.title}")


def _name_and_legend(
    mark: model.LineMark | model.PointMarks | model.BarMarks, legend: set[str]
) -> dict[str, Any]:
    """Return name and legend: each name once, its traces shown and hidden together."""
    first = mark.name in legend
    legend.discard(mark.name)
    return {"name": mark.name, "legendgroup": mark.name, "showlegend": first}


def _style_colour(style: int) -> str:
    return model.COLOURS[style % len(model.COLOURS)]


def _error_bars(
    mark: model.LineMark | model.PointMarks | model.BarMarks, *, width: int
) -> dict[str, Any] | None:
    if mark.low is None or mark.high is None or np.isnan(mark.low).all():
        return None
    middle = mark.x if isinstance(mark, model.PointMarks) and mark.horizontal else mark.y
    up, down = mark.high - middle, middle - mark.low
    return {"array": up, "arrayminus": down, "thickness": 1.2, "width": width}


def _line_traces(mark: model.LineMark, legend: set[str]) -> list[go.Trace]:
    bars = None if mark.band else _error_bars(mark, width=4)
    line = go.Scatter(
        x=mark.x,
        y=mark.y,
        mode="lines+markers" if mark.markers else "lines",
        line={
            "color": _style_colour(mark.style),
            "dash": DASHES[(mark.style + mark.style // len(model.COLOURS)) % len(DASHES)],
            "width": 2,
        },
        marker={"symbol": MARKERS[mark.style % len(MARKERS)], "size": 8},
        error_y=bars,
        **_name_and_legend(mark, legend),
    )
    if not mark.band or mark.low is None or mark.high is None:
        return [line]
    x, y = _outline(mark.x, mark.low, mark.high)
    band = go.Scatter(
        x=x,
        y=y,
        fill="toself",
        fillcolor=_style_colour(mark.style),
        opacity=0.18,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=mark.name,
        showlegend=False,
    )
    return [band, line]


def _outline(x: model.Floats, low: model.Floats, high: model.Floats) -> tuple[Any, Any]:
    """Return the outline of a band: of several where it has gaps, with NaN between them."""
    known = np.isfinite(low) & np.isfinite(high)
    runs = np.split(np.arange(len(x)), np.flatnonzero(np.diff(known)) + 1)
    kept = [run for run in runs if len(run) and known[run[0]]]
    gap = np.array([np.nan])
    around = [np.concatenate([x[run], x[run][::-1], gap]) for run in kept]
    ends = [np.concatenate([high[run], low[run][::-1], gap]) for run in kept]
    return (np.concatenate(around)[:-1], np.concatenate(ends)[:-1]) if kept else ([], [])


def _point_traces(mark: model.PointMarks, legend: set[str]) -> go.Trace:
    marker = {
        "color": _style_colour(mark.style),
        "symbol": MARKERS[mark.style % len(MARKERS)],
        "size": 8,
    }
    if mark.quiet:
        marker = {"color": model.QUIET, "symbol": "circle", "size": 5, "opacity": 0.7}
    return go.Scatter(
        x=mark.x,
        y=mark.y,
        mode="markers",
        marker=marker,
        **{"error_x" if mark.horizontal else "error_y": _error_bars(mark, width=0)},
        text=list(mark.labels) or None,
        hovertemplate="%{text}<br>%{y:.2f}<extra></extra>" if mark.labels else None,
        **_name_and_legend(mark, legend),
    )


def _bar_traces(mark: model.BarMarks, legend: set[str]) -> go.Trace:
    flat = mark.horizontal
    bars = None if flat else _error_bars(mark, width=4)
    return go.Bar(
        x=mark.y if flat else mark.x,
        y=mark.x if flat else mark.y,
        orientation="h" if flat else "v",
        marker={"color": _style_colour(mark.style)},
        error_y=bars,
        **_name_and_legend(mark, legend),
    )


def _layout_axes(sheet: go.Figure, panel: model.Panel, place: dict[str, int]) -> None:
    if panel.bare:
        x = sheet.get_subplot(**place).xaxis.plotly_name.replace("axis", "")
        sheet.update_xaxes(visible=False, constrain="domain", **place)
        sheet.update_yaxes(visible=False, constrain="domain", scaleanchor=x, **place)
        return
    x = np.concatenate(
        [
            [],
            *(
                m.x
                for m in panel.marks
                if isinstance(m, model.LineMark | model.PointMarks | model.BarMarks)
            ),
        ]
    )
    sheet.update_xaxes(**_axis_layout(panel.x, x), **place)
    sheet.update_yaxes(**_axis_layout(panel.y), **place)


def _axis_layout(axis: model.Axis, values: model.Floats | None = None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "title": {"text": axis.title, "standoff": 8},
        "showgrid": True,
        "gridcolor": "#E3E6EA",
        "automargin": True,
    }
    if axis.ticks:
        names = [name.replace("\n", "<br>") for name in axis.ticks.values()]
        options |= {"tickvals": list(axis.ticks), "ticktext": names}
    if axis.log:
        wide = values is not None and len(values) and values.max() / values.min() > 30
        options |= {"type": "log", "dtick": 1 if wide else "D2", "exponentformat": "power"}
    if axis.whole and not axis.ticks:
        options |= {"tickformat": ",d", "nticks": 8}
        if values is not None and len(values) and np.ptp(values) < FEW:
            options |= {"dtick": 1}  # or plotly would put ticks between whole numbers, rounded
    if axis.log and axis.range is not None:  # errors: numbers that are read off
        options |= {"tickvals": READ_OFF, "ticktext": [f"{value:g}" for value in READ_OFF]}
    if axis.range is not None:
        ends = np.log10(axis.range) if axis.log else np.array(axis.range)
        options["range"] = list(ends[::-1] if axis.reverse else ends)
    elif axis.reverse:
        options["autorange"] = "reversed"
    return options


def _colour_bars(sheet: go.Figure) -> None:
    """Put each heatmap's colour bar beside its own panel, where plotly puts all on one place."""
    for trace in sheet.select_traces(selector={"type": "heatmap"}):
        x = sheet.layout[trace.xaxis.replace("x", "xaxis")].domain
        y = sheet.layout[trace.yaxis.replace("y", "yaxis")].domain
        trace.colorbar.update(x=x[1] + 0.005, xpad=2, thickness=12, y=(y[0] + y[1]) / 2,
                              len=y[1] - y[0])  # fmt: skip


def _picture_axes(figure: model.Figure) -> bool:
    return all(panel.bare for panel in figure.panels)


def _figure_height(figure: model.Figure) -> int:
    if _picture_axes(figure):
        return 60 + 170 * figure.rows
    flat = [
        m for p in figure.panels for m in p.marks if isinstance(m, model.BarMarks) and m.horizontal
    ]
    rows = [p for p in figure.panels for m in p.marks
            if isinstance(m, model.PointMarks) and m.horizontal]  # fmt: skip
    if rows:
        further = max(panel.y.further_lines for panel in rows)
        return 150 + (30 + 14 * further) * max(len(panel.y.ticks) for panel in rows)
    if flat:
        return 120 + 34 * max(len(mark.y) for mark in flat)
    return 70 + ROW_HEIGHT * figure.rows

"""How figures look: legends whole, axes within what is possible, captions true, words beside."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures import curves, draw_matplotlib, draw_plotly, errors, intervals, legends
from analysis.figures.axes import measured_axis
from analysis.figures.model import Axis, Figure, LineMark, Panel, PointMarks
from analysis.figures.words import figure_words
from analysis.report_page.shown import configurations_shown, names_left_out
from analysis.tables import configurations
from tests.analysis.test_figures import by_factor, frame_of

LONG = "PreAct ResNet-18 with a bottleneck, LaMix over PuzzleMix, smoothing = 0.1, train_images ="


def curve(name, style=0):
    x = np.arange(1.0, 6.0)
    return LineMark(x, x, name, style)


def figure_with(names):
    return Figure("f", "F", "c", [Panel([curve(name, i) for i, name in enumerate(names)])])


def history_of(count, seeds=1):
    """The curves of so many configurations, `c0` the best of them."""
    rows = [
        (f"{i}-{seed}", "validation_error", epoch, 10.0 + i + seed / 10)
        for i in range(count)
        for seed in range(seeds)
        for epoch in (1, 2)
    ]
    labels = {f"{i}-{seed}": f"c{i}" for i in range(count) for seed in range(seeds)}
    return pd.DataFrame(rows, columns=["run_id", "metric", "epoch", "value"]), labels


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        [f"{method} with a name of twenty" for method in "abcdefgh"],
        [f"{LONG} {n}" for n in range(5)],
        [f"{LONG} {LONG} {n}" for n in range(3)],
    ],
)
def test_a_legend_lies_within_the_sheet_however_long_its_names(names):
    sheet = draw_matplotlib._laid_out(figure_with(names))
    (legend,) = sheet.legends
    extent = legend.get_window_extent(FigureCanvasAgg(sheet).get_renderer())
    assert extent.x0 >= -1 and extent.x1 <= sheet.bbox.width + 1
    assert extent.y0 >= 0 and extent.y1 <= sheet.bbox.height + 1
    assert extent.y0 >= sheet.axes[0].get_window_extent().y1 - 1  # not over the curves


def test_an_axis_of_errors_stays_within_0_and_100():
    low, high = measured_axis(
        "test_error", [np.array([0.01, 99.99])], [np.array([0.0, 100.0])]
    ).range
    assert low == 0.0 and high == 100.0
    assert measured_axis("epoch_seconds", [np.array([1.0, 2.0])]).range is None


def test_an_axis_is_logarithmic_where_two_points_flatten_the_rest():
    flat = measured_axis("test_error", [np.array([1.0, 1.2, 2.0, 2.2, 3.0, 2.5, 70.0, 80.0])])
    assert flat.log and 0 < flat.range[0] <= 1.0 and flat.range[1] <= 100
    assert not measured_axis("test_error", [np.array([19.0, 20.0, 21.0, 24.0])]).log
    assert not measured_axis("test_error", [np.array([0.0, 0.1, 0.2, 90.0])]).log  # no log of 0


def test_a_logarithmic_axis_of_errors_names_plain_numbers():
    axis = Axis("error (%)", log=True, range=(0.9, 88.0))
    layout = draw_plotly._axis_layout(axis)
    assert layout["range"] == pytest.approx(np.log10([0.9, 88.0]))
    assert "100" in layout["ticktext"] and "0.5" in layout["ticktext"]


def test_all_curves_are_drawn_or_the_caption_names_those_left_out():
    figure = curves.learning_curves(*history_of(10), metrics=["validation_error"])
    assert [mark.name for mark in figure.panels[0].marks] == [f"c{i}" for i in range(10)]
    assert "Not drawn" not in figure.caption
    figure = curves.learning_curves(
        *history_of(12), metrics=["validation_error"], left_out=["another"]
    )
    assert len(figure.panels[0].marks) == 10
    assert figure.caption.endswith("Not drawn: c10; c11; another.")


def test_ten_curves_are_told_apart_by_colour_and_dash_together():
    styles = [
        (draw_matplotlib.COLOURS[style % 8], str(legends.dash_of(style))) for style in range(16)
    ]
    assert len(set(styles)) == 16


def test_the_captions_of_a_single_seed_claim_no_interval():
    caption = curves.learning_curves(*history_of(2), metrics=["validation_error"]).caption
    assert "a single seed" in caption and "95%" not in caption
    caption = curves.learning_curves(*history_of(2, seeds=3), metrics=["validation_error"]).caption
    assert "mean over seeds" in caption and "95%" in caption
    values = {(("regularizer.beta", b),): b for b in (0.1, 0.5, 0.9)}
    one = by_factor(frame_of(values, seeds=1))
    assert one.caption == curves.ONE_SEED_NOTE
    assert "95%" in by_factor(frame_of(values, seeds=3)).caption


def methods_table(methods):
    values = {
        (("regularizer.name", name), ("regularizer.mixing", mixing)): 3 + i
        for i, (name, mixing) in enumerate(methods)
    }
    frame = frame_of(values)
    factors = configurations.factors_of(frame)
    return configurations.over_configurations(frame, factors), factors


def test_the_projects_own_method_is_drawn_in_all_its_variants_among_many():
    others = [(f"rival{i}", "average") for i in range(13)]
    own = [("lamix", "average"), ("lamix", "puzzlemix")]
    table, factors = methods_table([*others, *own])
    shown = configurations_shown(table, factors)
    assert len(shown) == 10
    assert (shown["regularizer.name"] == "lamix").sum() == 2
    left = names_left_out(table, shown, factors)
    assert len(left) == 5 and not any("LaMix" in name for name in left)


def test_few_configurations_are_all_drawn():
    table, factors = methods_table([("vanilla", "average"), ("lamix", "average")] * 1)
    assert len(configurations_shown(table, factors)) == 2


def test_the_interval_plot_has_a_row_per_configuration_the_best_on_top():
    values = {(("regularizer.beta", b),): 10 * b for b in (0.9, 0.1, 0.5)}
    table = configurations.over_configurations(frame_of(values), ["regularizer.beta"])
    figure = intervals.interval_rows(table, ["regularizer.beta"])
    (panel,) = figure.panels
    assert list(panel.y.ticks.values()) == [
        f"regularizer.beta\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{b}" for b in (0.1, 0.5, 0.9)
    ]
    assert panel.y.reverse
    validation, _ = panel.marks
    assert validation.horizontal and (np.diff(validation.x) > 0).all()
    assert (validation.low < validation.x).all() and (validation.x < validation.high).all()
    assert intervals.interval_rows(table.head(1), ["regularizer.beta"]) is None
    drawn = draw_plotly.draw_figure(figure)
    assert drawn.data[0].error_x.array is not None and drawn.data[0].error_y.array is None


@pytest.mark.filterwarnings("error")
def test_names_of_many_settings_are_shown_whole_beside_their_intervals():
    """A plot of 40 rows with eight settings each had no room left, and all names were cut."""
    factors = ["training.learning_rate", "training.weight_decay", "regularizer.smoothing",
               "training.milestones", "training.batch_size"]  # fmt: skip
    values = {
        tuple((name, f"after_{i}" if "stones" in name else i / 7) for name in factors): i
        for i in range(40)
    }
    figure = intervals.interval_rows(configurations.over_configurations(frame_of(values), factors),
                                     factors)  # fmt: skip
    (panel,) = figure.panels
    names = list(panel.y.ticks.values())
    assert 10 < len(names) < 40 and f"{40 - len(names)} configurations below" in figure.caption
    lines = [line for name in names for line in name.splitlines()]
    assert panel.y.further_lines >= 2 and max(map(len, lines)) <= intervals.NAME_WIDTH
    with mpl.rc_context(draw_matplotlib.STYLE):
        sheet = draw_matplotlib.draw_figure(figure)
        sheet.draw_without_rendering()
    (axes,) = sheet.axes
    labels = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert min(box.x0 for box in labels) >= 0
    assert axes.get_window_extent().width > 0.4 * sheet.bbox.width
    spans = sorted((box.y0, box.y1) for box in labels)
    assert all(low[1] <= high[0] + 1 for low, high in zip(spans, spans[1:], strict=False))
    assert "<br>" in draw_plotly.draw_figure(figure).layout.yaxis.ticktext[0]


def test_a_figure_in_words_names_its_axes_and_where_its_curves_end():
    words = figure_words(figure_with(["LaMix", "Mixup"]))
    assert "LaMix from 1 to 5." in words and words.startswith("F.")
    points = PointMarks(np.array([0.0, 1.0]), np.array([3.0, 5.0]), "error")
    panel = Panel([points], Axis("method", ticks={0.0: "LaMix", 1.0: "Mixup"}), Axis("error (%)"))
    words = figure_words(Figure("f", "F", "c", [panel]))
    assert "error (%) against method." in words and "error: LaMix 3, Mixup 5." in words


def test_an_svg_is_the_same_each_time_and_shares_no_name_with_another():
    first, again = (draw_matplotlib.DrawnFigure(figure_with(["a", "b"])).svg() for _ in range(2))
    assert first == again and first.startswith("<svg")
    assert errors.MOST_CURVES == 6


def test_a_few_epochs_have_a_tick_each_and_none_twice():
    figure = curves.learning_curves(*history_of(2), metrics=["validation_error"])
    few = draw_plotly.draw_figure(figure).layout.xaxis
    epochs = {float(x) for mark in figure.panels[0].marks for x in mark.x}
    assert max(epochs) - min(epochs) < draw_plotly.FEW and few.dtick == 1


def test_a_value_without_an_interval_has_no_bar_of_no_length():
    x, low = np.arange(1.0, 4.0), np.array([1.0, np.nan, 2.0])
    mark = LineMark(x, low + 1, "a", 0, low, low + 2, markers=True, band=False)
    (line,) = draw_plotly.draw_figure(Figure("f", "F", "c", [Panel([mark])])).data
    np.testing.assert_array_equal(np.asarray(line.error_y.array, dtype=float), [1, np.nan, 1])
    lengths = draw_matplotlib._error_lengths(mark)
    np.testing.assert_array_equal(lengths, [[1, np.nan, 1]] * 2)
    assert draw_matplotlib.DrawnFigure(Figure("f", "F", "c", [Panel([mark])])).svg()


def test_a_band_has_a_gap_where_there_is_no_interval():
    x = np.arange(1.0, 7.0)
    ends = np.array([np.nan, 1.0, 2.0, np.nan, 4.0, 5.0])
    mark = LineMark(x, ends + 1, "a", 0, ends, ends + 2)
    band, _ = draw_plotly.draw_figure(Figure("f", "F", "c", [Panel([mark])])).data
    around = [2.0, 3.0, 3.0, 2.0, np.nan, 5.0, 6.0, 6.0, 5.0]
    np.testing.assert_array_equal(np.asarray(band.x, dtype=float), around)
    outline = [3.0, 4.0, 2.0, 1.0, np.nan, 6.0, 7.0, 5.0, 4.0]
    np.testing.assert_array_equal(np.asarray(band.y, dtype=float), outline)
    nowhere = LineMark(x, x, "a", 0, x * np.nan, x * np.nan)
    band, _ = draw_plotly.draw_figure(Figure("f", "F", "c", [Panel([nowhere])])).data
    assert len(band.x) == 0

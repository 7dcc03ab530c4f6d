import numpy as np
import pandas as pd
import pytest

from analysis import trials
from analysis.figures import curves, draw_matplotlib, draw_plotly, errors, insides, search
from analysis.figures.diagnostics import (
    ActivationMaps,
    BadArtifactError,
    EmbeddingRecord,
    SoftTargets,
)
from analysis.figures.model import BarMarks, HeatmapMark, LineMark, PointMarks
from analysis.tables import configurations
from tests.analysis import made_up
from tests.analysis.test_tables import trial

PNG = b"\x89PNG"


def frame_of(values, seeds=3):
    """Trials over settings: `values` maps a tuple of (name, value) pairs to an error."""
    rows = [
        trial(str(i), seed, error + 0.1 * seed, **{k.replace(".", "__"): v for k, v in settings})
        for i, (settings, error) in enumerate(values.items())
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def by_factor(frame, **options):
    factors = configurations.factors_of(frame)
    table = configurations.over_configurations(frame, factors)
    return errors.error_by_factor(table, frame, factors, **options)


def marks(figure, kind):
    return [mark for panel in figure.panels for mark in panel.marks if isinstance(mark, kind)]


@pytest.fixture
def beta(store):
    return trials.load("beta", tracking_uri=store.uri)


def test_one_number_becomes_a_curve_in_order_with_the_seeds_behind(beta):
    figure = by_factor(beta)
    validation, test = marks(figure, LineMark)
    assert list(validation.x) == [0.1, 0.3, 0.5, 0.7, 0.9]
    row = configurations.over_configurations(beta, ["regularizer.beta"]).iloc[0]
    assert validation.y[2] == pytest.approx(row["validation_error_mean"])
    assert validation.low[2] == pytest.approx(row["validation_error_low"])
    assert test.name == "test error, last epoch"
    assert len(marks(figure, PointMarks)[0].x) == 15
    assert "β" in figure.panels[0].x.title and figure.panels[0].y.title == "error (%)"
    assert len(figure.runs) == 15


def test_a_choice_becomes_named_places_that_no_line_connects():
    frame = frame_of({(("regularizer.name", n),): e for n, e in [("lamix", 3), ("mixup", 5)]})
    figure = by_factor(frame)
    assert not marks(figure, LineMark)
    assert figure.panels[0].x.ticks == {0.0: "LaMix", 1.0: "Mixup"}


def test_two_factors_become_curves():
    values = {
        (("regularizer.beta", b), ("network.name", n)): b + len(n)
        for b in (0.1, 0.5)
        for n in ("lenet", "resnet50")
    }
    figure = by_factor(frame_of(values))
    assert [panel.y.title for panel in figure.panels] == [
        "validation error (%)",
        "test error, last epoch (%)",
    ]
    assert {mark.name for mark in marks(figure, LineMark)} == {"LeNet", "ResNet-50"}


def test_a_free_search_becomes_one_panel_per_factor():
    rng = np.random.default_rng(0)
    values = {
        (("a.x", float(x)), ("b.y", float(y))): x + y for x, y in rng.uniform(0.01, 9, (20, 2))
    }
    figure = by_factor(frame_of(values), space={"a.x": {"low": 0.01, "high": 9, "log": True}})
    assert [panel.x.title for panel in figure.panels] == ["a.x", "b.y"]
    assert figure.panels[0].x.log
    best = [mark for mark in marks(figure, PointMarks) if mark.name == "best"]
    assert all(len(mark.x) == 1 for mark in best)


def test_nothing_to_show_is_no_figure(beta):
    assert by_factor(beta[beta["regularizer.beta"] == 0.5]) is None
    assert by_factor(beta.assign(outcome="failed")) is None
    assert search.search_course(configurations.over_configurations(beta.head(0), []), beta) is None
    assert curves.learning_curves(pd.DataFrame(columns=["run_id", "metric"]), {}) is None


def test_the_course_keeps_the_lowest_so_far(beta):
    figure = search.search_course(configurations.over_configurations(beta, []), beta)
    (line,) = marks(figure, LineMark)
    assert (np.diff(line.y) <= 0).all() and len(line.y) == 5
    tried = marks(figure, PointMarks)[0]
    first = beta[beta["regularizer.beta"] == 0.1]["validation_error"].mean()
    assert tried.y[0] == pytest.approx(first)


def test_learning_curves_are_means_over_seeds(store, beta):
    chosen = beta[beta["regularizer.beta"].isin([0.1, 0.5])]
    labels = {row["run_id"]: f"β {row['regularizer.beta']}" for _, row in chosen.iterrows()}
    history = trials.history(chosen, ["validation_error", "train_loss"], store.uri)
    figure = curves.learning_curves(history, labels)
    assert len(figure.panels) == 2
    curve = marks(figure, LineMark)[1]
    assert curve.name == "β 0.5" and list(curve.x) == [1, 2, 3, 4]
    assert curve.y[-1] == pytest.approx(
        chosen[chosen["regularizer.beta"] == 0.5]["validation_error"].mean()
    )
    assert (curve.low < curve.y).all()


def test_a_curve_ends_where_seeds_begin_to_miss():
    rows = [("a", "validation_error", e, 1.0) for e in (1, 2, 3)]
    rows += [("b", "validation_error", e, 2.0) for e in (1, 2)]
    history = pd.DataFrame(rows, columns=["run_id", "metric", "epoch", "value"])
    figure = curves.learning_curves(history, {"a": "x", "b": "x"})
    assert list(marks(figure, LineMark)[0].x) == [1, 2]


def read_all(folder):
    for path, write in made_up.ALL.items():
        (folder / path).parent.mkdir(exist_ok=True)
        write(folder / path)
    kinds = (SoftTargets, ActivationMaps, EmbeddingRecord)
    return [kind.read(folder / kind.PATH) for kind in kinds]


def diagnostic_figures(folder):
    targets, maps, embedding = read_all(folder)
    return [
        insides.top_targets({"CIFAR-10": [targets, targets], "CIFAR-100": [targets]}),
        insides.target_distributions(targets, of="LaMix, seed 0"),
        insides.activation_maps({"LaMix": maps, "Mixup": maps}),
        insides.embedding_panels(embedding, of="LaMix, seed 0"),
    ]


def test_diagnostics_become_the_papers_figures(tmp_path):
    top, spread, cam, embedding = diagnostic_figures(tmp_path)
    assert len(marks(top, BarMarks)) == 2 and (np.diff(marks(top, BarMarks)[0].y) < 0).all()
    heat, global_heat = marks(spread, HeatmapMark)
    assert heat.z.shape == (40, 39) and global_heat.z.shape == (40, 48)
    assert global_heat.z.sum(axis=1).max() <= 1
    assert cam.columns == 3 and len(cam.panels) == 4 * 3
    assert "(wrong)" in cam.panels[4].title
    assert len(embedding.panels) == 4 and "epoch 1000" in embedding.panels[3].title


def test_maps_of_other_images_are_left_out(tmp_path):
    _, maps, _ = read_all(tmp_path)
    other = ActivationMaps(**{**vars(maps), "images_NHWC": maps.images_NHWC + 1})
    assert insides.activation_maps({"a": maps, "b": other}).columns == 2


def test_the_overlay_runs_from_blue_to_yellow():
    image = np.full((1, 2, 3), 100, dtype=np.uint8)
    out = insides.overlay_map(image, np.array([[0.0, 1.0]]))
    assert out[0, 0].tolist() == [50, 66, 88]  # half of 100, half of (0, 32, 77)
    assert out[0, 1].tolist() == [178, 167, 85]


def test_a_global_label_may_be_absent(tmp_path):
    made_up.soft_targets(tmp_path / "t.npz", global_label=False)
    targets = SoftTargets.read(tmp_path / "t.npz")
    assert len(insides.target_distributions(targets, of="x").panels) == 1


def test_a_broken_artifact_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", epochs_E=np.arange(3))
    with pytest.raises(BadArtifactError, match="no array `target_counts_EB`"):
        SoftTargets.read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", images_NHWC=np.zeros((2, 4, 4)))
    with pytest.raises(BadArtifactError, match="`images_NHWC` must have 4 dimensions"):
        ActivationMaps.read(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_text("no")
    with pytest.raises(BadArtifactError, match="not a file of named arrays"):
        EmbeddingRecord.read(tmp_path / "c.npz")


def test_every_figure_is_drawn_for_print_and_for_the_browser(tmp_path, beta, store):
    labels = {run: "LaMix" for run in beta["run_id"]}
    history = trials.history(beta.head(2), ["validation_error", "train_loss"], store.uri)
    drawn = [
        by_factor(beta),
        curves.learning_curves(history, labels),
        curves.importance_bars({"regularizer.beta": 0.8, "a.b": 0.2}, caption="c"),
        *diagnostic_figures(tmp_path),
    ]
    for i, figure in enumerate(drawn):
        png, pdf = draw_matplotlib.save_figure(figure, tmp_path / str(i))
        assert png.read_bytes().startswith(PNG) and pdf.read_bytes().startswith(b"%PDF")
        html = draw_plotly.to_html(figure)
        assert f'id="figure-{figure.name}"' in html and "cdn" not in html
        assert figure.caption and figure.title


def test_the_same_figure_is_the_same_file(tmp_path, beta):
    first = draw_matplotlib.save_figure(by_factor(beta), tmp_path / "a")
    second = draw_matplotlib.save_figure(by_factor(beta), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def of_two_objectives(rows):
    """A table over configurations: (loss, seconds, best)."""
    return pd.DataFrame(
        [
            {
                "validation_loss_mean": loss,
                "epoch_seconds_mean": seconds,
                "best": best,
                "regularizer.beta": number / 10,
                "run_ids": (f"run{number}",),
            }
            for number, (loss, seconds, best) in enumerate(rows)
        ]
    )


def test_the_front_of_two_objectives_is_joined_in_order():
    rows = [(0.5, 1.0, True), (0.6, 2.0, False), (0.2, 3.0, True), (float("nan"), 1.0, False)]
    figure = search.pareto_front(
        of_two_objectives(rows), ["regularizer.beta"], ["validation_loss", "epoch_seconds"]
    )
    (panel,) = figure.panels
    rest, line, front = panel.marks
    assert (list(rest.x), list(rest.y)) == ([0.6], [2.0])
    assert (list(line.x), list(line.y)) == ([0.2, 0.5], [3.0, 1.0])
    assert front.labels == ["regularizer.beta = 0.2", "regularizer.beta = 0"]
    assert (panel.x.title, panel.y.title) == ("validation loss", "seconds per epoch")
    assert figure.runs == ("run0", "run1", "run2")


def test_one_objective_has_no_front():
    table = of_two_objectives([(0.5, 1.0, True), (0.6, 2.0, False)])
    assert search.pareto_front(table, [], ["validation_loss"]) is None


def test_metrics_of_unlike_units_have_axes_of_their_own(beta):
    frame = beta.assign(validation_loss=beta["validation_error"] / 10)
    factors = ["regularizer.beta"]
    table = configurations.over_configurations(frame, factors, "validation_loss")
    figure = errors.error_by_factor(table, frame, factors, objective="validation_loss")
    assert figure.title == "Validation loss against regularizer.beta"
    titles = [panel.y.title for panel in figure.panels]
    assert titles == ["validation loss", "test error, last epoch (%)"]

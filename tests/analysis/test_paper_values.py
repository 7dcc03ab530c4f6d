import math

import pandas as pd
import pytest

from analysis.paper import cells as paper_cells
from analysis.paper import reproduction
from analysis.paper.verdict import Verdict
from analysis.tables import rendering


def test_every_table_is_there_in_its_size():
    sizes = paper_cells.all_cells().groupby("table").size().to_dict()
    assert sizes == {
        "table1": 40, "table2": 12, "table3": 30, "table4": 4,
        "table5": 36, "table6": 8, "table7": 8, "table8": 8,
    }  # fmt: skip
    assert set(sizes) == set(paper_cells.TABLES)


def test_a_cell_read_from_the_paper():
    table = paper_cells.table_cells("table1").set_index(["dataset", "network", "method"])
    cell = table.loc[("cifar100", "preact_resnet18", "lamix")]
    assert (cell["mean"], cell["sd"], cell["runs"]) == (19.38, 0.16, 5)


def test_no_cell_stands_twice_in_a_table():
    assert not paper_cells.all_cells().duplicated(["table", "dataset", "network", "method"]).any()


def test_a_cell_in_several_tables_has_the_same_numbers():
    groups = paper_cells.all_cells().groupby(["dataset", "network", "method"])
    assert (groups[["mean", "sd"]].nunique() == 1).all().all()
    assert (groups["table"].nunique() > 1).sum() > 15


def test_numbers_are_percent_with_a_small_spread():
    cells = paper_cells.all_cells()
    assert cells["mean"].between(0.4, 92).all()
    assert (cells["sd"] > 0).all() and (cells["sd"] < 0.3 * cells["mean"]).all()


def test_table_3_says_which_rows_are_copied_and_they_are():
    copied = paper_cells.table_cells("table3").query("note != ''")
    first = paper_cells.table_cells("table1").set_index(["dataset", "network", "method"])
    assert len(copied) == 10
    for _, cell in copied.iterrows():
        assert cell["mean"] == first.loc[(cell["dataset"], cell["network"], "vanilla"), "mean"]


def test_the_accuracy_in_the_text_is_the_tables():
    lamix = paper_cells.table_cells("table1").set_index(["dataset", "network", "method"])["mean"]
    assert 100 - lamix["cifar100", "preact_resnet18", "lamix"] == pytest.approx(80.62)
    assert "80.62" in paper_cells.CLAIMS["fig4"]


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"name": "vanilla"}, "vanilla"),
        ({"name": "vanilla", "smoothing": 0.2}, "vanilla+smoothing=0.2"),
        ({"name": "mixup", "alpha": 1.0, "smoothing": 0.0}, "mixup"),
        ({"name": "mixup", "alpha": 0.2}, None),
        ({"name": "mixup", "smoothing": 0.1}, "mixup+smoothing=0.1"),
        ({"name": "cutmix", "probability": 0.5}, None),
        ({"name": "puzzlemix"}, "puzzlemix"),
        ({"name": "lamix"}, "lamix"),
        ({"name": "lamix", "beta": 0.5, "alpha": math.nan}, "lamix"),
        ({"name": "lamix", "beta": 0.4}, None),
        ({"name": "lamix", "smoothing": 0.1}, None),
        ({"name": "lamix", "global_label": "uniform"}, None),
        ({"name": "lamix", "global_label": "none"}, "lamix without global soft label"),
        ({"name": "lamix", "beta": 1}, "lamix without global soft label"),
        ({"name": "lamix", "original_batches": False}, "lamix without original samples"),
        ({"name": "lamix", "mixing": "puzzlemix", "beta": 1.0}, "lamix_puzzlemix"),
        ({"name": "lamix", "mixing": "puzzlemix", "beta": 0.5}, None),
        ({"name": "newcomer"}, None),
    ],
)
def test_settings_have_the_papers_name(settings, method):
    assert paper_cells.method_of({f"regularizer.{k}": v for k, v in settings.items()}) == method


def test_every_method_of_the_paper_has_settings():
    smoothings = [f"mixup+smoothing={x}" for x in (0.1, 0.2, 0.3, 0.4)]
    reached = {"vanilla", "mixup", "cutmix", "puzzlemix", "lamix", "lamix_puzzlemix", *smoothings,
               "lamix without original samples", "lamix without global soft label"}  # fmt: skip
    assert set(paper_cells.all_cells()["method"]) == reached


def trial(method, seed, error, *, outcome="completed", configuration=None, **extra):
    own = {"lamix": ("regularizer.beta", 0.5), "mixup": ("regularizer.alpha", 1.0)}
    settings = dict([("regularizer.name", method), own[method]])
    return {
        "dataset.name": "tiny_imagenet", "network.name": "resnet50", **settings,
        "training.epochs": 400, "configuration": configuration or method, "seed": seed,
        "run_id": f"{method}{seed}", "outcome": outcome,
        "validation_error": error, "test_error_last": error, **extra,
    }  # fmt: skip


@pytest.fixture
def frame():
    lamix = [trial("lamix", seed, 28.85 + 0.1 * (seed - 2)) for seed in range(5)]
    mixup = [trial("mixup", seed, 35.0 + 0.1 * (seed - 2)) for seed in range(5)]
    return pd.DataFrame(lamix + mixup)


def by_method(compared, network="resnet50"):
    return {cell.method: cell for cell in compared if cell.network == network}


def test_cells_get_their_verdicts(frame):
    cells = by_method(reproduction.compare_table(frame, "table6", scale="paper", seeds=5))
    assert cells["lamix"].judgement.verdict is Verdict.REPRODUCED
    assert cells["mixup"].judgement.verdict is Verdict.NOT_REPRODUCED
    assert cells["mixup"].judgement.difference == pytest.approx(35.0 - 39.09)
    assert cells["vanilla"].judgement.verdict is Verdict.INCOMPLETE
    assert cells["lamix"].runs == tuple(f"lamix{seed}" for seed in range(5))


def test_another_scale_or_other_epochs_are_not_compared(frame):
    for cells in (
        reproduction.compare_table(frame, "table6", scale="quick"),
        reproduction.compare_table(
            frame.assign(**{"training.epochs": 10}), "table6", scale="paper"
        ),
    ):
        assert by_method(cells)["lamix"].judgement.verdict is Verdict.NOT_COMPARED


def test_a_diverged_seed_fails_its_cell(frame):
    frame.loc[0, "outcome"] = "diverged"
    cells = by_method(reproduction.compare_table(frame, "table6", scale="paper", seeds=5))
    assert cells["lamix"].judgement.verdict is Verdict.FAILED


def test_of_several_matching_configurations_validation_chooses(frame):
    tuned = [
        trial("lamix", seed, 30.0, configuration="slow", **{"training.learning_rate": 0.01})
        | {"test_error_last": 20.0}
        for seed in range(5)
    ]
    both = pd.concat([frame, pd.DataFrame(tuned)], ignore_index=True)
    cell = by_method(reproduction.compare_table(both, "table6", scale="paper"))["lamix"]
    assert (cell.configuration, cell.candidates) == ("lamix", 2)
    assert cell.ours.mean == pytest.approx(28.85)


@pytest.mark.parametrize("name", list(paper_cells.TABLES))
def test_every_table_has_the_papers_shape(frame, name):
    compared = reproduction.compare_table(frame, name, scale="paper")
    grid = reproduction.reproduction_grid(compared, name)
    cells = len(grid.rows) * (len(grid.header) - len(paper_cells.TABLES[name].rows)) // 2
    assert cells == len(compared) == len(paper_cells.table_cells(name))
    assert "Table" in rendering.to_latex(grid)


def test_the_lowest_of_a_dataset_and_network_is_bold(frame):
    grid = reproduction.reproduction_grid(
        reproduction.compare_table(frame, "table6", scale="paper"), "table6"
    )
    resnet50 = next(row for row in grid.rows if row[0].text == "ResNet-50")
    strong = {grid.names[i]: cell.text for i, cell in enumerate(resnet50) if cell.strong}
    assert strong == {"LaMix paper": "28.85 ± 0.15", "LaMix ours": "28.85 ± 0.16 ="}


def test_the_tally_counts_every_cell(frame):
    text = reproduction.tally_sentence(reproduction.compare_table(frame, "table6", scale="paper"))
    assert text == "Of 8 cells of the paper: 1 reproduced, 1 not reproduced, 6 incomplete."

import math

import pytest

from analysis.paper import cells as paper_cells
from analysis.paper import comparable, grids, methods, reproduction
from analysis.paper.verdict import Verdict
from analysis.tables import rendering
from tests.analysis.paper_trials import frame_of, paper_trial, with_seeds


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
        (
            {"name": "lamix", "mixing": "puzzlemix", "beta": 1.0, "loss": "binary_cross_entropy"},
            "lamix_puzzlemix",
        ),
        ({"name": "lamix", "mixing": "puzzlemix", "beta": 1.0}, None),
        ({"name": "lamix", "loss": "binary_cross_entropy"}, None),
        ({"name": "lamix", "soften_originals": False}, None),
        ({"name": "lamix", "alternation": "both"}, None),
        ({"name": "puzzlemix", "adversarial_probability": 0.15}, None),
        ({"name": "lamix", "mixing": "puzzlemix", "beta": 0.5}, None),
        ({"name": "newcomer"}, None),
    ],
)
def test_settings_have_the_papers_name(settings, method):
    assert methods.method_of({f"regularizer.{k}": v for k, v in settings.items()}) == method


def test_every_method_of_the_paper_has_settings():
    smoothings = [f"mixup+smoothing={x}" for x in (0.1, 0.2, 0.3, 0.4)]
    reached = {"vanilla", "mixup", "cutmix", "puzzlemix", "lamix", "lamix_puzzlemix", *smoothings,
               "lamix without original samples", "lamix without global soft label"}  # fmt: skip
    assert set(paper_cells.all_cells()["method"]) == reached


TINY = "tiny_imagenet", "resnet50"


def around(mean):
    """Five errors with this mean and a standard deviation of .16."""
    return [mean + 0.1 * (seed - 2) for seed in range(5)]


def cell_trials(method, mean, *, configuration=None, outcome="completed", **changes):
    settings = paper_trial("table6", *TINY, method, **changes)
    return with_seeds(
        settings, around(mean), configuration=configuration or method, outcome=outcome
    )


@pytest.fixture
def frame():
    return frame_of(cell_trials("lamix", 28.85), cell_trials("mixup", 35.0))


def compared_with(frame, *, table="table6", scale="paper", **options):
    found = reproduction.compare_table(frame, table, scale=scale, **options)
    return {cell.method: cell for cell in found if cell.network == "resnet50"}


def verdict_of(cell):
    (judgement,) = cell.judgements
    return judgement.verdict


def test_cells_get_their_verdicts(frame):
    cells = compared_with(frame, seeds=5)
    assert verdict_of(cells["lamix"]) is Verdict.REPRODUCED
    assert verdict_of(cells["mixup"]) is Verdict.NOT_REPRODUCED
    assert cells["mixup"].readings[0].judgement.difference == pytest.approx(35.0 - 39.09)
    assert verdict_of(cells["vanilla"]) is Verdict.INCOMPLETE
    assert cells["lamix"].readings[0].runs == tuple(f"lamix-{seed}" for seed in range(5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__batch_size": 1024}, "batch_size 1024, the paper's 128"),
        ({"training__milestones": [200, 300]}, "milestones [200, 300], the paper's [100, 150]"),
        ({"network__width": 2}, "width 2, the paper's 64"),
        ({"dataset__train_images": 1000}, "train_images 1000, the paper's none"),
        ({"dataset__validation": 0.5}, "validation 0.5, the paper's 0"),
        ({"training__epochs": 10}, "epochs 10, the paper's 400"),
        ({"regularizer__loss": "binary_cross_entropy"},
         "loss binary_cross_entropy, the paper's cross_entropy"),
        ({"regularizer__soften_originals": False}, "soften_originals no, the paper's yes"),
        ({"regularizer__beta": 0.4}, "beta 0.4, the paper's 0.5"),
        ({"network__variant": "he2016"}, "variant he2016, the paper's mixup_cifar10"),
        ({"training__weight_decay": 0.001, "training__schedule": "cosine"},
         "weight_decay 0.001, the paper's 0.0001; schedule cosine, the paper's steps"),
    ],
)  # fmt: skip
def test_another_setting_is_not_compared_and_is_named(changes, said):
    cell = compared_with(frame_of(cell_trials("lamix", 28.85, **changes)), seeds=5)["lamix"]
    (judgement,) = cell.judgements
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_COMPARED, said)


@pytest.mark.parametrize(
    "changes",
    [
        {"training__compile": True},
        {"diagnostics__soft_targets": True},
        {"training__recipe": "section_3_1_scaled"},
        {"network__width": None},
        {"training__epochs": 400.0},
    ],
)
def test_what_changes_no_result_is_compared(changes):
    cell = compared_with(frame_of(cell_trials("lamix", 28.85, **changes)), seeds=5)["lamix"]
    assert verdict_of(cell) is Verdict.REPRODUCED
    assert cell.readings[0].remark == ""


def test_a_setting_that_an_old_record_lacks_had_its_default_and_no_other():
    held = frame_of(cell_trials("lamix", 28.85))
    assert verdict_of(compared_with(held.drop(columns="network.width"))["lamix"]) is (
        Verdict.REPRODUCED
    )
    # The shipped study sets no validation share; the default is another.
    lacking = compared_with(held.drop(columns="dataset.validation"))["lamix"]
    assert verdict_of(lacking) is Verdict.NOT_COMPARED


def test_the_precision_is_a_remark():
    trials = cell_trials("lamix", 28.85, training__precision="auto", precision="bf16")
    cell = compared_with(frame_of(trials), seeds=5)["lamix"]
    assert verdict_of(cell) is Verdict.REPRODUCED
    assert cell.readings[0].remark == "trained in bf16"
    assert "trained in bf16" in rendering.to_text(grids.detail_grid([cell]))


def test_the_name_of_the_scale_decides_nothing(frame):
    assert verdict_of(compared_with(frame, scale="mine", seeds=5)["lamix"]) is Verdict.REPRODUCED
    assert verdict_of(compared_with(frame, scale="mine")["vanilla"]) is Verdict.NOT_COMPARED


def test_a_diverged_seed_fails_its_cell(frame):
    frame.loc[0, "outcome"] = "diverged"
    assert verdict_of(compared_with(frame, seeds=5)["lamix"]) is Verdict.FAILED


def test_configurations_that_match_one_cell_are_readings_and_none_is_chosen(frame):
    slow = cell_trials("lamix", 20.0, configuration="slow", training__learning_rate=0.01)
    both = frame_of(slow, frame.to_dict("records"))
    cell = compared_with(both, seeds=5)["lamix"]
    assert [reading.configuration for reading in cell.readings] == ["lamix", "slow"]
    assert [judgement.verdict for judgement in cell.judgements] == [
        Verdict.REPRODUCED,
        Verdict.NOT_COMPARED,
    ]
    rows = grids.detail_grid([cell]).rows
    assert [row[4].text for row in rows] == ["28.85 ± 0.16", "20.00 ± 0.16"]
    lines = grids.reproduction_grid([cell], paper_cells.TABLES["table6"]).rows
    assert [line[0].text for line in lines] == ["ResNet-50", "ResNet-50, reading 2"]


def test_readings_that_disagree_are_counted_as_such():
    two = frame_of(
        cell_trials("lamix", 28.85, configuration="a"),
        cell_trials("lamix", 35.0, configuration="b", training__compile=True),
    )
    compared = reproduction.compare_table(two, "table6", scale="paper", seeds=5)
    assert "1 with readings that disagree" in reproduction.tally_sentence(compared)


def test_the_three_test_errors_stand_side_by_side(frame):
    cell = compared_with(frame, seeds=5)["lamix"]
    grid = grids.detail_grid([cell])
    texts = dict(zip(grid.names, (item.text for item in grid.rows[0]), strict=True))
    assert texts["ours, last"] == "28.85 ± 0.16"
    assert texts["ours, last 10"] == "28.90 ± 0.16"
    assert texts["ours, best"] == "28.65 ± 0.16"
    by_best = compared_with(frame, seeds=5, test="test_error_best")["lamix"].readings[0]
    assert by_best.judgement.difference == pytest.approx(-0.2)


def test_table_3_takes_its_vanilla_rows_from_table_1():
    place = "cifar10", "resnet50", "vanilla"
    own = frame_of(
        with_seeds(paper_trial("table3", "cifar10", "resnet50", "puzzlemix"), around(2.55),
                   configuration="puzzlemix"),
        with_seeds({**paper_trial("table3", "cifar10", "resnet50", "puzzlemix"),
                    "regularizer.name": "vanilla"}, around(9.0), configuration="own"),
    )  # fmt: skip
    first = frame_of(with_seeds(paper_trial("table1", *place), around(4.83), configuration="one"))
    compared = reproduction.compare_table(
        own, "table3", scale="paper", seeds=5, elsewhere={"table1": first}
    )
    (cell,) = [c for c in compared if (c.dataset, c.network, c.method) == place]
    assert [(r.source, r.configuration) for r in cell.readings] == [("table1", "one"), ("", "own")]
    assert [j.verdict for j in cell.judgements] == [Verdict.REPRODUCED, Verdict.NOT_COMPARED]
    assert "loss binary_cross_entropy, the paper's cross_entropy" in cell.judgements[1].reason
    others = [c for c in compared if c.method == "puzzlemix" and c.dataset == "cifar10"]
    assert {r.source for c in others for r in c.readings} == {""}


def test_numbers_of_others_stand_beside_the_papers_and_show_a_weak_baseline():
    compared = reproduction.compare_table(frame_of(cell_trials("lamix", 28.85)), "table6",
                                          scale="paper")  # fmt: skip
    grid = grids.detail_grid(compared)
    vanilla = next(row for row in grid.rows if row[2].text == "Vanilla")
    assert vanilla[4].text == "38.32, 400 ep."
    weak = next(note for note in grid.notes if "two of its standard deviations" in note)
    assert "Vanilla on Tiny-ImageNet (+4.29)" in weak
    assert any("cosine" in note for note in grid.notes)


def test_a_capped_margin_says_so():
    place = "cifar100", "lenet", "cutmix"
    held = frame_of(with_seeds(paper_trial("table2", *place), around(62.5), configuration="cutmix"))
    compared = reproduction.compare_table(held, "table2", scale="paper", seeds=5)
    (cell,) = [c for c in compared if (c.dataset, c.network, c.method) == place]
    (judgement,) = cell.judgements
    assert judgement.margin == 2.0
    assert "capped at ±2.00" in judgement.caution
    assert "would accept ±6.18" in rendering.to_text(grids.detail_grid([cell]))


@pytest.mark.parametrize("name", list(paper_cells.TABLES))
def test_every_table_has_the_papers_shape(frame, name):
    compared = reproduction.compare_table(frame, name, scale="paper")
    grid = grids.reproduction_grid(compared, paper_cells.TABLES[name])
    cells = len(grid.rows) * (len(grid.header) - len(paper_cells.TABLES[name].rows)) // 2
    assert cells == len(compared) == len(paper_cells.table_cells(name))
    assert "Table" in rendering.to_latex(grid)


def test_the_lowest_of_a_dataset_and_network_is_bold(frame):
    compared = reproduction.compare_table(frame, "table6", scale="paper")
    grid = grids.reproduction_grid(compared, paper_cells.TABLES["table6"])
    resnet50 = next(row for row in grid.rows if row[0].text == "ResNet-50")
    strong = {grid.names[i]: cell.text for i, cell in enumerate(resnet50) if cell.strong}
    assert strong == {"LaMix paper": "28.85 ± 0.15", "LaMix ours": "28.85 ± 0.16 ="}


def test_the_tally_counts_every_cell(frame):
    text = reproduction.tally_sentence(reproduction.compare_table(frame, "table6", scale="paper"))
    assert text == "Of 8 cells of the paper: 1 reproduced, 1 not reproduced, 6 incomplete."


def test_every_cell_of_the_paper_has_its_shipped_setting():
    for name in paper_cells.TABLES:
        cells = paper_cells.table_cells(name)
        wanted = set(zip(cells["dataset"], cells["network"], cells["method"], strict=True))
        held = paper_cells.cell_configurations(name)
        assert set(held) == wanted
        assert {key: methods.method_of(cell.settings) for key, cell in held.items()} == {
            key: key[2] for key in wanted
        }


def test_the_settings_held_are_those_of_the_shipped_studies():
    from study.file.shipped_settings import settings_text, shipped_settings

    assert comparable.SETTINGS.read_text(encoding="utf-8") == settings_text(shipped_settings())

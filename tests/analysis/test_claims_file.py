"""Any paper's numbers beside a study: the file, its mistakes in words, the verdicts."""

import math
import re
from pathlib import Path

import pytest

from analysis.paper import cells, published_table
from analysis.paper.claim_words import claim_sentence
from analysis.paper.claims_file import ClaimsFileError, read_claims, rows_as_data, rows_of_data
from analysis.paper.grids import detail_grid, reproduction_grid
from analysis.paper.verdict import Verdict
from analysis.statistics.published import PublishedCell, equivalence_margin, judge_cell
from study.file.points import grid_points
from study.file.resolved import load_study
from tests.analysis.paper_trials import frame_of, with_seeds
from trainables.configuration import as_dict, flatten_settings, parse_configuration

HEADER = "dataset,network,method,metric,mean,spread,runs,source,match,claim\n"
MIXUP = "digits,lenet,Mixup,test_error_last,4.2,0.2,5,Some 2020,regularizer.name = mixup,\n"
OURS = (
    "digits,lenet,Ours,test_error_last,3.0,0.2,5,Some 2020,"
    "regularizer.name = lamix; regularizer.beta = 0.5,better\n"
)


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_a_file_is_read_and_survives_the_record(write):
    rows = read_claims(write(HEADER + MIXUP + OURS))
    assert [(row.method, row.mean, row.runs, row.claim) for row in rows] == [
        ("Mixup", 4.2, 5, ""),
        ("Ours", 3.0, 5, "better"),
    ]
    assert rows[1].match == {"regularizer.name": "lamix", "regularizer.beta": 0.5}
    assert rows_of_data(rows_as_data(rows)) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first line lacks dataset"),
        ("dataset,mean\n", "its first line lacks network, method, metric"),
        (HEADER, "it has 0 rows"),
        (HEADER.replace("claim", "clam") + MIXUP, "unknown columns: clam"),
        (HEADER + MIXUP.replace("4.2", "four"), "line 2: `mean` is a number from 0 to 100, but"),
        (HEADER + MIXUP.replace("4.2", "nan"), "0 to 100, but here is `nan`"),
        (HEADER + MIXUP.replace("4.2", "420"), "`mean` is a number from 0 to 100"),
        (HEADER + MIXUP.replace("0.2", "-1"), "`spread` is a number from 0 to 100"),
        (HEADER + MIXUP.replace(",5,", ",0,"), "`runs` is a whole number from 1"),
        (HEADER + MIXUP.replace(",5,", ",1,"), "a single run has no `spread`"),
        (HEADER + MIXUP.replace("test_error_last", "accuracy"), "no trial records the metric"),
        (HEADER + MIXUP.replace("test_error_last", "test_eror_last"), "mean `test_error_last`?"),
        (HEADER + MIXUP.replace("test_error_last", "test_loss"), "an error in percent, which"),
        (HEADER + MIXUP.replace("regularizer.name = mixup", "mixup"), "but here is `mixup`"),
        (HEADER + MIXUP.replace("regularizer.name = mixup", ""), "`match` is empty"),
        (HEADER + MIXUP.strip() + "best\n", "`claim` is empty, better or on par, but here is"),
        (HEADER + MIXUP + MIXUP, "digits, lenet, Mixup, test_error_last stands there twice"),
        (HEADER + "digits,lenet\n", "line 2: it has another number of cells"),
        (HEADER + MIXUP.strip() + ",more\n", "line 2: it has another number of cells"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_words(write, text, said):
    with pytest.raises(ClaimsFileError) as refused:
        read_claims(write(text))
    assert said in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ClaimsFileError, match="cannot be read as CSV"):
        read_claims(path)


def trials(method, error, **settings):
    named = {"dataset.name": "digits", "network.name": "lenet", "regularizer.name": method}
    errors = [error + 0.1 * (seed - 2) for seed in range(5)]
    return with_seeds({**named, **settings}, errors, configuration=f"{method}{settings}")


def test_cells_and_claims_get_the_verdicts_of_the_papers_own_tables(write):
    rows = read_claims(write(HEADER + MIXUP + OURS))
    frame = frame_of(
        trials("mixup", 4.2),
        trials("lamix", 5.0, **{"regularizer.beta": 0.5}),
        trials("lamix", 3.0, **{"regularizer.beta": 0.4}),
    )
    mixup, ours = published_table.compare_rows(frame, rows, seeds=5)
    assert [j.verdict for j in mixup.judgements] == [Verdict.REPRODUCED]
    assert [j.verdict for j in ours.judgements] == [Verdict.NOT_REPRODUCED]
    (claim,) = published_table.judge_rows(frame, rows)
    assert claim_sentence(claim).startswith(
        "Contradicted here: Ours errs more in 1 of 1 case (digits, LeNet: +0.80"
    )
    grid = reproduction_grid([mixup, ours], published_table.layout_of(rows))
    assert "Some 2020" in grid.title and len(grid.rows) == 1
    assert "Some 2020" in detail_grid([mixup], of="Some 2020").title


def test_several_configurations_of_a_method_are_readings_and_decide_no_claim(write):
    rows = read_claims(write(HEADER + MIXUP + OURS))
    frame = frame_of(
        trials("mixup", 4.2),
        trials("mixup", 9.0, **{"regularizer.alpha": 0.2}),
        trials("lamix", 3.0, **{"regularizer.beta": 0.5}),
    )
    mixup, _ = published_table.compare_rows(frame, rows, seeds=5)
    assert len(mixup.readings) == 2
    assert published_table.judge_rows(frame, rows) == []


SHIPPED = Path(__file__).parents[2] / "search_spaces" / "claims"
GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "hold_against_a_table.md"


def test_a_cell_without_a_spread_is_judged_by_ours(write):
    (row,) = read_claims(write(HEADER + MIXUP.replace("0.2,5", ",1")))
    assert (row.spread, row.runs) == (None, 1)
    assert rows_of_data(rows_as_data([row])) == [row]
    cell = PublishedCell(4.2, math.nan, 1)
    margin = equivalence_margin(cell)
    assert margin.points == margin.uncapped == 0.1
    found = judge_cell([4.1, 4.3], cell, margin)
    # t(1 degree of freedom, 95%) = 6.3138; sd = 0.1414, over 1/2 + 1/1 runs
    assert found.high - found.difference == pytest.approx(6.3138 * 0.14142 * 1.5**0.5, rel=1e-3)
    (compared,) = published_table.compare_rows(frame_of(trials("mixup", 4.2)), [row])
    assert [j.verdict for j in compared.judgements] == [Verdict.UNDERPOWERED]
    grid = detail_grid([compared])
    assert grid.rows[0][3].text == "4.20"


@pytest.mark.parametrize("name", ["mixup", "manifold_mixup", "cutmix", "lamix"])
def test_a_shipped_table_matches_by_settings_that_there_are(name):
    rows = read_claims(SHIPPED / f"{name}.csv")
    assert f"| `{name}` | {rows[0].source.split(', Table')[0]}" in GUIDE.read_text()
    for row in rows:
        own = row.network in ("pyramidnet200", "pyramidnet110", "resnet110")
        network = "preact_resnet18" if own else row.network
        given = {"dataset": {"name": row.dataset}, "network": {"name": network}}
        for path, value in row.match.items():
            part, _, key = path.partition(".")
            given.setdefault(part, {})[key] = value
        held = flatten_settings(as_dict(parse_configuration(given)))
        for path, value in row.match.items():
            assert held[path] == pytest.approx(value), f"{name}: {path}"


def test_the_shipped_table_of_lamix_has_the_papers_numbers():
    numbers = {
        (row.dataset, row.network, row.method.lower()): (row.mean, row.spread, row.runs)
        for row in read_claims(SHIPPED / "lamix.csv")
    }
    published = cells.table_cells("table1")
    assert numbers == {
        (cell["dataset"], cell["network"], cell["method"]): (cell["mean"], cell["sd"], cell["runs"])
        for _, cell in published.iterrows()
    }


def test_the_study_of_the_guide_trains_each_cell_of_its_table_once(tmp_path):
    (text,) = re.findall(r"```yaml\n(study: .*?)```", GUIDE.read_text(), flags=re.DOTALL)
    file = tmp_path / "mixup_table.yaml"
    file.write_text(text)
    study = load_study(file)
    settings = [
        flatten_settings(as_dict(study.configuration(point))) for point in grid_points(study.space)
    ]
    frame = frame_of(*(with_seeds(s, [5.0], configuration=str(i)) for i, s in enumerate(settings)))
    found = published_table.compare_rows(frame, study.claims)
    assert [len(cell.readings) for cell in found] == [1] * 8 == [1] * len(settings)

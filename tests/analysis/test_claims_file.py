"""Any paper's numbers beside a study: the file, its mistakes in words, the verdicts."""

import pytest

from analysis.paper import published_table
from analysis.paper.claim_words import claim_sentence
from analysis.paper.claims_file import ClaimsFileError, read_claims, rows_as_data, rows_of_data
from analysis.paper.grids import detail_grid, reproduction_grid
from analysis.paper.verdict import Verdict
from tests.analysis.paper_trials import frame_of, with_seeds

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
        (HEADER + MIXUP.replace(",5,", ",1,"), "`runs` is a whole number from 2"),
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
        "No: Ours errs more in 1 of 1 case (digits, LeNet: +0.80"
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

"""The claims of the paper's tables, judged on trials that are paired by seed."""

import numpy as np
import pandas as pd
import pytest

from analysis.paper import cells
from analysis.paper.claim_words import claim_sentence, claims_grid
from analysis.paper.table_claims import judge_claim
from analysis.paper.table_rows import (
    TABLE_CLAIMS,
    ClaimKind,
    MethodClaim,
    MethodRow,
    table_rows,
)
from analysis.statistics.claims import ClaimVerdict
from analysis.tables import rendering
from tests.analysis.paper_trials import frame_of, paper_trial, with_seeds

SEEDS = np.random.default_rng(1).normal(0, 0.3, 5)
PLACE = "cifar100", "preact_resnet18"


def table(name, place, means, *, noise=0.02, seeds=5, **changes):
    """Trials of a row, whose methods share the luck of their seeds."""
    rng = np.random.default_rng(2)
    return frame_of(
        *(
            with_seeds(
                paper_trial(name, *place, method, **changes),
                mean + SEEDS[:seeds] + rng.normal(0, noise, seeds),
                configuration=f"{'-'.join(place)}-{method}-{changes}",
            )
            for method, mean in means.items()
        )
    )


def judged(frame, name, **options):
    return judge_claim(table_rows(frame, name), TABLE_CLAIMS[name], **options)


EQUAL = {"vanilla": 24.0, "mixup": 21.0, "cutmix": 19.8, "lamix": 19.8}


def test_every_table_has_a_claim_of_methods_that_it_has():
    for name, claim in TABLE_CLAIMS.items():
        held = set(cells.table_cells(name)["method"])
        assert {claim.subject, *claim.rivals} <= held
    assert set(TABLE_CLAIMS) == set(cells.TABLES)


def test_a_method_that_is_on_par_answers_yes_with_its_margin():
    found = judged(table("table1", PLACE, EQUAL), "table1")
    assert found.verdict is ClaimVerdict.SUPPORTED
    assert claim_sentence(found) == (
        "Yes: LaMix is on par with Vanilla, Mixup and CutMix, or better, in the one case. It is "
        "shown to err less than every rival in 0 of 1. On par means less than 0.52 points more."
    )


def test_a_method_that_loses_a_row_answers_no_and_names_it():
    found = judged(table("table1", PLACE, EQUAL | {"lamix": 21.9}), "table1")
    assert found.verdict is ClaimVerdict.CONTRADICTED
    text = claim_sentence(found)
    assert text.startswith("No: LaMix errs more by more than the margin in 1 of 1 case (")
    assert "points against CutMix" in text


def test_all_cells_may_be_reproduced_and_the_claim_lost():
    # Each cell lies within its margin of the paper's, and LaMix behind CutMix by more than that.
    means = {"vanilla": 24.2, "mixup": 21.1, "cutmix": 19.2, "lamix": 19.9}
    assert judged(table("table1", PLACE, means), "table1").verdict is not ClaimVerdict.SUPPORTED


def test_what_is_not_decided_says_how_many_seeds_would_decide():
    found = judged(table("table1", PLACE, EQUAL, noise=0.8, seeds=3), "table1")
    assert found.verdict is ClaimVerdict.UNDECIDED
    text = claim_sentence(found)
    assert text.startswith("Not decided: that LaMix is on par with")
    assert "with probability" in text or "no number of seeds is likely to decide" in text


def test_rows_that_have_not_run_leave_the_claim_undecided():
    found = judged(table("table1", PLACE, EQUAL), "table1", expected=10)
    assert found.verdict is ClaimVerdict.UNDECIDED
    assert "9 cases of the paper have not run." in claim_sentence(found)


def test_a_lost_seed_leaves_its_row_undecided():
    frame = table("table1", PLACE, EQUAL | {"lamix": 15.0})
    assert judged(frame, "table1").verdict is ClaimVerdict.SUPPORTED
    last = frame["configuration"].str.contains("-lamix-") & (frame["seed"] == 4)
    frame.loc[last, "outcome"] = "diverged"
    found = judged(frame, "table1")
    assert found.verdict is ClaimVerdict.UNDECIDED
    assert "1 seed diverged or failed" in claim_sentence(found)


def test_another_setting_is_judged_and_said_not_to_be_the_papers():
    frame = table("table1", PLACE, EQUAL, network__width=4, training__epochs=8)
    found = judged(frame, "table1")
    assert found.verdict is ClaimVerdict.SUPPORTED
    assert claim_sentence(found).endswith(
        "The setting is not the paper's: this says nothing of its numbers."
    )


def test_only_trials_that_share_all_but_the_regularizer_are_set_beside_each_other():
    narrow = table("table1", PLACE, {"lamix": 19.8}, network__width=4)
    wide = table("table1", PLACE, {"cutmix": 25.0})
    assert judged(frame_of(narrow.to_dict("records"), wide.to_dict("records")), "table1") is None
    rows = table_rows(
        frame_of(
            table("table1", PLACE, EQUAL).to_dict("records"),
            table("table1", ("mnist", "resnet50"), {"lamix": 0.5, "mixup": 0.6}).to_dict("records"),
        ),
        "table1",
    )
    assert [row.label for row in rows] == [
        "CIFAR-100, PreAct ResNet-18",
        "MNIST, ResNet-50",
    ]


def test_the_margin_is_that_of_the_best_rivals_cell_or_half_a_point():
    (row,) = table_rows(table("table1", PLACE, EQUAL), "table1")
    assert row.margin == pytest.approx(0.52)  # CutMix, 19.77 ± .26
    other = table("table1", PLACE, EQUAL)
    other["dataset.name"] = "digits"
    (row,) = table_rows(other, "table1")
    assert (row.margin, row.resolution) == (0.5, 100 / 360)


def test_a_claim_to_be_better_is_not_met_by_being_equal():
    names = ("lamix", "lamix without global soft label")
    frame = table("table8", ("cifar10", "resnet50"), dict.fromkeys(names, 4.0), noise=0.3)
    found = judged(frame, "table8")
    assert found.verdict is ClaimVerdict.UNDECIDED
    better = table("table8", ("cifar10", "resnet50"), dict(zip(names, (3.6, 4.8), strict=True)))
    assert claim_sentence(judged(better, "table8")) == (
        "Yes: LaMix errs less than LaMix w/o global soft label, in the one case."
    )


def test_the_table_of_comparisons_has_intervals_p_and_the_order():
    found = judged(table("table1", PLACE, EQUAL), "table1")
    grid = claims_grid(found)
    assert [row[1].text for row in grid.rows] == ["Vanilla", "Mixup", "CutMix"]
    line = dict(zip(grid.names, (cell.text for cell in grid.rows[1]), strict=True))
    assert line["paper"] == "−1.72"
    assert float(line["difference"].replace("−", "-")) == pytest.approx(-1.2, abs=0.05)
    assert (line["errs less"], line["on par"]) == ("supported", "supported")
    order = dict(zip(grid.names, (cell.text for cell in grid.rows[0]), strict=True))
    assert "LaMix < Mixup" in order["order shown"]
    assert order["paper's order"] == "undecided"  # LaMix and CutMix are not told apart
    assert len(grid.numeric) == len(grid.header) == len(grid.rows[0])
    rendering.to_html(grid)


def test_a_missing_rival_leaves_a_row_undecided():
    found = judged(table("table1", PLACE, {"lamix": 19.0, "cutmix": 25.0}), "table1")
    assert found.verdict is ClaimVerdict.UNDECIDED


def test_of_a_hundred_null_tables_hardly_any_say_that_the_subject_is_better():
    rng = np.random.default_rng(5)
    claim = MethodClaim("a", ("b", "c", "d"), ClaimKind.BETTER)
    said = 0
    for _ in range(100):
        rows = [
            MethodRow(
                str(i),
                {m: pd.Series(e) for m, e in zip("abcd", rng.normal(20, 0.3, (4, 5)), strict=True)},
            )
            for i in range(10)
        ]
        found = judge_claim(rows, claim, forecast=False)
        said += any(
            comparison.better is ClaimVerdict.SUPPORTED
            for row in found.rows
            for comparison in row.judgement.rivals
        )
    assert said <= 5 + 4  # 5% of 100, within what chance allows

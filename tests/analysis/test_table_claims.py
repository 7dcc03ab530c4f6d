"""The claims of the paper's tables, judged on trials that are paired by seed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.paper import cells
from analysis.paper.claim_words import claim_sentence, claims_grid, outlook_text
from analysis.paper.table_claims import judge_claim
from analysis.paper.table_rows import (
    TABLE_CLAIMS,
    ClaimKind,
    MethodClaim,
    MethodRow,
    table_rows,
)
from analysis.statistics.claims import ClaimVerdict
from analysis.statistics.prediction import SeedOutlook
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
    assert "with probability" in text or "100 more seeds would decide with a probability" in text


def outlooks(*found):
    rows = [SimpleNamespace(judgement=SimpleNamespace(outlook=SeedOutlook(*o))) for o in found]
    return outlook_text(SimpleNamespace(rows=rows))


def test_what_even_100_seeds_leave_open_is_told_with_its_probability():
    # "Unlikely" was said of .73.
    assert outlooks((None, 0.73, ""), (None, 0.68, ""), (95, 0.8, "")) == (
        "; in 2 even 100 more seeds would decide with a probability of at most 0.73"
    )
    assert outlooks((None, 0.09, "")).endswith("with a probability of 0.09")


def test_one_seed_forecasts_nothing():
    found = judged(table("table1", PLACE, EQUAL, seeds=1), "table1")
    assert "; in 1 fewer than two seeds forecast nothing." in claim_sentence(found)


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
    assert "1 seed diverged or failed: its case stays undecided." in claim_sentence(found)


def test_a_case_whose_every_seed_is_lost_is_told_and_denies_a_yes():
    good = table("table1", PLACE, EQUAL | {"lamix": 15.0}).to_dict("records")
    lost = table("table1", ("cifar10", "resnet50"), EQUAL | {"lamix": 15.0})
    lost.loc[lost["configuration"].str.contains("-lamix-"), "outcome"] = "diverged"
    assert judged(frame_of(good), "table1").verdict is ClaimVerdict.SUPPORTED
    found = judged(frame_of(good, lost.to_dict("records")), "table1")
    assert found.verdict is ClaimVerdict.UNDECIDED
    text = claim_sentence(found)
    assert "5 seeds diverged or failed: their case stays undecided." in text
    assert "1 more case has no finished seed of LaMix or of any rival." in text


def test_a_lost_seed_of_a_method_that_the_claim_leaves_out_is_not_said_to_leave_it_open():
    names = {"vanilla": 24.0, "puzzlemix": 19.6, "lamix_puzzlemix": 17.0}
    vanilla = table("table1", PLACE, {"vanilla": 24.0}).to_dict("records")
    frame = frame_of(
        vanilla,
        table("table3", PLACE, {k: v for k, v in names.items() if k != "vanilla"}).to_dict(
            "records"
        ),
    )
    frame.loc[(frame["regularizer.name"] == "vanilla") & (frame["seed"] == 0), "outcome"] = "failed"
    assert "diverged or failed" not in claim_sentence(judged(frame, "table3"))


def test_a_row_has_the_papers_setting_where_the_methods_of_its_claim_have():
    rivals = {"puzzlemix": 19.6, "lamix_puzzlemix": 17.0}
    own = table("table3", PLACE, rivals).to_dict("records")
    # Vanilla by the recipe of this table: the paper's number is that of Table 1's.
    vanilla = [
        {**trial, "regularizer.name": "vanilla", "configuration": "v", "run_id": f"v{n}"}
        for n, trial in enumerate(own[:5])
    ]
    text = claim_sentence(judged(frame_of(own, vanilla), "table3"))
    assert text.startswith("Yes: ")
    assert "is not the paper's" not in text


def test_another_setting_is_judged_and_said_not_to_be_the_papers():
    frame = table("table1", PLACE, EQUAL, network__width=4, training__epochs=8)
    found = judged(frame, "table1")
    assert found.verdict is ClaimVerdict.SUPPORTED
    assert claim_sentence(found).endswith(
        "The setting is not the paper's: this says nothing of its claim or its numbers."
    )


def test_in_another_setting_no_answer_is_yes_or_no():
    near = table("table1", PLACE, EQUAL, training__epochs=8)
    far = table("table1", PLACE, EQUAL | {"lamix": 25.0}, training__epochs=8)
    assert claim_sentence(judged(near, "table1")).startswith("Shown here: LaMix is on par")
    assert claim_sentence(judged(far, "table1")).startswith("Contradicted here: LaMix errs more")


def test_how_many_cases_have_another_setting_is_said():
    rows = [
        table("table1", PLACE, EQUAL).to_dict("records"),
        table("table1", ("cifar10", "resnet50"), EQUAL, training__epochs=8).to_dict("records"),
    ]
    text = claim_sentence(judged(frame_of(*rows), "table1"))
    assert "In 1 of 2 cases the setting is not the paper's: such a case says nothing" in text
    assert " points more, by case." in text


def test_that_lamix_beats_smoothing_is_no_yes_to_whether_smoothing_does_the_same():
    means = {"lamix": 19.0} | {f"mixup+smoothing={share}": 21.0 for share in (0.1, 0.2, 0.3, 0.4)}
    found = judged(table("table5", PLACE, means), "table5")
    assert claim_sentence(found).startswith("Shown here: LaMix errs less than Mixup + smoothing")


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


def test_a_rival_that_has_not_run_anywhere_is_named():
    text = claim_sentence(judged(table("table1", PLACE, {"lamix": 19.0, "mixup": 25.0}), "table1"))
    assert text.startswith("Not decided: that LaMix is on par with Vanilla, Mixup and CutMix")
    assert "No trial of Vanilla and CutMix has finished: without them nothing is decided." in text


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

"""The best of a study with constraints is one that meets them."""

import pandas as pd
import pytest

from analysis.report_page.headline import headline_of
from analysis.tables.configurations import over_configurations
from analysis.tables.feasibility import INFEASIBLE
from analysis.tables.paired import contrasts_with_best
from analysis.tables.printed import configuration_grid
from analysis.tables.rendering import to_text

FACTORS = ["regularizer.beta"]
AT_MOST = {"metric": "epoch_seconds", "at_most": 2.0, "at_least": None}


@pytest.fixture
def frame():
    """Three configurations, of which the lower an error the slower an epoch is."""
    return pd.DataFrame(
        [
            {
                "configuration": str(beta),
                "seed": seed,
                "outcome": "completed",
                "run_id": f"{beta}{seed}",
                "validation_error": error + seed / 10,
                "test_error_last": error + 1 + seed / 10,
                "epoch_seconds": seconds + seed,
                "peak_memory_mb": 300.0,
                "regularizer.beta": beta,
            }
            for beta, error, seconds in ((0.1, 5.0, 2.0), (0.5, 6.0, 1.5), (0.9, 7.0, 1.0))
            for seed in (0, 1)
        ]
    )


def table_of(frame, *constraints, objective="validation_error"):
    return over_configurations(frame, FACTORS, objective, constraints=constraints)


def test_the_lowest_mean_that_violates_a_bound_in_the_mean_over_seeds_is_not_best(frame):
    table = table_of(frame, AT_MOST)
    assert list(table[FACTORS[0]]) == [0.5, 0.9, 0.1]
    assert list(table["best"]) == [True, False, False]
    assert list(table[INFEASIBLE]) == ["", "", "seconds per epoch 2.5 > 2"]
    assert list(table["may_be_best"])[2] is None
    assert table_of(frame)["best"].tolist() == [True, False, False]
    assert table_of(frame)[FACTORS[0]].iloc[0] == 0.1


def test_a_bound_from_below_and_several_bounds_are_told(frame):
    memory = {"metric": "peak_memory_mb", "at_most": 200}
    slow = {"metric": "epoch_seconds", "at_least": 2.25}
    table = table_of(frame, slow, memory)
    assert not table["best"].any()
    assert table.set_index(FACTORS[0])[INFEASIBLE].to_dict() == {
        0.1: "peak memory 300 > 200 MB",
        0.5: "seconds per epoch 2 < 2.25; peak memory 300 > 200 MB",
        0.9: "seconds per epoch 1.5 < 2.25; peak memory 300 > 200 MB",
    }


def test_what_is_not_measured_is_not_feasible(frame):
    table = table_of(frame.drop(columns="epoch_seconds"), AT_MOST)
    assert not table["best"].any()
    assert set(table[INFEASIBLE]) == {"seconds per epoch not measured"}


def test_the_pareto_front_lies_among_the_feasible(frame):
    objectives = ["validation_error", "epoch_seconds"]
    assert table_of(frame, objective=objectives)["best"].sum() == 3
    front = table_of(frame, AT_MOST, objective=objectives)
    assert list(front[front["best"]][FACTORS[0]]) == [0.5, 0.9]


def test_the_headline_names_a_feasible_best_and_compares_it_with_a_feasible_next(frame):
    table = table_of(frame, AT_MOST)
    contrasts = contrasts_with_best(frame, table, FACTORS)
    assert [each.name for each in contrasts] == ["regularizer.beta = 0.9"]
    said = headline_of(table, FACTORS, contrasts)
    assert said.startswith("Lowest validation error with regularizer.beta = 0.5: ")
    assert said.endswith("1 of 3 configurations is infeasible.")
    assert "infeasible" not in headline_of(table_of(frame), FACTORS, [])


def test_the_headline_says_that_none_is_feasible(frame):
    table = table_of(frame, {**AT_MOST, "at_most": 1})
    assert headline_of(table, FACTORS, contrasts_with_best(frame, table, FACTORS)) == (
        "No configuration is feasible: each of 3 that ran in full violates a constraint, so none "
        "is called best."
    )


def test_the_printed_table_says_which_are_infeasible(frame):
    text = to_text(configuration_grid(table_of(frame, AT_MOST), FACTORS))
    assert "seconds per epoch 2.5 > 2" in text
    assert "Infeasible: the constraint that the mean over the seeds violates" in text
    met = to_text(configuration_grid(table_of(frame, {**AT_MOST, "at_most": 9}), FACTORS))
    assert "nfeasible" not in met

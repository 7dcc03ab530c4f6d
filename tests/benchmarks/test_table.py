"""The results' arithmetic: medians and quartiles, ratios turn by turn, verdicts."""

import pytest

from tests.benchmarks import waits
from tests.benchmarks.table import Figure
from tests.benchmarks.timing import in_turn, ratios, spread


def test_a_spread_is_the_median_with_its_quartiles():
    found = spread([4.0, 1.0, 3.0, 2.0, 5.0])
    assert (found.median, found.low, found.high) == (3, 2, 4)
    assert spread([7.0]).low == 7


def test_a_ratio_is_taken_turn_by_turn():
    assert ratios([2.0, 6.0], [1.0, 2.0]) == [2, 3]


def test_contenders_take_turns_and_the_first_turn_does_not_count():
    calls = []

    def contender(name):
        return lambda: calls.append(name) or len(calls)

    found = in_turn({"A": contender("A"), "B": contender("B")}, repeats=2)
    assert calls == ["A", "B"] * 3
    assert found["A"].values == [3, 5]
    assert len(found["B"].cpu_seconds) == 2


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (4.0, "more", "stretch"),
        (2.2, "more", "met"),
        (2.1, "more", "**missed**"),
        (None, "more", "not measured"),
        (2.3, "less", "**missed**"),
        (2.2, "less", "met"),
    ],
)
def test_a_figure_says_whether_it_meets_its_bar(value, better, verdict):
    stretch = 4 if better == "more" else 1
    figure = Figure(what="rate", value=value, bar=2.2, stretch=stretch, better=better)
    assert figure.verdict == verdict
    assert f"| {verdict} |" in figure.row()


def test_a_wait_is_a_row_that_is_better_the_shorter_it_is():
    assert waits.wait_row("the study", [40.0, 44.0, 50.0], bar=45).verdict == "met"
    assert "missed" in waits.wait_row("the study", [50.0], bar=45).verdict

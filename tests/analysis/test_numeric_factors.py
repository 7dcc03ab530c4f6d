"""What is said of searched numbers, on trials whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures import draw_matplotlib, draw_plotly
from analysis.figures.model import BarMarks, LineMark
from analysis.figures.sensitivity import sensitivity_curves, sobol_bars
from analysis.figures.words import figure_words
from analysis.tables.configurations import factors_of, over_configurations
from analysis.tables.numeric_factors import study_sensitivity
from tests.analysis.test_tables import trial

BETAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def valley(beta, **_):
    """Within half a point of the lowest from .3 to .7."""
    return 20 + 12.5 * (beta - 0.5) ** 2


def trials_of(points, error, *, seeds=4, sd=0.03):
    rng = np.random.default_rng(0)
    shift = rng.normal(0, 0.3, seeds)
    rows = [
        trial(str(i), seed, error(**point) + shift[seed] + rng.normal(0, sd),
              **{f"r__{name}": value for name, value in point.items()})
        for i, point in enumerate(points)
        for seed in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def found_in(frame, *, metric="validation_error", **options):
    factors = factors_of(frame)
    table = over_configurations(frame, factors, metric)
    return study_sensitivity(frame, table, factors, metric=metric, **options)


def over_beta(values=BETAS, error=valley, **options):
    return trials_of([{"beta": value} for value in values], error, **options)


def test_the_answer_names_the_values_that_do_as_well_within_the_margin():
    found = found_in(over_beta(), margin=0.5)
    (each,) = found.curves
    ((low, high),) = each.curve.shown_as_good
    assert 0.3 <= low < 0.36 and 0.64 < high <= 0.71
    assert found.answer == (
        f"Any r.beta from {low:.3g} to {high:.3g} does as well as the best, within 0.50 points "
        "of validation error (95%)."
    )
    assert "Further trials would tell most at r.beta ≈ 0." in found.sentences[0]


def test_a_study_without_a_margin_takes_half_a_point_and_says_so():
    assert "within 0.50 points" in found_in(over_beta()).answer


def test_after_several_looks_the_range_is_told_at_a_stricter_level_and_is_no_wider():
    alone, often = found_in(over_beta()), found_in(over_beta(), looks=(2, 3, 4))
    assert alone.curves[0].curve.level == 0.95 < often.curves[0].curve.level
    ((low, high),), ((inner, outer),) = (
        found.curves[0].curve.shown_as_good for found in (alone, often)
    )
    assert low <= inner < outer <= high


def test_values_that_violate_a_constraint_are_said_to_count_on_the_curve():
    frame = over_beta().assign(epoch_seconds=lambda rows: rows["r.beta"])
    bound = [{"metric": "epoch_seconds", "at_most": 0.35}]
    factors = factors_of(frame)
    table = over_configurations(frame, factors, constraints=bound)
    found = study_sensitivity(frame, table, factors, metric="validation_error")
    assert found.answer.endswith("(95%, constraints apart).")


def test_noise_keeps_the_answer_empty_and_the_sentence_says_that_it_is_open_which_do_as_well():
    found = found_in(over_beta(BETAS[::2], sd=1.5, seeds=2), margin=0.2)
    assert found.answer == ""
    assert found.sentences[0].startswith(
        "Of no r.beta is it shown yet that it does as well as the best, within 0.20 points of "
        "validation error (95%)."
    )
    assert " may " not in found.sentences[0]  # of values between those tested nothing is known


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (
            over_beta(BETAS[:3]),
            "a curve takes at least 4 values without repeats, but here are 0.1, 0.2, 0.3",
        ),
        (over_beta(seeds=1), "with one seed for each value nothing is known of the seeds' noise"),
    ],
)
def test_too_few_values_or_seeds_are_said_and_no_curve_is_drawn(frame, said):
    found = found_in(frame)
    assert found.curves == () and found.answer == ""
    (sentence,) = found.sentences
    assert sentence.startswith("No curve over r.beta: ") and said in sentence


def test_another_factor_makes_a_curve_for_each_of_its_values():
    points = [{"beta": b, "method": m} for m in ("mixup", "lamix") for b in BETAS[::2]]
    error = lambda beta, method: valley(beta) + 3 * (method == "mixup")  # noqa: E731  # two short ones beside each other
    found = found_in(trials_of(points, error))
    assert [each.case for each in found.curves] == ["r.method = LaMix", "r.method = Mixup"]
    assert found.answer == "" and "with r.method = Mixup" in found.sentences[1]


def test_whole_numbers_are_named_whole():
    frame = trials_of([{"n": n} for n in range(1, 10)], lambda n: 20 + 0.12 * (n - 5) ** 2)
    assert found_in(frame).answer.startswith("Any r.n from 3 to 7 does as well")


def test_words_flags_and_losses_have_no_curve():
    kinds = trials_of([{"kind": k} for k in "abcde"], lambda kind: 0.2 * ord(kind))
    flags = trials_of([{"flag": f} for f in (True, False)], lambda flag: 20 + flag)
    losses = over_beta().assign(validation_loss=lambda frame: frame["validation_error"] / 20)
    lost = found_in(losses, metric="validation_loss")
    assert over_configurations(losses, ["r.beta"], "validation_loss")["validation_loss_n"].all()
    for found in (found_in(kinds), found_in(flags), lost):
        assert found.sentences == () and found.curves == () and found.indices is None


def test_several_numbers_have_sobol_indices_the_larger_first():
    rng = np.random.default_rng(1)
    points = [{"x": x, "y": y} for x, y in rng.uniform(0, 1, (24, 2))]
    found = found_in(trials_of(points, lambda x, y: 20 + 4 * x + y))
    assert [each.factor for each in found.indices.indices] == ["r.x", "r.y"]
    figure = sobol_bars(found.indices)
    assert len([m for m in figure.panels[0].marks if isinstance(m, BarMarks)]) == 2
    assert "Predicted without itself, " in figure.caption
    assert draw_matplotlib.DrawnFigure(figure).svg() and draw_plotly.to_html(figure)


def test_numbers_that_explain_nothing_have_no_indices_which_is_said():
    rng = np.random.default_rng(2)
    points = [{"x": x, "y": y} for x, y in rng.uniform(0, 1, (24, 2))]
    found = found_in(trials_of(points, lambda x, y: 20.0, sd=1.0))
    assert found.indices is None and "below half of it the indices mean nothing" in found.too_few[0]


def test_too_few_configurations_for_indices_are_said():
    points = [{"x": x, "y": y} for x, y in ((0.1, 0.2), (0.3, 0.9), (0.7, 0.4))]
    found = found_in(trials_of(points, lambda x, y: 20 + x + y))
    assert found.too_few == (
        "No Sobol indices: Sobol's indices of 2 factors take two factors and at least 6 "
        "configurations, but here are 3.",
    )


def test_the_figure_shows_band_tested_values_and_the_good_range():
    found = found_in(over_beta(), margin=0.5)
    figure = sensitivity_curves(found.curves, metric="validation_error")
    band, good = (mark for mark in figure.panels[0].marks if isinstance(mark, LineMark))
    assert (band.low < band.y).all() and (band.y < band.high).all()
    assert (good.x[0], good.x[-1]) == found.curves[0].curve.shown_as_good[0]
    assert len(figure.runs) == 4 * len(BETAS)
    assert "do as well as the best" in figure_words(figure)
    assert draw_matplotlib.DrawnFigure(figure).svg() and draw_plotly.to_html(figure)
    assert sensitivity_curves((), metric="validation_error") is None and sobol_bars(None) is None

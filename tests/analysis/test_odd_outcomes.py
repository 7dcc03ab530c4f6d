"""Studies whose outcomes leave little to compare: table, figures, report and answer hold up."""

import html
import re

import pytest

from analysis import report, trials
from analysis.figures import draw_matplotlib
from analysis.report_page.gather import gather_material
from analysis.tables import configurations
from analysis.tables.printed import configuration_grid
from analysis.tables.rendering import to_latex, to_markdown, to_text
from tests.analysis.record_writer import BASE

BETA = "regularizer.beta"
BETAS = [0.1, 0.5, 0.7, 0.9]


@pytest.fixture
def written(store, tmp_path, monkeypatch):
    """Return a function that writes a study's record and its report; it gives both back."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.chdir(tmp_path)

    def write(name, trials_of, *, draw=False, **options):
        if not draw:  # a figure takes a second each
            monkeypatch.setattr(draw_matplotlib, "save_figure", lambda figure, folder: [])
        study = store.start(name, space={BETA: BETAS}, **options)
        for beta in BETAS:
            for seed in range(3):
                study.add({**BASE, BETA: beta}, seed, **trials_of(beta, seed))
        assert report.main([name, "--no-attach"]) == 0
        folder = tmp_path / "reports" / f"{name}-quick"
        text = html.unescape(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text()))
        material = gather_material(name)
        assert material.answer in text
        for rendered in (to_text, to_markdown, to_latex):
            frame = trials.load(name)
            factors = configurations.factors_of(frame, material.info.space)
            assert rendered(configuration_grid(material.table, factors))
        return material, folder

    return write


def figures_of(folder):
    """Return the names of the figures that were drawn."""
    return {path.stem for path in (folder / "figures").iterdir()}


@pytest.mark.parametrize("outcome", ["diverged", "failed", "stopped_early", None])
def test_a_configuration_without_a_finished_seed_is_in_the_table_and_counted_in_the_answer(
    written, outcome
):
    def trial(beta, seed):
        return {"outcome": outcome} if beta == 0.9 else {"error": 5 + beta + 0.1 * seed}

    material, folder = written(f"lacking-{outcome}", trial, draw=outcome == "diverged")
    last = material.table.iloc[-1]
    assert (last[BETA], last["n"], bool(last["best"]), last["may_be_best"]) == (0.9, 0, False, None)
    assert material.answer.startswith("Lowest validation error with regularizer.beta = 0.1: ")
    assert "1 of 4 configurations has no finished seed." in material.answer
    assert {"intervals", "error-by-factor"} <= {figure.name for figure in material.figures}
    assert outcome != "diverged" or figures_of(folder) == {f.name for f in material.figures}
    assert all("0.9" not in contrast.name for contrast in material.contrasts)


def test_where_all_trials_are_equal_nothing_is_told_apart(written):
    material, folder = written("equal", lambda beta, seed: {"error": 5.0}, draw=True)
    assert material.table["best"].all() and material.table["may_be_best"].all()
    assert material.answer.startswith(
        "4 of 4 configurations share the lowest validation error: 5.00 ± 0.00% over 3 seeds."
    )
    assert {"intervals", "error-by-factor"} <= figures_of(folder)
    assert {contrast.paired.mean for contrast in material.contrasts} == {0.0}
    assert min(contrast.paired.p for contrast in material.contrasts) == 1.0


def test_equal_trials_of_a_study_that_selects_nothing_have_one_error(written):
    material, _ = written("equal-compared", lambda b, s: {"error": 5.0}, objective="train_loss")
    assert material.answer.startswith(
        "Test error (last epoch) over 3 seeds: 5.50 ± 0.00% with each of 4 configurations."
    )


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_a_study_without_any_finished_seed_has_a_report_that_says_why(written, outcome):
    material, _ = written(f"none-{outcome}", lambda beta, seed: {"outcome": outcome})
    assert material.answer == (
        f"No answer: no configuration has run in full; of 12 trials 12 {outcome}."
    )
    assert not material.contrasts and not material.table["best"].any()


def test_equal_trials_and_diverged_ones_leave_several_objectives_with_a_report(written):
    def trial(beta, seed):
        return {"outcome": "diverged"} if beta == 0.9 else {"error": 5.0}

    objectives = ["validation_error", "epoch_seconds"]
    material, _ = written("equal-front", trial, objective=objectives)
    assert "1 of 4 configurations has no finished seed." in material.answer
    assert list(material.table["best"]) == [True, True, True, False]
    assert "intervals" in {figure.name for figure in material.figures}

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from analysis import report, trials
from analysis.figures import draw_matplotlib
from analysis.report_page import checks
from analysis.statistics import importance
from analysis.tables import configurations
from analysis.trials import StudyInfo
from tests.analysis import made_up
from tests.analysis.paper_trials import paper_trial
from tests.analysis.record_writer import BASE
from tests.analysis.test_tables import check_latex, trial
from tests.json_documents import checked


@pytest.fixture
def here(store, monkeypatch, tmp_path):
    """The record as the default, an empty working directory."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def drawn(request, monkeypatch):
    """Draws no figure, which takes a second each, except for tests of figures."""
    if "figures" not in request.node.name and "finished" not in request.node.name:
        monkeypatch.setattr(draw_matplotlib, "save_figure", lambda figure, folder: [])


def run(*arguments):
    assert report.main([*arguments]) == 0


def text_of(folder):
    """The page without its library."""
    page = (folder / "report.html").read_text()
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_report_of_a_finished_study(here, store, capsys):
    run("beta")
    folder = here / "reports" / "beta-quick"
    assert capsys.readouterr().out.strip() == "reports/beta-quick/report.html"
    text = text_of(folder)
    assert "How much of the target should be the local label?" in text
    assert "Lowest validation error with regularizer.beta = 0.5" in text
    assert "over 3 seeds" in text
    assert "Further trials would tell most at β ≈ " in text
    assert "What the paper says" in text and "80.62" in text
    best = trials.load("beta").query("`regularizer.beta` == 0.5")
    assert all(run_id in text for run_id in best["run_id"])
    assert "feedfacefeedface" in text and "0123456789abcdef" in text
    for name in ("configurations", "against-best"):
        for kind in ("csv", "md", "tex"):
            assert (folder / "tables" / f"{name}.{kind}").stat().st_size > 100
        check_latex((folder / "tables" / f"{name}.tex").read_text())
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("error-by-factor", "intervals", "learning-curves", "sensitivity")
        for kind in ("png", "pdf")
    }


def test_the_page_needs_no_network(here):
    run("beta", "--no-attach")
    folder = here / "reports" / "beta-quick"
    page = (folder / "report.html").read_text()
    assert "Plotly.newPlot" in page and '<script src="plotly.min.js">' in page
    assert "plotly.js v" in (folder / "plotly.min.js").read_text()
    own = text_of(here / "reports" / "beta-quick")
    assert not re.search(r'(src|href)="(https?:)?//(?!127\.0\.0\.1:5000)', own)


def test_the_report_is_attached_to_the_studys_run_unless_told_not_to(here, store):
    client = MlflowClient(store.uri)
    study = store.start("attached")
    study.add_all([BASE], [0, 1])
    run("attached", "--no-attach")
    assert not client.list_artifacts(study.run_id, "report")
    run("attached")
    held = {entry.path for entry in client.list_artifacts(study.run_id, "report")}
    assert {"report/report.html", "report/tables"} <= held


def test_the_page_is_small_and_shows_its_figures_without_the_library_too(here):
    run("beta", "--no-attach")
    file = here / "reports" / "beta-quick" / "report.html"
    assert file.stat().st_size < 1_500_000
    page = file.read_text()
    assert (
        page.count("<svg") == page.count('class="plot still"') == page.count("Plotly.newPlot(") == 4
    )
    assert "prefers-color-scheme: dark" in page and "@media print" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_figure_of_the_page_is_told_in_words_too(here):
    run("beta", "--no-attach")
    page = (here / "reports" / "beta-quick" / "report.html").read_text()
    told = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert len(told) == 4
    assert any(re.search(r"regularizer.beta = 0.5 \d", words) for words in told)


def test_the_page_leads_to_the_table_of_trials_in_mlflow(here):
    run("beta", "--no-attach")
    page = (here / "reports" / "beta-quick" / "report.html").read_text()
    assert "/runs?workflowType=machine_learning&amp;viewStateShareKey=quick" in page


def test_the_page_says_what_more_seeds_would_tell(here):
    run("beta", "--no-attach")
    said = "The best is told from the next, and more seeds are not needed for that."
    assert said in text_of(here / "reports" / "beta-quick")


def test_an_unknown_study_is_exit_2_with_the_nearest_name(here, capsys):
    assert report.main(["betta"]) == 2
    assert "did you mean `beta`?" in capsys.readouterr().err
    assert report.main(["beta", "--scale", "quik"]) == 2
    assert "did you mean `quick`?" in capsys.readouterr().err
    assert not (here / "reports").exists()


def test_a_folder_that_is_a_file_is_exit_2_in_words(here, capsys):
    (here / "reports").touch()
    assert report.main(["beta", "--json"]) == 2
    said = capsys.readouterr()
    assert "cannot write to `reports/beta-quick`: Not a directory" in said.err
    assert checked(said.out)["of"] == "report"


def test_the_report_of_a_study_under_way_says_what_is_missing(here, store):
    study = store.start(
        "unfinished", state="running", seeds=(0, 1, 2), space={"regularizer.beta": [0.1, 0.5, 0.9]}
    )
    study.add_all([BASE], [0, 1])
    study.add(BASE, 2, outcome=None, epochs=1)
    study.add({**BASE, "regularizer.beta": 0.9}, 0, outcome="diverged", error=math.inf)
    run("unfinished")
    text = text_of(here / "reports" / "unfinished-quick")
    assert "1 trial not finished" in text
    assert "this is a report on the way" in text
    assert "2 of 2 configurations have fewer than 3 full-length seeds" in text
    assert "1 trial diverged" in text


def test_a_study_that_has_only_begun_has_a_report_too(here, store):
    store.start("begun", state="running")
    run("begun")
    assert "No answer yet" in text_of(here / "reports" / "begun-quick")


def test_every_scale_on_record_gets_a_report(here, store):
    for scale in ("quick", "paper"):
        store.start("scales", scale=scale).add_all([BASE], [0])
    run("scales", "--output", "out")
    assert {path.name for path in (here / "out").iterdir()} == {"scales-quick", "scales-paper"}


def paper_trials(study, dataset="tiny_imagenet"):
    for method, error in (("lamix", 28.85), ("mixup", 35.0)):
        settings = paper_trial("table6", "tiny_imagenet", "resnet50", method)
        for seed in range(5):
            shift = 0.1 * (seed - 2)
            study.add({**settings, "dataset.name": dataset}, seed, test=error + shift,
                      error=error + shift, epochs=3)  # fmt: skip


def test_a_table_of_the_paper_stands_beside_ours(here, store):
    space = {"regularizer": [{"name": "mixup"}, {"name": "lamix"}]}
    paper_trials(
        store.start("table6", scale="paper", seeds=range(5), space=space, objective="train_loss")
    )
    run("table6", "--scale", "paper")
    folder = here / "reports" / "table6-paper"
    text = text_of(folder)
    assert "Of 8 cells of the paper: 1 reproduced, 1 not reproduced, 6 incomplete." in text
    assert "Not decided: that LaMix is on par with Vanilla, Mixup and CutMix, or better" in text
    assert "1 case of the paper have" not in text and "1 case of the paper has not run" in text
    assert "39.09 ± 0.28" in text and "35.00 ± 0.16 ≠" in text
    markdown = (folder / "tables" / "paper.md").read_text()
    assert "28.85 ± 0.16 =" in markdown
    check_latex((folder / "tables" / "paper.tex").read_text())
    check_latex((folder / "tables" / "verdicts.tex").read_text())
    check_latex((folder / "tables" / "claim.tex").read_text())
    assert r"\label{tab:table6-paper-paper}" in (folder / "tables" / "paper.tex").read_text()


def test_at_another_scale_the_paper_stands_for_reference(here, store):
    space = {"regularizer": [{"name": "mixup"}, {"name": "lamix"}]}
    paper_trials(
        store.start("table6", scale="small", seeds=range(5), space=space, objective="train_loss"),
        "digits",
    )
    run("table6", "--scale", "small")
    text = text_of(here / "reports" / "table6-small")
    assert "its numbers stand for reference" in text
    assert "that LaMix is on par with Vanilla, Mixup and CutMix, or better, is shown in" in text
    assert "The setting is not the paper" in text


def test_the_test_error_that_is_asked_for_is_reported(here):
    run("beta", "--test", "best")
    folder = here / "reports" / "beta-quick"
    assert "test error, best epoch" in text_of(folder)
    assert "chosen on test data: too low" in text_of(folder)
    assert "test error, best epoch" in (folder / "tables" / "configurations.csv").read_text()
    assert "test error, best epoch" in (folder / "tables" / "against-best.md").read_text()


def test_diagnostics_become_figures(here, store):
    study = store.start("insides", space={"regularizer.beta": [0.5]})
    study.add(BASE, 0, artifacts=made_up.ALL, folder=store.folder)
    study.add(BASE, 1)
    run("insides")
    names = {path.stem for path in (here / "reports" / "insides-quick" / "figures").iterdir()}
    assert {"top-targets", "target-distributions", "activation-maps", "embedding"} <= names


def test_a_broken_diagnostic_is_a_warning_not_the_end(here, store):
    study = store.start("broken")
    broken = {"diagnostics/cam.npz": lambda path: path.write_text("no")}
    study.add(BASE, 0, artifacts=broken, folder=store.folder)
    run("broken")
    text = text_of(here / "reports" / "broken-quick")
    assert "diagnostics/cam.npz of run" in text and "is left out" in text


def test_drawings_of_an_earlier_report_do_not_linger(here):
    stale = here / "reports" / "beta-quick" / "figures" / "old.png"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    run("beta", "--no-attach")
    assert not stale.exists()


def evidence(frame, space=None, study="s", **search):
    resolved = {"search": {"space": space or {}, **search}}
    info = StudyInfo(study, "quick", "p", "1", "sqlite:///x", "done", resolved=resolved)
    factors = configurations.factors_of(frame, space)
    table = configurations.over_configurations(frame, factors)
    return checks.StudyEvidence(info, frame, table, factors)


def betas(values, **extra):
    rows = [
        trial(str(beta), seed, (beta - 0.5) ** 2, regularizer__beta=beta, **extra)
        for beta in values
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def warned(*arguments, **options):
    return " ".join(checks.warnings_of(evidence(*arguments, **options)))


def test_a_clean_study_has_no_warning():
    frame = betas([0.1, 0.5, 0.9])
    assert warned(frame, {"regularizer.beta": [0.1, 0.5, 0.9]}, seeds=[0, 1, 2]) == ""


@pytest.mark.parametrize(
    ("values", "spec", "end"),
    [
        ([0.6, 0.7, 0.9], {"low": 0.6, "high": 0.9}, "lower"),
        ([0.1, 0.2, 0.4], {"low": 0.1, "high": 0.4}, "upper"),
        ([0.1, 0.2, 0.4], [0.1, 0.2, 0.4], "upper"),
    ],
)
def test_an_optimum_at_the_edge_is_warned_of(values, spec, end):
    assert f"lies at the {end} end" in warned(betas(values), {"regularizer.beta": spec})


def test_an_edge_that_ties_with_the_middle_is_no_sign_of_an_optimum_outside():
    frame = betas([0.1, 0.5, 0.9])
    frame["validation_error"] = 1.0
    assert "end of its range" not in warned(frame, {"regularizer.beta": {"low": 0.1, "high": 0.9}})


def test_of_a_front_the_member_that_errs_least_may_lie_at_an_edge():
    frame = betas([0.1, 0.3, 0.5]).assign(validation_loss=lambda each: 1 - each["regularizer.beta"])
    frame["validation_error"] = frame["regularizer.beta"]
    objectives = ["validation_error", "validation_loss"]
    space = {"regularizer.beta": {"low": 0.1, "high": 0.9}}
    found = evidence(frame, space, objective=objectives)
    front = configurations.over_configurations(frame, found.factors, objectives)
    assert front["best"].sum() == 3
    text = " ".join(checks.optimum_at_an_edge(replace(found, table=front)))
    assert text.startswith("The best regularizer.beta = 0.1 lies at the lower end")


def test_the_edge_of_a_logarithmic_range_is_measured_in_orders_of_magnitude():
    space = {"regularizer.beta": {"low": 1e-4, "high": 1.0, "log": True}}
    assert "end of its range" not in warned(betas([1e-3, 1e-2, 0.05]), space)


def test_unequal_budgets_are_warned_of():
    frame = betas([0.1, 0.5, 0.9], regularizer__name="lamix")
    one = pd.DataFrame([trial("m", seed, 1.0, regularizer__name="mixup") for seed in range(3)])
    assert "LaMix 3, Mixup 1" in warned(pd.concat([frame, one], ignore_index=True))


def test_mixed_code_and_data_and_dirty_trees_are_warned_of():
    frame = betas([0.1, 0.5, 0.9]).assign(git_commit="a" * 40, data_fingerprint="x", git_dirty=True)
    frame.loc[0, "git_commit"] = "b" * 40
    frame.loc[1, "data_fingerprint"] = "y"
    frame["torch"] = ["2.9"] * 8 + ["2.10"]
    text = warned(frame)
    assert "2 different commits: bbbbbbb, aaaaaaa" in text
    assert "2 fingerprints" in text
    assert "several versions of torch: 2.9, 2.10" in text
    assert "9 trials ran with changes that were not committed" in text


def test_two_data_sets_may_have_two_fingerprints():
    frame = betas([0.1, 0.5]).assign(data_fingerprint="x")
    frame["dataset.name"] = ["digits"] * 3 + ["mnist"] * 3
    frame.loc[3:, "data_fingerprint"] = "y"
    assert "fingerprint" not in warned(frame)


def test_selection_on_test_data_is_warned_of():
    frame = betas([0.1, 0.5, 0.9])
    frame["test_error"] = frame["test_error_last"]
    assert "chosen on test data" in warned(frame, objective="test_error")


def test_a_setting_that_varies_unsearched_is_warned_of():
    frame = betas([0.1, 0.5, 0.9])
    frame["training.epochs"] = [4] * 6 + [5] * 3
    assert "training.epochs" in warned(frame, {"regularizer.beta": [0.1, 0.5, 0.9]})


def test_seeds_missing_and_few_are_warned_of():
    frame = betas([0.1, 0.5, 0.9])
    text = warned(frame.iloc[:-1], seeds=[0, 1, 2])
    assert "1 of 3 configurations have fewer than 3" in text
    two = frame[frame["seed"] < 2]
    assert "2 seeds per configuration say little of a spread" in warned(two, seeds=[0, 1])


def test_importance_finds_the_factor_that_decides():
    rng = np.random.default_rng(0)
    rows = [
        trial(str(i), 0, 10 * (x - 0.3) ** 2 + 0.1 * y, a__x=x, b__y=y, c__kind=kind)
        for i, (x, y, kind) in enumerate(
            (*rng.uniform(0, 1, 2), rng.choice(["p", "q"])) for _ in range(60)
        )
    ]
    frame = pd.DataFrame(rows)
    factors = ["a.x", "b.y", "c.kind"]
    table = configurations.over_configurations(frame, factors)
    space = {"a.x": {"low": 0.0, "high": 1.0}, "b.y": {"low": 0.0, "high": 1.0}}
    shares = importance.factor_importance(table, factors, space=space)
    assert next(iter(shares)) == "a.x" and shares["a.x"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_bears_conditional_factors_and_says_nothing_from_little():
    rng = np.random.default_rng(1)
    rows = [
        trial(str(i), 0, float(x if i % 2 else 2), r__name="ab"[i % 2], r__x=x if i % 2 else None)
        for i, x in enumerate(rng.uniform(0, 1, 30))
    ]
    frame = pd.DataFrame(rows)
    factors = ["r.name", "r.x"]
    table = configurations.over_configurations(frame, factors)
    assert set(importance.factor_importance(table, factors)) == set(factors)
    assert importance.factor_importance(table.head(5), factors) == {}
    assert importance.factor_importance(table, ["r.x"]) == {}

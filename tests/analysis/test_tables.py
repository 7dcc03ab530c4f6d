import csv
import io
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from analysis import trials
from analysis.tables import configurations, paired, printed, rendering, seed_values
from analysis.tables.csv_rendering import harmless_cell, to_csv
from analysis.tables.fitting import fit_text, without_advice
from analysis.tables.rendering import TableCell
from analysis.tables.test_images import error_step


def trial(configuration, seed, validation, test=None, outcome="completed", **settings):
    return {
        "configuration": configuration,
        "seed": seed,
        "outcome": outcome,
        "run_id": f"{configuration}{seed}",
        "validation_error": validation,
        "test_error_last": validation + 1 if test is None else test,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }


@pytest.fixture
def frame():
    return pd.DataFrame(
        [
            trial("a", 0, 5.0, regularizer__beta=0.5),
            trial("a", 1, 6.0, regularizer__beta=0.5),
            trial("a", 2, 7.0, regularizer__beta=0.5),
            trial("b", 0, 8.0, test=2.0, regularizer__beta=0.1),
            trial("b", 1, 8.0, test=2.0, regularizer__beta=0.1),
            trial("b", 2, 8.0, test=2.0, regularizer__beta=0.1),
            trial("c", 0, 1.0, regularizer__beta=0.9),  # a lucky single seed
            trial("c", 1, math.inf, outcome="diverged", regularizer__beta=0.9),
            trial("c", 2, 4.0, outcome="stopped_early", regularizer__beta=0.9),
        ]
    )


def test_mean_spread_and_interval_by_hand(frame):
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    row = table.iloc[0]
    assert (row["configuration"], row["regularizer.beta"], row["n"]) == ("a", 0.5, 3)
    assert (row["validation_error_mean"], row["validation_error_sd"]) == (6.0, 1.0)
    # t(2, .975) = 4.303; the log-odds of 6% are ln(6 / 94), and move by 100 / (6 · 94) a percent
    high = math.log(6 / 94) + 4.303 / math.sqrt(3) * 100 / (6 * 94)
    assert row["validation_error_high"] == pytest.approx(100 / (1 + math.exp(-high)), abs=1e-3)
    assert row["test_error_last_mean"] == 7.0
    assert row["run_ids"] == ("a0", "a1", "a2")


def test_equal_errors_have_no_interval_and_the_table_says_why(frame):
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    (equal,) = table[table["configuration"] == "b"].to_dict("records")
    assert (equal["validation_error_mean"], equal["validation_error_sd"]) == (8.0, 0.0)
    assert math.isnan(equal["validation_error_low"])
    grid = printed.configuration_grid(table, ["regularizer.beta"])
    assert re.search(r"8\.00 ± 0\.00 +– ", rendering.to_text(grid))
    assert "Equal values have none: nothing says how far they would spread." in grid.notes[0]
    (note, *_) = printed.configuration_grid(table[table["configuration"] == "b"], []).notes
    assert note == printed.NONE_OF_EQUALS
    others = table[table["configuration"] != "b"]
    assert "Equal values" not in printed.configuration_grid(others, ["regularizer.beta"]).notes[0]


def test_the_best_is_chosen_on_validation_and_needs_all_seeds(frame):
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    assert list(table[table["best"]]["configuration"]) == ["a"]  # not b (test) nor c (one seed)


def test_only_completed_trials_count_and_the_rest_is_counted(frame):
    row = configurations.over_configurations(frame, []).set_index("configuration").loc["c"]
    assert (row["n"], row["trials"]) == (1, 3)
    assert (row["diverged"], row["stopped_early"], row["failed"], row["unfinished"]) == (1, 1, 0, 0)
    assert row["validation_error_mean"] == 1.0 and math.isnan(row["validation_error_sd"])


def test_a_running_trial_is_unfinished(frame):
    frame = pd.concat([frame, pd.DataFrame([trial("d", 0, 3.0, outcome=None)])])
    row = configurations.over_configurations(frame, []).set_index("configuration").loc["d"]
    assert (row["n"], row["unfinished"]) == (0, 1)


def test_of_two_objectives_all_that_none_dominates_are_best(frame):
    frame["seconds"] = [3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0]
    table = configurations.over_configurations(frame, [], ["validation_error", "seconds"])
    assert set(table[table["best"]]["configuration"]) == {"a", "b"}


def test_no_trial_at_all_makes_an_empty_table():
    empty = pd.DataFrame(columns=["configuration", "seed", "outcome"])
    table = configurations.over_configurations(empty, [])
    assert table.empty
    assert "validation error" in rendering.to_text(printed.configuration_grid(table, []))


def test_trials_without_the_objective_make_rows_without_numbers():
    frame = pd.DataFrame([{"configuration": "a", "seed": 0, "outcome": "failed", "x.y": 1}])
    table = configurations.over_configurations(frame, ["x.y"])
    assert (table["n"][0], table["failed"][0], table["best"][0]) == (0, 1, False)
    assert "–" in printed.as_text(frame, ["x.y"])


def test_factors_are_the_settings_that_vary_the_searched_first():
    frame = pd.DataFrame(
        {
            "dataset.name": ["digits"] * 3,
            "network.width": [1, 2, 2],
            "regularizer.name": ["lamix", "lamix", "vanilla"],
            "regularizer.beta": [0.1, 0.2, None],
            "training.milestones": [[1, 2], [1, 2], [1, 2]],
            "diagnostics.weights": [True, None, False],  # what a trial keeps changes no number
            "seed": [0, 1, 2],
        }
    )
    assert configurations.factors_of(frame) == [
        "network.width",
        "regularizer.name",
        "regularizer.beta",
    ]
    space = {"regularizer": [{"name": "vanilla"}], "dataset.name": ["digits"]}
    assert configurations.factors_of(frame, space) == [
        "regularizer.name",
        "regularizer.beta",
        "dataset.name",
        "network.width",
    ]


def test_lists_and_mixed_types_can_be_factors():
    frame = pd.DataFrame({"t.milestones": [[1, 2], [1, 3]], "t.flag": [True, None]})
    assert configurations.factors_of(frame) == ["t.milestones", "t.flag"]


def test_a_seed_on_record_twice_counts_once(frame):
    doubled = pd.concat([frame, frame], ignore_index=True)
    assert configurations.over_configurations(doubled, [])["n"].max() == 3


def test_values_by_seed_leave_out_what_did_not_complete(frame):
    assert seed_values.by_seed(frame, "c", "validation_error").to_dict() == {0: 1.0}
    assert seed_values.by_seed(frame, "a", "nonesuch").empty


def test_text_is_aligned_and_stars_the_best(frame):
    text = printed.as_text(frame, ["regularizer.beta"])
    lines = text.splitlines()
    assert " ".join(lines[0].split()) == "validation error (%) test error, last epoch (%)"
    assert lines[1].split()[:2] == ["regularizer.beta", "mean"]
    assert lines[3].startswith("*") and "6.00 ± 1.00" in lines[3]
    assert len({line.index("±") for line in (lines[3], lines[5])}) == 1
    assert "took no part in the choice" in lines[-1]
    narrow = printed.as_text(frame, [], width=60).partition("Each 95% interval")[0]
    assert all(len(line) <= 60 for line in narrow.splitlines())


def test_rows_that_are_left_out_are_counted(frame):
    text = printed.as_text(frame, ["regularizer.beta"], most=1)
    assert "2 more configurations are left out" in text


def test_each_data_set_has_its_rows_where_not_all_are_shown():
    frame = pd.DataFrame(
        trial(f"{data}{i}", seed, 5.0 + i + seed / 10, dataset__name=data, t__i=i, outcome=outcome)
        for data in ("digits", "mnist")
        for i in range(9)
        for seed in range(2)
        for outcome in (["failed"] if (data, i) == ("digits", 8) else ["completed"])
    )
    factors = ["dataset.name", "t.i"]
    table = configurations.over_configurations(frame, factors)
    table.loc[table["configuration"] == "mnist7", "best"] = True
    text = printed.as_text(frame, factors, most=6)
    assert text.count("digits") == text.count("MNIST") == 3
    assert "12 more configurations are left out: 1 with some trial failed." in text
    shown = printed.configuration_grid(table, factors, most=6)
    assert [row[1].text for row in shown.rows] == ["0", "1", "2", "0", "1", "2", "7"]


def test_what_may_be_best_and_is_left_out_is_counted():
    frame = pd.DataFrame(
        trial(str(i), seed, 5.0 + (7 * i * seed) % 5, t__i=i) for i in range(9) for seed in range(4)
    )
    table = configurations.over_configurations(frame, ["t.i"])
    text = printed.as_text(frame, ["t.i"], most=3)
    left = int(table.iloc[3:]["may_be_best"].sum())
    assert left and f"6 more configurations are left out: {left} that may be best." in text


@pytest.mark.parametrize("gone", ["outcome", "seed", "test_error_last", "numbers"])
def test_a_frame_without_a_number_has_no_errors_by_seed(frame, gone):
    if gone == "numbers":
        frame["test_error_last"] = math.nan
    else:
        frame = frame.drop(columns=[gone])
    assert seed_values.errors_by_seed(frame, ["a", "b"], "test_error_last").shape == (2, 0)
    assert seed_values.by_seed(frame, "a", "test_error_last").empty
    assert len(configurations.over_configurations(frame, ["regularizer.beta"])) == 3


def test_an_objective_on_test_data_is_said():
    frame = pd.DataFrame([trial("a", 0, 5.0)])
    frame["test_error_best"] = 1.0
    assert "chosen on test data" in printed.as_text(frame, [], "test_error_best")


def grid():
    return rendering.TableGrid(
        title="A_b & c",
        header=[("", "name"), ("PreAct", "ours_1"), ("PreAct", "paper")],
        rows=[
            [
                TableCell("50%|x", strong=True),
                TableCell("1.00 ± 0.10", strong=True),
                TableCell("−1", under="="),
            ],
            [TableCell("<b>"), TableCell("2", runs=("r1",)), TableCell("")],
        ],
        notes=["β & λ"],
        numeric=[False, True, True],
    )


def test_markdown_escapes_bars_and_aligns_numbers():
    lines = rendering.to_markdown(grid()).splitlines()
    assert lines[0] == "**A\\_b & c**"
    assert lines[3] == "| --- | ---: | ---: |"
    assert lines[4].startswith("| **50%\\|x** | **1.00 ± 0.10** | −1 (=) |")


def test_csv_reads_back():
    rows = list(csv.reader(io.StringIO(to_csv(grid()))))
    assert rows[0] == ["name", "PreAct ours_1", "PreAct paper", "best"]
    assert rows[1] == ["50%|x", "1.00 ± 0.10", "-1 (=)", "yes"]


def test_html_escapes_and_links_numbers_to_their_runs():
    page = rendering.to_html(grid(), link=lambda runs: f"http://x/{runs[0]}?a&b")
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert '<a href="http://x/r1?a&amp;b" title="MLflow runs: r1">2</a>' in page
    assert '<th colspan="2" scope="colgroup" class=group>PreAct</th>' in page


def test_latex_is_well_formed_and_escaped():
    latex = rendering.to_latex(grid(), label="tab:x")
    check_latex(latex)
    assert r"A\_b \& c." in latex and r"50\%|x" in latex and r"$\beta$ \& $\lambda$" in latex
    assert r"\multicolumn{2}{c}{PreAct}" in latex and r"\cmidrule(lr){2-3}" in latex
    assert r"\textbf{1.00 $\pm$ 0.10}" in latex
    assert latex.isascii()


def test_a_latex_caption_holds_what_is_shown_and_comments_hold_the_rest():
    remarks = ["The race goes on; 50% more seeds would decide.", "Next: β."]
    noted = replace(grid(), remarks=remarks)
    latex = rendering.to_latex(noted)
    check_latex(latex)
    comments = [line for line in latex.splitlines() if line.startswith("%")]
    assert r"\usepackage{booktabs}" in comments[0]
    assert comments[1:] == [
        r"% The race goes on; 50\% more seeds would decide.", r"% Next: $\beta$.",
    ]  # fmt: skip
    (caption,) = [line for line in latex.splitlines() if r"\caption" in line]
    assert "seeds" not in caption and "Next" not in caption and r"$\lambda$" in caption
    for others in (rendering.to_text, rendering.to_html):
        assert all(remark in others(noted) for remark in remarks)
    assert "The race goes on" in rendering.to_markdown(noted)
    assert "The race goes on" in fit_text(noted, 60)


def test_a_table_for_a_paper_is_without_the_columns_of_advice():
    name = grid().header[-1][1]
    latex = rendering.to_latex(without_advice(replace(grid(), advice=[name])))
    check_latex(latex)
    assert name in rendering.to_latex(grid()) and name not in latex


def test_a_latex_cell_that_begins_with_a_bracket_or_star_is_no_argument_of_the_line_before():
    rows = [
        [rendering.TableCell(text), rendering.TableCell("1")]
        for text in ("[100, 150]", "*", "[200, 300]")
    ]
    latex = rendering.to_latex(
        rendering.TableGrid(header=[("", "milestones"), ("", "n")], rows=rows)
    )
    check_latex(latex)
    assert "    {}[200, 300] & 1" in latex and "    {}* & 1" in latex
    assert not re.search(r"\\\s*[\[*]", latex)


def test_latex_writes_settings_as_the_paper_does():
    rows = [[rendering.TableCell("regularizer.beta = 0.5")]]
    latex = rendering.to_latex(
        rendering.TableGrid(header=[("", "regularizer.smoothing")], rows=rows)
    )
    assert r"$\beta$ = 0.5" in latex and r"$\varepsilon$" in latex


def test_values_that_may_be_the_best_are_marked(frame):
    seeds = range(5)
    errors = {"a": 5.0, "b": 5.05, "c": 9.0}
    luck = [0.4, -0.3, 0.1, -0.5, 0.3]
    trials = pd.DataFrame(
        {
            "configuration": key,
            "seed": seed,
            "outcome": "completed",
            "run_id": f"{key}{seed}",
            "validation_error": error + luck[seed] + 0.2 * luck[(seed + i) % 5],
        }
        for i, (key, error) in enumerate(errors.items())
        for seed in seeds
    )
    table = configurations.over_configurations(trials, [])
    assert list(table["may_be_best"]) == [True, True, False]
    text = printed.as_text(trials, [])
    assert "may be best" in text and "multiple comparisons with the best" in text
    single = configurations.over_configurations(trials[trials["seed"] == 0], [])
    assert single["may_be_best"].isna().all()


def test_latex_compiles(frame, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    parts = [
        rendering.to_latex(item)
        for item in (printed.configuration_grid(table, ["regularizer.beta"]), grid())
    ]
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + "".join(parts)
        + "\\end{document}\n"
    )
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def check_latex(latex):
    """Environments nest, braces match, and every row has as many cells as there are columns."""
    open_environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", latex):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    columns = len(re.search(r"\\begin\{tabular\}\{@\{\}([lrc]+)@\{\}\}", latex).group(1))
    for line in latex.splitlines():
        if line.endswith(r"\\"):
            spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            assert len(re.findall(r"(?<!\\)&", line)) + 1 + spans == columns, line


def test_the_table_of_a_record(store):
    frame = trials.load("beta", tracking_uri=store.uri)
    factors = configurations.factors_of(frame, {"regularizer.beta": [0.1]})
    assert factors == ["regularizer.beta"]
    table = configurations.over_configurations(frame, factors)
    assert list(table["n"]) == [3] * 5
    assert table.iloc[0]["regularizer.beta"] == 0.5 and table.iloc[0]["best"]


def test_the_path_to_a_table_loads_no_heavy_library():
    heavy = ["matplotlib", "plotly", "statsmodels", "scipy.stats", "mlflow", "optuna", "jinja2"]
    code = f"import sys, analysis.tables; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_setting_that_follows_from_the_component_is_no_factor():
    def rows(name, alpha, *betas):
        regularizer = {"regularizer__name": name, "regularizer__alpha": alpha}
        return [
            trial(f"{name}{beta}", 0, 5.0, **regularizer, regularizer__beta=beta) for beta in betas
        ]

    frame = pd.DataFrame(
        [*rows("mixup", 1, None), *rows("manifold_mixup", 2, None), *rows("lamix", None, 0.3, 0.5)]
    )
    space = {"regularizer": [{"name": "mixup"}, {"name": "manifold_mixup"}, {"name": "lamix"}]}
    assert configurations.factors_of(frame, space) == ["regularizer.name", "regularizer.beta"]


COARSE = [("a", 0, 30), ("a", 1, 31), ("b", 0, 31), ("b", 1, 32)]
"""Configuration, seed, errors in so many of 300 images."""


def test_differences_of_one_image_of_few_neither_exclude_a_value_nor_prove_one_worse():
    rows = [
        trial(which, seed, images / 3, regularizer__beta=which) for which, seed, images in COARSE
    ]
    frame = pd.DataFrame(rows)
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    assert list(table["may_be_best"]) == [True, True]
    (contrast,) = paired.contrasts_with_best(frame, table, ["regularizer.beta"])
    assert contrast.paired.mean == pytest.approx(1 / 3) and contrast.paired.t_p > 0.1
    (contrast,) = paired.contrasts_against(
        {"b": tuple(seed_values.by_seed(frame, key, "test_error_last") for key in "ba")},
        trials={"b": frame.iloc[0]},
    )
    assert contrast.paired.t_p > 0.1 and contrast.paired.low < 0


def test_the_gaps_of_few_errors_do_not_pass_for_an_image_where_the_images_are_known():
    # The smallest gap of these is a whole point, that of an image a hundredth.
    errors = {"a": (4.0, 5.0), "b": (8.0, 9.02)}
    rows = [
        trial(which, seed, error, dataset__name="fashion_mnist", regularizer__beta=which)
        for which, seeds in errors.items()
        for seed, error in enumerate(seeds)
    ]
    frame = pd.DataFrame(rows)
    assert error_step(frame["test_error_last"], "test_error_last", frame.iloc[0]) == 0.01
    table = configurations.over_configurations(frame, ["regularizer.beta"])
    (contrast,) = paired.contrasts_with_best(frame, table, ["regularizer.beta"])
    assert contrast.paired.low > 3.8
    few = [{**row, "dataset.test_images": 50} for row in rows]
    assert error_step([4.0, 9.0], "test_error_last", pd.Series(few[0])) == 2.0


def test_an_error_of_calibration_has_no_steps():
    assert error_step([1.0, 2.0], "test_calibration_error") == 0.0


def test_a_loss_has_no_steps():
    rows = [trial(which, seed, images / 3) for which, seed, images in COARSE]
    frame = pd.DataFrame(rows).rename(columns={"validation_error": "validation_loss"})
    table = configurations.over_configurations(frame, [], "validation_loss")
    assert list(table["may_be_best"]) == [True, False]


def test_no_interval_of_errors_leaves_0_to_100():
    frame = pd.DataFrame(
        [
            trial(end, seed, error, test=error)
            for end, errors in (("low", (0.0, 0.1, 1.2)), ("high", (89.0, 99.9, 100.0)))
            for seed, error in enumerate(errors)
        ]
    )
    table = configurations.over_configurations(frame, [])
    for metric in ("validation_error", "test_error_last"):
        assert (table[f"{metric}_low"] > 0).all() and (table[f"{metric}_high"] < 100).all()
        assert (table[f"{metric}_low"] < table[f"{metric}_mean"]).all()
        assert (table[f"{metric}_mean"] < table[f"{metric}_high"]).all()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|x", "'+cmd|x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-x", "'-x"),
        ("-0.31", "-0.31"),
        ("+1.5 ± 0.2", "+1.5 ± 0.2"),
        ("-1e-3", "-1e-3"),
        ("beta=0.5", "beta=0.5"),
        ("–", "–"),
    ],
)
def test_a_spreadsheet_finds_no_formula_and_numbers_stay_numbers(text, written):
    assert harmless_cell(text) == written
    grid = rendering.TableGrid(
        header=[("", "=1+x"), ("", "b")], rows=[[TableCell(text), TableCell("1")]]
    )
    heading, row = list(csv.reader(io.StringIO(to_csv(grid))))
    assert heading[0] == "'=1+x" and row[0] == written


def test_csv_holds_plain_numbers_in_columns_of_their_own():
    rows = [trial("a", seed, 5.0 + seed, regularizer__beta=0.5) for seed in range(3)]
    table = configurations.over_configurations(pd.DataFrame(rows), ["regularizer.beta"])
    grid = printed.configuration_grid(table, ["regularizer.beta"])
    (row,) = csv.DictReader(io.StringIO(to_csv(grid)))
    of = "validation error (%)"
    assert (row[f"{of} mean"], row[f"{of} sd"], row[f"{of} n"]) == ("6", "1", "3")
    assert 0 < float(row[f"{of} low"]) < 6 < float(row[f"{of} high"]) < 100
    assert not any("±" in text or "[" in text for text in row.values())

"""Writes the report of a study: one HTML page that opens without a network, its tables and figures.

    python -m analysis.report STUDY [--scale NAME] [--output DIR] [--no-attach]

Into ``DIR/STUDY-SCALE/`` go ``report.html``, ``tables/`` (.csv, .md, .tex) and ``figures/`` (.png,
.pdf). A study that is not finished gets a report too, which says what is missing.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis import (
    checks,
    comparison,
    draw_interactive,
    draw_static,
    figures,
    pairs,
    paper,
    rendering,
    tables,
    trials,
)
from analysis.answer import answer
from analysis.comparison import Compared
from analysis.diagnostics import ActivationMaps, BadArtifactError, Embedding, SoftTargets
from analysis.drawing import Figure
from analysis.findings import Diagnosed, finding
from analysis.importance import CAPTION as IMPORTANCE
from analysis.importance import importance
from analysis.pairs import Contrast
from analysis.rendering import Cell, Grid
from analysis.tables import TEST, setting_text
from analysis.trials import StudyInfo, UnknownStudyError
from analysis.words import counted, number, plain_setting, word

MOST_ROWS = 25
"""Configurations shown in the page; the tables beside it hold all."""
ABOUT = {
    "fig2": "top-targets",
    "fig3": "target-distributions",
    "fig5": "learning-curves",
    "fig7": "activation-maps",
    "fig8": "embedding",
}
"""Which drawing makes a figure of the paper again."""
SHOWN = 5
"""Configurations whose curves are drawn."""
TEMPLATE = "report.html"


@dataclass(frozen=True)
class Material:
    """Everything that a report of one study at one scale is made from."""

    info: StudyInfo
    frame: pd.DataFrame
    table: pd.DataFrame
    factors: list[str]
    contrasts: list[Contrast]
    compared: list[Compared]
    figures: list[Figure]
    warnings: list[str]
    answer: str

    @property
    def objective(self) -> str:
        """The metric that selects; the first of several."""
        return self.info.objectives[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 for an unknown study or scale."""
    arguments = _parser().parse_args(argv)
    try:
        scales = [arguments.scale] if arguments.scale else trials.scales(arguments.study)
        if not scales:
            raise UnknownStudyError(f"the study `{arguments.study}` has not been started")
        materials = [gather(arguments.study, scale) for scale in scales]
    except UnknownStudyError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    for material in materials:
        folder = write(material, Path(arguments.output))
        print(folder / "report.html")
        if arguments.attach:
            _attach(material.info, folder)
    return 0


def gather(study: str, scale: str | None = None, tracking_uri: str | None = None) -> Material:
    """Read the record of a study at one scale and work out what the report says.

    Raises:
        UnknownStudyError: if the study or the scale is not on record.
    """
    info = trials.study_info(study, scale, tracking_uri)
    frame = trials.load(study, info.scale, tracking_uri)
    factors = tables.factors_of(frame, info.space)
    seeds = len(info.seeds) if info.seeds else None
    wanted = _enough(frame, seeds)
    table = tables.over_configurations(
        frame, factors, info.objectives, seeds=wanted, selects=info.selects
    )
    compared: list[Compared] = []
    if study in paper.TABLES:
        compared = comparison.compare(
            frame, study, scale=info.scale, seeds=seeds, objective=info.objectives[0]
        )
    reached = any(cell.ours.n for cell in compared)
    # In a table of the paper each configuration is a cell of its own, and none is the best.
    contrasts = [] if reached else pairs.against_best(frame, table, factors)
    problems: list[str] = []
    shown = _shown(table, factors)
    labels = {
        run: setting_text(row, factors) for _, row in shown.iterrows() for run in row["run_ids"]
    }
    error = "validation_error" if info.selects else "test_error"
    curves = list(dict.fromkeys([error, "train_loss", "test_error"]))
    history = trials.history(labels, curves, info.tracking_uri)
    diagnosed = _diagnosed(info, frame, labels, problems)
    drawn = [
        *_figures(info, frame, table, factors),
        figures.learning_curves(history, labels, metrics=[error, "train_loss"]),
        *_diagnostic_figures(diagnosed),
    ]
    figure = paper.figure_of(info.study)
    evidence = checks.Evidence(info, frame, table, factors)
    return Material(
        info=info,
        frame=frame,
        table=table,
        factors=factors,
        contrasts=contrasts,
        compared=compared,
        figures=_in_order([found for found in drawn if found is not None], figure),
        warnings=checks.warnings(evidence) + problems,
        answer=finding(figure, diagnosed, history, labels)
        or answer(
            table,
            factors,
            contrasts,
            compared,
            objective=info.objectives[0],
            selects=info.selects,
        ),
    )


def _in_order(drawn: list[Figure], figure: str | None) -> list[Figure]:
    """Return the figures with the one first that the study is about."""
    return sorted(drawn, key=lambda found: found.name != ABOUT.get(figure or ""))


def write(material: Material, output: Path) -> Path:
    """Write the report's files under `output` and return their folder."""
    name = re.sub(r"[^\w.-]+", "_", f"{material.info.study}-{material.info.scale}")
    folder = output / name
    for old in ("tables", "figures"):  # a figure of an earlier report would look like this one's
        shutil.rmtree(folder / old, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, grid in grids(material).items():
        _write_table(folder / "tables", name, grid)
    for figure in material.figures:
        draw_static.save(figure, folder / "figures")
    (folder / "report.html").write_text(page(material), encoding="utf-8")
    return folder


def page(material: Material) -> str:
    """Return the HTML page."""
    info, link = material.info, material.info.comparison_url
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    shown = tables.grid(
        material.table, material.factors, info.objectives, most=MOST_ROWS, selects=info.selects
    )
    html = {name: Markup(rendering.to_html(grid, link=link))
            for name, grid in grids(material).items()}  # fmt: skip
    reached = any(cell.ours.n for cell in material.compared)
    return environment.get_template(TEMPLATE).render(
        info=info,
        answer=material.answer,
        warnings=material.warnings,
        facts=_facts(material),
        claim=paper.CLAIMS.get(paper.figure_of(info.study) or "", ""),
        paper_table=html.get("paper", ""),
        paper_details=html.get("verdicts", ""),
        paper_note=""
        if reached
        else "No trial here has the data set, network and method of a "
        "cell of the paper; its numbers stand for reference.",
        configurations=Markup(rendering.to_html(shown, link=link)) if len(material.table) else "",
        contrasts=html.get("against-best", ""),
        figures=[
            {
                "name": figure.name,
                "title": figure.title,
                "caption": figure.caption,
                "columns": figure.columns,
                "html": Markup(draw_interactive.to_html(figure)),
                "url": link(figure.runs) if 0 < len(figure.runs) <= 50 else "",
            }
            for figure in material.figures
        ],
        origin=_origin(material),
        local=not info.tracking_uri.startswith("http"),
        ui=trials.LOCAL_UI,
        trials=Markup(rendering.to_html(_trial_grid(material), link=link))
        if len(material.frame)
        else "",
        trial_count=f"{len(material.frame):,}",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        plotly_js=Markup(draw_interactive.plotly_js()),
    )


def _enough(frame: pd.DataFrame, seeds: int | None) -> int | None:
    """Return how many seeds make a configuration eligible: the study's, once any has them."""
    if seeds is None or frame.empty:
        return None
    most = tables.completed(frame).groupby("configuration")["seed"].nunique().max()
    return seeds if most >= seeds else None


def grids(material: Material) -> dict[str, Grid]:
    """Return the report's tables by the name of their files."""
    info = material.info
    found = {
        "configurations": tables.grid(
            material.table,
            material.factors,
            info.objectives,
            title=f"{info.study}, {info.scale}",
            selects=info.selects,
        )
    }
    if material.contrasts:
        several = tables.data_sets(material.table).nunique() > 1
        best = setting_text(material.table.iloc[0], material.factors)
        reference = "best of its data set" if several else f"best, {best}"
        found["against-best"] = pairs.grid(material.contrasts, title=f"Minus the {reference}")
    if material.compared:
        found["paper"] = comparison.grid(material.compared, info.study)
        found["verdicts"] = comparison.details(material.compared)
    return found


def _write_table(folder: Path, name: str, grid: Grid) -> None:
    folder.mkdir(exist_ok=True)
    texts = {
        "csv": rendering.to_csv(grid),
        "md": rendering.to_markdown(grid),
        "tex": rendering.to_latex(grid, label=f"tab:{name}"),
    }
    for kind, text in texts.items():
        (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")


def _figures(
    info: StudyInfo, frame: pd.DataFrame, table: pd.DataFrame, factors: list[str]
) -> Iterator[Figure | None]:
    """Yield the figures that are made from the errors of configurations."""
    objective = info.objectives[0]
    yield figures.error_by_factor(table, frame, factors, objective=objective, space=info.space)
    if tables.DATA not in factors:  # across data sets errors do not compare
        shares = importance(table, factors, objective=objective, space=info.space)
        yield figures.importances(shares, caption=IMPORTANCE)
        if info.search.get("sampler") != "grid":
            yield figures.search_course(table, frame, objective=objective)


def _shown(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return the configurations to draw: of each regularizer the best, or some of all ranks."""
    ran = table[table["n"] > 0]
    for name in (tables.DATA, "network.name"):
        if name in factors and len(ran):
            ran = ran[ran[name] == ran[name].iloc[-1]]
    if "regularizer.name" in factors:
        ran = ran.drop_duplicates("regularizer.name")
    if len(ran) <= SHOWN:
        return ran
    places = [round(i * (len(ran) - 1) / (SHOWN - 1)) for i in range(SHOWN)]
    return ran.iloc[places]


def _diagnosed(
    info: StudyInfo, frame: pd.DataFrame, labels: dict[str, str], problems: list[str]
) -> Diagnosed:
    """Return the diagnostics of the trials shown; what cannot be read is told in `problems`."""
    found = Diagnosed()
    chosen = frame[frame["run_id"].isin(labels)] if len(frame) else frame
    for _, trial in chosen.iterrows():
        label = labels[trial["run_id"]]
        if held := _diagnostic(SoftTargets, info, trial, problems):
            found.targets.setdefault(label, []).append(held)
        if label not in found.maps and (held := _diagnostic(ActivationMaps, info, trial, problems)):
            found.maps[label] = held
        if found.embedding is None and (held := _diagnostic(Embedding, info, trial, problems)):
            found.embedding = f"{label}, seed {trial['seed']}", held
    return found


def _diagnostic_figures(diagnosed: Diagnosed) -> Iterator[Figure | None]:
    yield figures.top_targets(diagnosed.targets)
    for label, seeds in list(diagnosed.targets.items())[:1]:
        yield figures.target_distributions(seeds[0], of=f"{label}, first seed")
    yield figures.activation_maps(diagnosed.maps)
    if diagnosed.embedding is not None:
        of, embedding = diagnosed.embedding
        yield figures.embeddings(embedding, of=of)


def _diagnostic(kind: Any, info: StudyInfo, trial: "pd.Series[Any]", problems: list[str]) -> Any:
    """Return a trial's diagnostics of a kind, or None where there are none that can be read."""
    path = trials.artifact(trial, kind.PATH, info.tracking_uri)
    try:
        return kind.read(path) if path else None
    except BadArtifactError as error:
        problems.append(f"{kind.PATH} of run {trial['run_id'][:8]} is left out: {error}")
        return None


def _facts(material: Material) -> list[tuple[str, str]]:
    frame, info = material.frame, material.info
    done = len(tables.completed(frame))
    facts = [
        ("configurations", f"{len(material.table):,}"),
        ("trials run in full", f"{done:,} of {len(frame):,}"),
    ]
    if info.seeds:
        facts.append(("seeds each", str(len(info.seeds))))
    if info.search.get("sampler"):
        facts.append(("sampler", str(info.search["sampler"])))
    if "dataset.name" in frame and len(frame):
        names = [word(str(name)) for name in frame["dataset.name"].unique()]
        facts.append(("data", ", ".join(names) if len(names) < 3 else f"{len(names)} data sets"))
    if {"epoch_seconds", "training.epochs"} <= set(frame.columns):
        hours = (frame["epoch_seconds"] * frame["training.epochs"]).sum() / 3600
        facts.append(("training time", f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"))
    return facts


def _origin(material: Material) -> list[tuple[str, str | Markup]]:
    """Return what made the numbers: code, data, versions, runs."""
    info, frame = material.info, material.frame
    link = Markup('<a href="{}"><code>{}</code></a>')
    rows: list[tuple[str, str | Markup]] = [
        ("study run", link.format(info.url(info.run_id), info.run_id))
    ]
    names = {
        "git_commit": "commit",
        "data_fingerprint": "data fingerprint",
        "python": "Python",
        "torch": "torch",
        "ray": "Ray",
        "optuna": "Optuna",
        "device": "device",
        "precision": "precision",
    }
    for tag, name in names.items():
        if tag in frame and len(values := frame[tag].dropna().unique()):
            rows.append(
                (name, Markup(", ").join(Markup("<code>{}</code>").format(v) for v in values))
            )
    if "git_dirty" in frame and len(frame):
        dirty = int(frame["git_dirty"].sum())
        rows.append(("uncommitted changes", f"in {counted(dirty, 'trial')}" if dirty else "none"))
    if "adopted_from" in frame and (adopted := int(frame["adopted_from"].notna().sum())):
        rows.append(("adopted", f"{counted(adopted, 'trial')} of other studies with the same key"))
    fixed = [
        f"{name}: {frame[name].iloc[0]}"
        for name in tables.settings_of(frame)
        if len(frame) and frame[name].map(tables.hashable).nunique(dropna=False) == 1
    ]
    if fixed:
        rows.append(("the same for all", Markup("<code>{}</code>").format(", ".join(fixed))))
    return rows


def _trial_grid(material: Material) -> Grid:
    """Return one row per trial, with the link to its run."""
    metrics = [name for name in (material.objective, TEST) if name in material.frame]
    rows = []
    for _, trial in material.frame.iterrows():
        outcome = trial.get("outcome")
        run = trial["run_id"]
        rows.append(
            [
                Cell(run[:8], runs=(run,)),
                *(Cell(plain_setting(trial[name])) for name in material.factors),
                Cell(str(trial["seed"])),
                Cell(outcome.replace("_", " ") if isinstance(outcome, str) else "unfinished"),
                *(Cell(number(trial[name])) for name in metrics),
                Cell(str(trial.get("git_commit", ""))[:7]),
            ]
        )
    names = ["run", *material.factors, "seed", "outcome", *map(word, metrics), "commit"]
    numeric = [name == "seed" or name in map(word, metrics) for name in names]
    return Grid(header=[("", name) for name in names], rows=rows, numeric=numeric)


def _attach(info: StudyInfo, folder: Path) -> None:
    try:
        trials.attach(info.run_id, folder, name="report", tracking_uri=info.tracking_uri)
    except Exception as error:  # the report is written; a server that is away must not undo that
        print(f"analysis.report: not attached to the study's run: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", help="its name, the MLflow experiment's")
    parser.add_argument("--scale", help="of the study; without it every scale on record")
    parser.add_argument("--output", default="reports", help="folder of reports (default: reports)")
    parser.add_argument(
        "--attach",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="add the report to the artifacts of the study's MLflow run",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

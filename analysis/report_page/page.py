"""The report's files: one HTML page that opens without a network, and its tables."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis.counted import count_text, duration_text
from analysis.figures import draw_matplotlib, draw_plotly
from analysis.figures.words import figure_words
from analysis.output_folder import writing_errors_told
from analysis.paper import cells, claim_words, grids, reading_words
from analysis.record.addresses import LOCAL_UI
from analysis.record.names import (
    ADOPTED_FROM,
    CODE,
    COMPILED,
    DATA_FINGERPRINT,
    DATASET_NAME,
    DEVICE,
    EPOCHS,
    GIT_COMMIT,
    GIT_DIRTY,
    OUTCOME,
    PRECISION,
    PYTHON,
    SEED,
)
from analysis.report_page.gather import ReportMaterial
from analysis.tables import configurations, paired, printed, rendering, seed_values
from analysis.tables.code_remarks import code_remarks
from analysis.tables.csv_rendering import to_csv
from analysis.tables.display_names import display_name, number_text, setting_value_text
from analysis.tables.fitting import without_advice, without_blank_columns
from analysis.tables.next_look import foresee_next_look
from analysis.tables.part_effects import effect_grid
from analysis.tables.printed import setting_text
from analysis.tables.race import race_of_search
from analysis.tables.rendering import TableCell, TableGrid
from trainables.metrics import EPOCH_SECONDS

MOST_ROWS = 25
"""Configurations shown in the page; the tables beside it hold all."""
TEMPLATE = "report.html"
CASES = "reading-cases"
"""The table of every reading on every data set: hundreds of rows, so that the page has none."""
LIBRARY = "plotly.min.js"
"""Lies beside the page: without it the page shows the figures as they are printed."""


def write_report(material: ReportMaterial, output: Path) -> Path:
    """Write the report's files under `output` and return their folder.

    Raises:
        OutputFolderError: if they cannot be written.
    """
    name = re.sub(r"[^\w.-]+", "_", f"{material.info.study}-{material.info.scale}")
    folder = output / name
    with writing_errors_told(folder):
        for old in ("tables", "figures"):  # a figure of an earlier report would look like ours
            shutil.rmtree(folder / old, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for table, grid in report_grids(material).items():
            _write_table(folder / "tables", table, grid, label=f"tab:{folder.name}-{table}")
        drawn = [draw_matplotlib.DrawnFigure(figure) for figure in material.figures]
        for figure in drawn:
            figure.save(folder / "figures")
        (folder / LIBRARY).write_text(draw_plotly.plotly_js(), encoding="utf-8")
        (folder / "report.html").write_text(render_page(material, drawn), encoding="utf-8")
    return folder


def render_page(material: ReportMaterial, drawn: list[draw_matplotlib.DrawnFigure]) -> str:
    """Return the HTML page, with the material's figures as they are drawn."""
    info, link = material.info, material.info.comparison_url
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    shown = printed.configuration_grid(
        material.table,
        material.factors,
        _objectives(material),
        test=material.test,
        most=MOST_ROWS,
        selects=info.selects,
        standing=material.race.standing if material.race else None,
        cautions=code_remarks(material.frame),
        remarks=_table_remarks(material),
    )
    html = {name: Markup(rendering.to_html(without_blank_columns(grid), link=link))
            for name, grid in report_grids(material).items() if name != CASES}  # fmt: skip
    reached = any(cell.reached for cell in material.compared)
    return environment.get_template(TEMPLATE).render(
        info=info,
        answer=material.answer,
        warnings=material.warnings,
        facts=_fact_lines(material),
        claim=cells.CLAIMS.get(cells.figure_of(info.study) or "", ""),
        paper_table=html.get("paper", ""),
        paper_details=html.get("verdicts", ""),
        claim_table=Markup("").join(
            table for name, table in html.items() if name.startswith("claim")
        ),
        readings=html.get("readings", ""),
        test_words=display_name(material.test),
        paper_note=""
        if reached
        else "No trial here has the data set, network and method of a "
        "cell of the paper; its numbers stand for reference.",
        configurations=Markup(rendering.to_html(shown, link=link)) if len(material.table) else "",
        effects=html.get("effects", ""),
        contrasts=html.get("against-best", ""),
        figures=[
            {
                "name": figure.name,
                "title": figure.title,
                "caption": figure.caption,
                "columns": figure.columns,
                "html": Markup(draw_plotly.to_html(figure)),
                "svg": Markup(sheet.svg()),
                "words": figure_words(figure),
                "url": link(figure.runs) if 0 < len(figure.runs) <= 50 else "",
            }
            for figure, sheet in zip(material.figures, drawn, strict=True)
        ],
        origin=_origin_lines(material),
        local=not info.tracking_uri.startswith("http"),
        ui=LOCAL_UI,
        trials=Markup(rendering.to_html(_trial_grid(material), link=link))
        if len(material.frame)
        else "",
        trial_count=f"{len(material.frame):,}",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        library=LIBRARY,
    )


def report_grids(material: ReportMaterial) -> dict[str, TableGrid]:
    """Return the report's tables by the name of their files."""
    info = material.info
    found = {
        "configurations": printed.configuration_grid(
            material.table,
            material.factors,
            _objectives(material),
            test=material.test,
            title=f"{info.study}, {info.scale}",
            selects=info.selects,
            standing=material.race.standing if material.race else None,
            cautions=code_remarks(material.frame),
            remarks=_table_remarks(material),
        )
    }
    if info.resolved.get("ablate"):
        effects = effect_grid(
            material.frame, info.resolved, material.test, looks=material.info.looks_at
        )
        found |= {"effects": effects} if effects is not None else {}
    if material.readings is not None:
        found["readings"] = reading_words.readings_grid(material.readings)
        found[CASES] = reading_words.cases_grid(material.readings)
    if material.contrasts:
        several = configurations.data_sets(material.table).nunique() > 1
        best = setting_text(material.table.iloc[0], material.factors)
        tied = int(material.table["best"].sum())
        reference = f"best, {best}" if tied == 1 else f"first of {tied} that are best, {best}"
        reference = "best of its data set" if several else reference
        found["against-best"] = paired.contrast_grid(
            material.contrasts,
            title=f"Minus the {reference}",
            test=material.test,
            chosen_by=material.objective if material.info.selects else "",
        )
    if material.compared:
        assert material.layout is not None  # what is compared has a layout
        found["paper"] = grids.reproduction_grid(material.compared, material.layout)
        found["verdicts"] = grids.detail_grid(material.compared, of=material.source)
    for number, claim in enumerate(material.claims, start=1):
        name = "claim" if number == 1 else f"claim-{number}"
        found[name] = claim_words.claims_grid(claim)
    return found


def _table_remarks(material: ReportMaterial) -> list[str]:
    info, raced = material.info, material.race.sentences if material.race else ()
    asks = info.selects and not material.race and len(info.objectives) == 1
    about = material.frame, material.table, material.objective, info.looks_at
    told = foresee_next_look(*about) if asks else None
    return [*raced, *material.sensitivity.sentences, *([told.remark] if told else [])]


def _objectives(material: ReportMaterial) -> list[str]:
    return [material.objective, *material.info.objectives[1:]]


def _write_table(folder: Path, name: str, grid: TableGrid, *, label: str) -> None:
    folder.mkdir(exist_ok=True)
    texts = {
        "csv": to_csv(grid),
        "md": rendering.to_markdown(grid),
        "tex": rendering.to_latex(without_advice(grid), label=label),
    }
    for kind, text in texts.items():
        (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")


def _fact_lines(material: ReportMaterial) -> list[tuple[str, str]]:
    frame, info = material.frame, material.info
    done = len(seed_values.completed_trials(frame))
    facts = [
        ("configurations", f"{len(material.table):,}"),
        ("trials run in full", f"{done:,} of {len(frame):,}"),
    ]
    if info.seeds:
        facts.append(("seeds each", str(len(info.seeds))))
    elif rule := race_of_search(info.search):
        facts.append(("seeds", f"{rule['first']} to {rule['most']}, by a race"))
    if info.search.get("sampler"):
        facts.append(("sampler", str(info.search["sampler"])))
    if DATASET_NAME in frame and len(frame):
        names = [display_name(str(name)) for name in frame[DATASET_NAME].unique()]
        facts.append(("data", ", ".join(names) if len(names) < 3 else f"{len(names)} data sets"))
    if {EPOCH_SECONDS, EPOCHS} <= set(frame.columns):
        seconds = float((frame[EPOCH_SECONDS] * frame[EPOCHS]).sum())
        facts.append(("training time", duration_text(seconds)))
    return facts


def _origin_lines(material: ReportMaterial) -> list[tuple[str, str | Markup]]:
    """Return what made the numbers: code, data, versions, runs."""
    info, frame = material.info, material.frame
    link = Markup('<a href="{}"><code>{}</code></a>')
    rows: list[tuple[str, str | Markup]] = [
        ("study run", link.format(info.url(info.run_id), info.run_id))
    ]
    names = {
        GIT_COMMIT: "commit",
        CODE: "code digest",
        DATA_FINGERPRINT: "data fingerprint",
        PYTHON: "Python",
        "torch": "torch",
        "ray": "Ray",
        "optuna": "Optuna",
        **{tag: tag for tag in (DEVICE, PRECISION, COMPILED)},  # words, all three
    }
    for tag, name in names.items():
        if tag in frame and len(values := frame[tag].dropna().unique()):
            rows.append(
                (name, Markup(", ").join(Markup("<code>{}</code>").format(v) for v in values))
            )
    if GIT_DIRTY in frame and len(frame):
        dirty = int(frame[GIT_DIRTY].sum())
        rows.append(
            ("uncommitted changes", f"in {count_text(dirty, 'trial')}" if dirty else "none")
        )
    if ADOPTED_FROM in frame and (adopted := int(frame[ADOPTED_FROM].notna().sum())):
        rows.append(
            ("adopted", f"{count_text(adopted, 'trial')} of other studies with the same key")
        )
    fixed = [
        f"{name}: {frame[name].iloc[0]}"
        for name in configurations.settings_of(frame)
        if len(frame)
        and frame[name].map(configurations.hashable_value).nunique(dropna=False) == 1
        and configurations.hashable_value(frame[name].iloc[0]) is not None
    ]
    if fixed:
        rows.append(("the same for all", Markup("<code>{}</code>").format(", ".join(fixed))))
    return rows


def _trial_grid(material: ReportMaterial) -> TableGrid:
    """Return one row per trial, with the link to its run."""
    frame = material.frame
    metrics = [m for m in dict.fromkeys([material.objective, material.test]) if m in frame]
    shown = ["run_id", SEED, OUTCOME, GIT_COMMIT, *material.factors, *metrics]
    rows = []
    for _, trial in frame[[name for name in shown if name in frame]].iterrows():
        outcome = trial.get(OUTCOME)
        run = trial["run_id"]
        rows.append(
            [
                TableCell(run[:8], runs=(run,)),
                *(TableCell(setting_value_text(trial[name])) for name in material.factors),
                TableCell(str(trial[SEED])),
                TableCell(outcome.replace("_", " ") if isinstance(outcome, str) else "unfinished"),
                *(TableCell(number_text(trial[name])) for name in metrics),
                TableCell(str(trial.get(GIT_COMMIT, ""))[:7]),
            ]
        )
    names = ["run", *material.factors, SEED, OUTCOME, *map(display_name, metrics), "commit"]
    numeric = [name == SEED or name in map(display_name, metrics) for name in names]
    return TableGrid(header=[("", name) for name in names], rows=rows, numeric=numeric)

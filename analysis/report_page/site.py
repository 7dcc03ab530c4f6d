"""The static site of all studies on record: a report of each, and an index to them."""

from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from analysis.counted import count_text
from analysis.output_folder import writing_errors_told
from analysis.record.client import open_reader, search_all_experiments
from analysis.record.store_errors import UnknownStudyError
from analysis.record.study_info import scales_of
from analysis.report_page.gather import ReportMaterial, gather_material
from analysis.report_page.page import write_report

TEMPLATES = Path(__file__).parent
TEMPLATE = "site.html"


@dataclass(frozen=True)
class SiteEntry:
    """What the index says of a study at one scale."""

    study: str
    scale: str
    question: str
    answer: str
    state: str
    changed: str
    """The day on which a trial last began or ended; empty without trials."""
    trials: str
    """How many."""
    link: str
    """To the report, from the index."""


@dataclass(frozen=True)
class WrittenSite:
    """A site of all studies on record."""

    index: Path
    entries: list[SiteEntry]
    """In the order of the index, the last changed first."""


def write_site(folder: Path, tracking_uri: str | None = None) -> WrittenSite:
    """Write the reports of all studies and the index to them.

    Args:
        folder: of the site; what else it holds stays.
        tracking_uri: where the record is; None means what MLflow means by it.

    Raises:
        UnknownStudyError: if no study is on record.
        RecordError: if the record cannot be used.
        OutputFolderError: if the folder cannot be written to.
    """
    client = open_reader(tracking_uri)
    entries = []
    for experiment in search_all_experiments(client):
        for scale in scales_of(client, experiment):
            material = gather_material(experiment.name, scale, tracking_uri)
            entries.append(_entry_of(material, write_report(material, folder)))
    if not entries:
        raise UnknownStudyError("no study is on record")
    entries.sort(key=lambda entry: (entry.changed, entry.study), reverse=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(entries=entries)
    index = folder / "index.html"
    with writing_errors_told(folder):
        index.write_text(page, encoding="utf-8")
    return WrittenSite(index, entries)


def _entry_of(material: ReportMaterial, report: Path) -> SiteEntry:
    info, frame = material.info, material.frame
    last = pd.NaT if frame.empty else frame[["start_time", "end_time"]].max().max()
    return SiteEntry(
        study=info.study,
        scale=info.scale,
        question=info.question,
        answer=material.answer,
        state=info.state,
        changed="" if pd.isna(last) else f"{last:%Y-%m-%d}",
        trials=count_text(len(frame), "trial"),
        link=f"{report.name}/report.html",
    )

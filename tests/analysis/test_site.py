"""The static site of all studies on record."""

import re

import pytest
from mlflow import MlflowClient

from analysis import site as command
from analysis.figures import draw_matplotlib
from analysis.report_page import site
from tests.analysis.record_writer import BASE, start_study
from tests.json_documents import checked


class NotDrawn:
    """In place of a figure that is drawn, which takes seconds."""

    def __init__(self, figure):
        pass

    def save(self, folder):
        return []

    def svg(self):
        return "<svg></svg>"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A site of two studies, one of them at two scales; figures left out."""
    monkeypatch.setattr(draw_matplotlib, "DrawnFigure", NotDrawn)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    for name, scale in (("beta", "quick"), ("beta", "paper"), ("<other>", "quick")):
        study = start_study(client, name, scale=scale, folder=tmp_path)
        study.add_all([{**BASE, "regularizer.beta": b} for b in (0.1, 0.5)], [0, 1])
    return site.write_site(tmp_path / "site", uri)


def test_the_index_leads_to_the_report_of_every_study_and_scale(written):
    page = written.index.read_text()
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 3
    assert all((written.index.parent / link).is_file() for link in links)
    assert page.count("Lowest validation error") == 3
    assert page.count("done · 4 trials · 20") == 3
    assert "<other>" not in page and "&lt;other&gt;" in page


def test_the_document_names_every_report_in_the_order_of_the_index(written, monkeypatch, capsys):
    monkeypatch.setattr(site, "write_site", lambda folder: written)
    assert command.main([str(written.index.parent), "--json"]) == 0
    document = checked(capsys.readouterr().out)
    assert document["index"] == str(written.index)
    links = re.findall(r'href="([^"]+)"', written.index.read_text())
    assert [each["page"] for each in document["reports"]] == [
        str(written.index.parent / link) for link in links
    ]
    assert {each["study"] for each in document["reports"]} == {"beta", "<other>"}
    assert all("Lowest validation error" in each["headline"] for each in document["reports"])


def test_without_a_record_there_is_no_site(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.setattr(site.open_reader.__globals__["mlflow"], "get_tracking_uri",
                        lambda: f"sqlite:///{tmp_path}/none.db")  # fmt: skip
    assert command.main([str(tmp_path / "site"), "--json"]) == 2
    said = capsys.readouterr()
    assert "nothing is on record" in said.err
    refusal = checked(said.out)
    assert refusal["of"] == "site" and "nothing is on record" in refusal["message"]
    assert not (tmp_path / "site").exists() and not (tmp_path / "none.db").exists()


def test_a_record_that_is_no_database_and_a_folder_that_is_a_file_are_refused_in_words(
    written, tmp_path, monkeypatch, capsys
):
    record, file = tmp_path / "mlflow.db", tmp_path / "file"
    file.touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{record}")
    assert command.main([str(file), "--json"]) == 2
    assert f"cannot write to `{file}" in checked(capsys.readouterr().out)["message"]
    record.write_text("junk " * 1000)
    assert command.main([str(tmp_path / "site"), "--json"]) == 2
    assert "file is not a database" in checked(capsys.readouterr().out)["message"]

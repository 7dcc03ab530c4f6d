"""Launches over results of other code: real ones, from copies of the source that are edited."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.source_tree import ROOT
from tests.study.launching import SHORT_STUDY, Folder

BASE = "trainables/regularizers/_regularizer.py"
RENAMED = ("compared = self.compare(network, batch)\n        comparison = replace(compared,",
           "found = self.compare(network, batch)\n        comparison = replace(found,")  # fmt: skip
PATH_BEFORE = os.environ.get("PYTHONPATH", "")
BROKEN = ("        return loss\n", "        return 0 * loss\n")


class EditedFolder(Folder):
    """A folder whose launches run a copy of the source."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SHORT_STUDY)
        self.source = path / "source"
        for package in ("study", "trainables", "analysis"):
            shutil.copytree(ROOT / package, self.source / package)
        self.environment |= {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self.source), PATH_BEFORE))),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file may be edited twice within a second
        }

    def edit(self, before: str, after: str) -> None:
        """Edit the base class of all regularizers."""
        file = self.source / BASE
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after), "utf-8")

    def proofs(self) -> list[dict]:
        (parent,) = self.runs("study")
        path = self.client.download_artifacts(parent.info.run_id, "provenance/proofs.json")
        return json.loads(Path(path).read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> EditedFolder:
    """A study that is done."""
    folder = EditedFolder(tmp_path_factory.mktemp("edited"))
    folder.launch()
    return folder


def tags(folder: Folder, name: str, role: str = "trial", study: str = "small") -> list[str | None]:
    return [run.data.tags.get(name) for run in folder.runs(role, study)]


@pytest.mark.slow
def test_results_of_other_code_are_blessed_refused_retrained_and_adopted_as_is_proven(folder):
    """One story, since each of its launches starts Ray."""
    (before,) = set(tags(folder, "code"))
    kept = {run.info.run_id for run in folder.runs()}

    folder.edit(*RENAMED)
    output = folder.launch()
    assert f"2 results on record of other code (digest {before}, now " in output
    assert "trainables.regularizers._regularizer changed (RegularizerModule.loss_of)" in output
    assert "Proven:" in output and "Nothing to do" in output
    (renamed,) = set(tags(folder, "code_proved"))
    assert set(tags(folder, "code")) == {before} != {renamed}
    (proof,) = folder.proofs()
    assert (proof["before"], proof["now"], proof["epochs"]) == (before, renamed, [1])
    assert {"train_loss", "test_error"} <= set(proof["metrics"])
    assert {run.info.run_id for run in folder.runs()} == kept

    folder.edit(*BROKEN)
    assert "The proof comes first: 1 trial trained anew" in folder.launch("--plan")
    output = folder.launch(status=2)
    assert "train_loss of epoch 1 is 0.0, on record it is 2." in output
    assert "--code keep" in output and "--code retrain" in output
    assert set(tags(folder, "code")) == {before}
    assert [run.info.status for run in folder.runs("study")] == ["FINISHED"]

    output = folder.launch("--code", "keep")
    assert "Nothing to do" in output
    assert "2 trials were computed by other code" in output
    (present,) = set(tags(folder, "code_kept"))
    assert present not in (before, renamed)

    planned = folder.launch("--plan", "--set", "study=other")
    assert "Adopted if a proof holds: 2 trials" in planned

    folder.launch("--code", "retrain")
    assert set(tags(folder, "code")) == {present}
    assert set(tags(folder, "code_kept")) == {None}
    assert not kept & {run.info.run_id for run in folder.runs()}
    assert {run.info.run_id for run in folder.runs("superseded_trial")} == kept
    assert all(run.data.metrics["train_loss"] == 0 for run in folder.runs())
    assert "2 to adopt, 0 to do" in folder.launch("--plan", "--set", "study=other")
    output = folder.launch("--set", "study=other")
    assert "Adopted: 2 trials that other studies have finished." in output
    assert set(tags(folder, "adopted_from", study="other")) == {
        run.info.run_id for run in folder.runs()
    }
    assert set(tags(folder, "code", study="other")) == {present}

"""Edits of the code: are those told that change results, and those blessed that do not?

    python -m tests.benchmarks.code_edits [--launches] [--only NAME …] [--out FILE]

A tiny study is trained once. Then each edit is made in a copy of the source, and the record of the
study is looked at from there, as a launch with `--code check` does. With `--launches` the study and
each look are whole launches, which start Ray twenty-one times; without, a process that imports the
copy trains, decides and proves by the same code, without Ray.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("study", "trainables", "analysis")
LIBRARIES = ("torch", "torchvision", "sklearn.datasets", "optuna", "mlflow", "pydantic", "pandas")
"""What the project imports of others."""
RESULTS = Path(__file__).parent / "results" / "code-edits.md"
STUDY = """
study: edits
question: Is a result still what the code computes?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 800, test_images: 200}
  network: {name: lenet}
  regularizer: {name: lamix}
  training: {epochs: 3, batch_size: 20, learning_rate: 0.05, milestones: [1]}
search:
  sampler: grid
  seeds: 1
  space: {regularizer.beta: [0.3, 0.9]}
"""
BLESSED, TOLD = "blessed", "told"


@dataclass(frozen=True)
class CodeEdit:
    """One edit: texts of a module, each replaced by another."""

    name: str
    module: str
    changes: tuple[tuple[str, str], ...]
    wanted: str
    """Whether results stay (`blessed`) or not (`told`)."""

    def make(self, root: Path) -> None:
        """Edit the copy of the source at `root`."""
        file = root / self.module
        text = file.read_text("utf-8")
        for before, after in self.changes:
            assert text.count(before) >= 1, f"{self.name}: {self.module} has no {before!r}"
            text = text.replace(before, after, 1)
        file.write_text(text, "utf-8")


def _told(name: str, module: str, *changes: tuple[str, str]) -> CodeEdit:
    return CodeEdit(name, f"trainables/{module}.py", changes, TOLD)


def _blessed(name: str, module: str, *changes: tuple[str, str]) -> CodeEdit:
    return CodeEdit(name, f"trainables/{module}.py", changes, BLESSED)


MIX_TARGETS = '''\
def mix_targets(targets_NC: Tensor, permutation_N: Tensor, lam: Tensor | float) -> Tensor:
    """Return λ·y_i + (1 − λ)·y_j, Eq. 2, with λ a scalar or of shape (N,)."""
    lam_N1 = lam.reshape(-1, 1) if isinstance(lam, Tensor) else lam
    return lam_N1 * targets_NC + (1 - lam_N1) * targets_NC[permutation_N]


'''
EDITS = (
    _told(
        "the regularizers' base class: the loss is 0",
        "regularizers/_regularizer",
        ("        return loss\n", "        return 0 * loss\n"),
    ),
    _told(
        "a helper module: the global label without its sigmoid",
        "targets",
        ("torch.softmax(torch.sigmoid(logits_NC.float()), dim=1)", "torch.softmax(logits_NC, 1)"),
    ),
    _told("a constant: 14 bins of confidence for 15", "evaluation", ("BINS = 15", "BINS = 14")),
    _told(
        "the optimizer: half the momentum",
        "training_step",
        ("momentum=training.momentum,", "momentum=training.momentum / 2,"),
    ),
    _told(
        "the recipe: half the rate at a milestone, after the last epoch that is trained anew",
        "recipe",
        ("self.learning_rate * 0.1**passed", "self.learning_rate * 0.5**passed"),
    ),
    _told(
        "the normalisation: pixels over 256",
        "batches",
        ("1 / (255 * std_C11)", "1 / (256 * std_C11)"),
    ),
    _told(
        "the augmentation: no crop from the last row and column",
        "batches",
        ("0, 2 * self.padding + 1, (2, count)", "0, 2 * self.padding, (2, count)"),
    ),
    _told(
        "the evaluation: an error over one image more",
        "evaluation",
        ("error=100 * wrong / images,", "error=100 * wrong / (images + 1),"),
    ),
    _told(
        "the network: tanh for its first ReLU",
        "networks/lenet",
        ("nn.Conv2d(in_channels, 6, 5), nn.ReLU()", "nn.Conv2d(in_channels, 6, 5), nn.Tanh()"),
    ),
    _told(
        "a final figure: the median of the last two epochs",
        "metrics",
        ("statistics.median(test[-10:])", "statistics.median(test[-2:])"),
    ),
    _blessed(
        "a comment",
        "training",
        ("        self.network.train()\n", "        # The mode.\n        self.network.train()\n"),
    ),
    _blessed(
        "a docstring",
        "targets",
        ('"""Return λ·y_i + (1 − λ)·y_j', '"""Return the mixed targets: λ·y_i + (1 − λ)·y_j'),
    ),
    _blessed(
        "the layout",
        "targets",
        (
            "    return (1 - smoothing) * one_hot_NC + smoothing / num_classes\n",
            "    return (\n        (1 - smoothing) * one_hot_NC\n"
            "        + smoothing / num_classes\n    )\n",
        ),
    ),
    _blessed(
        "a local variable renamed",
        "regularizers/_regularizer",
        ("compared = self.compare(network, batch)", "found = self.compare(network, batch)"),
        ("replace(compared, by", "replace(found, by"),
    ),
    _blessed(
        "a function renamed",
        "batches",
        ("images = _pad_images(splits, device)", "images = _with_borders(splits, device)"),
        ("def _pad_images(", "def _with_borders("),
    ),
    _blessed(
        "a function moved to another place of its module",
        "targets",
        (MIX_TARGETS, ""),
        ("def soft_target_loss(", f"{MIX_TARGETS}def soft_target_loss("),
    ),
    _blessed(
        "an expression moved into a function of its own",
        "batches",
        (
            "        self.shift_C11 = -mean_C11 / std_C11\n",
            "        self.shift_C11 = self._shift(mean_C11, std_C11)\n\n"
            "    def _shift(self, mean_C11: Tensor, std_C11: Tensor) -> Tensor:\n"
            "        return -mean_C11 / std_C11\n",
        ),
    ),
    _blessed(
        "an equal operation: the sigmoid in place",
        "targets",
        ("torch.sigmoid(logits_NC.float())", "logits_NC.float().clone().sigmoid_()"),
    ),
    _blessed(
        "an equal operation: the largest logit and its place in one pass",
        "evaluation",
        ("logits_NC.argmax(1) == labels_N", "logits_NC.max(1).indices == labels_N"),
    ),
    _blessed(
        "a label of a figure, and a function that nobody calls",
        "metrics",
        ('label="training loss"', 'label="loss in training"'),
        (
            "def has_diverged(",
            "def never_called() -> None:\n    return None\n\n\ndef has_diverged(",
        ),
    ),
)

TRAIN = """
from pathlib import Path
from types import SimpleNamespace
from study.file.resolved import load_study
from study.record.opening import open_record
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import open_optuna_study
from trainables import datasets
from trainables.devices import be_deterministic
from trainables.training import Trainer

study = load_study(Path("edits.yaml"))
record = open_record(study, Path("records.jsonl"))
data = Path("data").absolute()
scheduler = StudyScheduler(
    study,
    open_optuna_study(study, Path("optuna.db")),
    record,
    data_of=lambda c: datasets.load(c.dataset, data).fingerprint,
    provenance={},
)
be_deterministic()
while (trial := scheduler.hand_out_trial()) is not None:
    trainer = Trainer(trial.configuration, seed=trial.seed, data=data, device="cpu")
    scheduler.note_begun(trial)
    while not trainer.finished:
        scheduler.note_epochs(trial, [trainer.train_epoch()], device="cpu")
    scheduler.note_completed(trial)
assert record.close(60)
"""
"""What a process of the source as it is does without Ray: it trains the study and records it."""

LOOK = """
import json
from pathlib import Path
from study.file.resolved import load_study
from study.record.code_history import CodeHistory
from study.record.opening import open_record
from study.scheduling.code_proof import PROOF_EPOCHS, TrainedSample, judge_sample
from study.scheduling.code_rules import decide_by_code, proof_groups
from trainables import datasets
from trainables.devices import be_deterministic
from trainables.training import Trainer

study = load_study(Path("edits.yaml"))
record = open_record(study, Path("unused.jsonl"), read_only=True)
data = Path("data").absolute()
decision = decide_by_code(
    study, lambda c: datasets.load(c.dataset, data).fingerprint, record.trials(), "check"
)
answers = []
be_deterministic()
for group in proof_groups(decision.to_prove):
    trial = group.sample.trial
    trainer = Trainer(trial.configuration, seed=trial.seed, data=data, device="cpu")
    while not trainer.finished and trainer.epoch < PROOF_EPOCHS:
        trainer.train_epoch()
    epochs = CodeHistory(record).epochs_of(group.sample.recorded)
    verdict = judge_sample(group, epochs, TrainedSample(trainer.history, "cpu"))
    answers.append("" if verdict.holds else str(verdict.difference))
answer = {"found": len(decision.found), "refused": [a for a in answers if a]}
Path("answer.json").write_text(json.dumps(answer))
"""
"""What a process of an edited copy is asked: what results are of other code, and what differs."""


@dataclass(frozen=True)
class EditOutcome:
    """What a look at the record from an edited copy has come to."""

    edit: CodeEdit
    came_to: str
    """`told` or `blessed`."""
    by: str
    """The first difference; or what the blessing rests on."""

    @property
    def is_right(self) -> bool:
        """Whether it is what is wanted of the edit."""
        return self.came_to == self.edit.wanted


class EditLab:
    """A folder with the source, the study and its record."""

    def __init__(self, folder: Path, *, launches: bool) -> None:
        """Copy the source and train the study once."""
        self.folder, self.launches = folder, launches
        self.source, self.study = folder / "source", folder / "study"
        self.study.mkdir()
        (self.study / "edits.yaml").write_text(STUDY)
        self._copy_source()
        if launches:
            done = self._run_launch()
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            self._run_program(TRAIN)

    def _copy_source(self) -> None:
        shutil.rmtree(self.source, ignore_errors=True)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, self.source / package, ignore=ignored)

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(self.source),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMIX_STUDY_CACHE": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }

    def _run_launch(self) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TUNE_", "MLFLOW_"))}
        return subprocess.run(
            [sys.executable, "-m", "study.launch", "edits.yaml"],
            cwd=self.study,
            env={**kept, **self._environment()},
            capture_output=True,
            text=True,
            check=False,
        )

    def _run_program(self, program: str) -> None:
        """Run a program in a process of its own, which imports the copy of the source.

        A fork of this process, in which the libraries are loaded and the project is not.
        """
        for library in LIBRARIES:
            importlib.import_module(library)
        child = multiprocessing.get_context("fork").Process(target=self._execute, args=(program,))
        child.start()
        child.join()
        assert child.exitcode == 0, "the program failed; its traceback is above"

    def _execute(self, program: str) -> None:
        assert not set(PACKAGES) & sys.modules.keys(), "the project is loaded from elsewhere"
        os.environ.update(self._environment())
        os.chdir(self.study)
        sys.dont_write_bytecode = True
        sys.path[:] = [str(self.source), *(p for p in sys.path if Path(p).resolve() != ROOT)]
        exec(compile(program, "the program of a copy", "exec"), {"__name__": "__main__"})

    def look_with(self, edit: CodeEdit) -> EditOutcome:
        """Make an edit in a fresh copy and look at the record from there."""
        self._copy_source()
        edit.make(self.source)
        return self._launch(edit) if self.launches else self._look(edit)

    def _look(self, edit: CodeEdit) -> EditOutcome:
        file = self.study / "answer.json"
        file.unlink(missing_ok=True)
        self._run_program(LOOK)
        answer = json.loads(file.read_text())
        if answer["refused"]:
            return EditOutcome(edit, TOLD, answer["refused"][0])
        by = "the metrics are equal" if answer["found"] else "the digest is the same"
        return EditOutcome(edit, BLESSED, by)

    def _launch(self, edit: CodeEdit) -> EditOutcome:
        kept = self.folder / "kept"
        shutil.copytree(self.study, kept)
        done = self._run_launch()
        shutil.rmtree(self.study)
        kept.rename(self.study)  # the next edit meets the record as the first one did
        if done.returncode == 2:
            told = [line for line in done.stderr.splitlines() if "on record it is" in line]
            assert told, done.stderr
            return EditOutcome(edit, TOLD, told[0].rpartition(": ")[2])
        assert done.returncode == 0, done.stdout + done.stderr
        proven = "Proven:" in done.stdout
        by = "the metrics are equal" if proven else "the digest is the same"
        return EditOutcome(edit, BLESSED, by)


def results_text(outcomes: Sequence[EditOutcome], *, launches: bool) -> str:
    """Return the outcomes as a page."""
    lines = ["# Edits of the code, and what is said of results from before", ""]
    how = "by whole launches" if launches else "by the launch's decisions and proof, without Ray"
    lines += [f"A study of 2 trials of 3 epochs, of which a proof trains 2; looked at {how}.", ""]
    for wanted in (TOLD, BLESSED):
        of_kind = [outcome for outcome in outcomes if outcome.edit.wanted == wanted]
        right = sum(outcome.is_right for outcome in of_kind)
        lines.append(f"- {right} of {len(of_kind)} {wanted}")
    lines += ["", "| edit | wanted | came to | by |", "|---|---|---|---|"]
    for each in outcomes:
        mark = "" if each.is_right else " **wrong**"
        cells = (each.edit.name, each.edit.wanted, f"{each.came_to}{mark}", each.by)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Make the edits, print what each comes to and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.code_edits")
    parser.add_argument("--launches", action="store_true", help="a whole launch for each edit")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="edits whose names begin so")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args()
    edits = [e for e in EDITS if not options.only or e.name.startswith(tuple(options.only))]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="edits-") as folder:
        lab = EditLab(Path(folder), launches=options.launches)
        for edit in edits:
            outcomes.append(lab.look_with(edit))
            print(f"{outcomes[-1].came_to:8} {edit.name}: {outcomes[-1].by}", flush=True)
    text = results_text(outcomes, launches=options.launches)
    if not options.only:
        options.out.write_text(text, "utf-8")
    print(text)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

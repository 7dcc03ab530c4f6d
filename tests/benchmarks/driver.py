"""The driver's machinery without Ray: scheduler, search, record and spool, timed part by part.

    python -m tests.benchmarks.driver FOLDER TRIALS [--sampler NAME] [--early-stopping NAME]

Trials run on nobody's time: a result is there as soon as it is taken, with `SIDE_BY_SIDE` trials
handed out at once, as on so many nodes. It prints what that took as JSON. A process of its own, so
that memory is of this many trials alone.
"""

import argparse
import gc
import io
import json
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console

from study.file.resolved import ResolvedStudy, load_study
from study.launching.display import LaunchDisplay
from study.record.opening import open_record
from study.record.writer import StudyRecord
from study.scheduling.reconcile import reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import OptunaStudy, open_optuna_study
from study.trials import Trial
from tests.benchmarks.no_op_studies import study_of
from trainables.metrics import EpochMetrics

SIDE_BY_SIDE = 100
EPOCHS = 2
"""Of a trial; the mean after all but the last is what a rule of early stopping hears."""
TENTHS = 10
BESIDE = 200
"""Trials of a second study on the same tracking store, which asks for each who else has it."""
PARTS = ("all", "ask", "report", "tell", "elsewhere", "append", "deliver")
"""A trial with all that follows; of this the search asked, told of an epoch, and of an end; the
look at other studies; a record put on file. A record written to MLflow, on the spool's thread."""


@dataclass
class Measured:
    """What one study took."""

    trials: int
    seconds: float
    """Until the last result was taken."""
    recorded_seconds: float
    """Until the last record was written."""
    records: int
    parts: dict[str, list[list[float]]]
    """Part → by tenth of the trials: calls, processor time of their thread, time; in seconds."""
    start_mb: float
    taken_mb: float
    """Resident memory once the last result was taken; records may still wait."""
    end_mb: float
    draw_ms: float
    """One drawing of the display, at the end."""
    look_up: dict[str, float] = field(default_factory=dict)
    """What a launch looks up first → processor time, in seconds."""
    beside: "Measured | None" = None
    """A second, small study on the same store."""


class Clock:
    """Adds up what calls take, by part and by tenth of the trials."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.parts = {part: [[0, 0.0, 0.0] for _ in range(TENTHS)] for part in PARTS}
        self.ended = 0
        """Trials whose end was taken."""
        self.written = 0
        """Trials whose end is on record."""

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with its time added to a part."""

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.adding(part, self.ended):
                return call(*arguments, **options)

        return timed

    def delivering(self, deliver: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return the spool's delivery with its time added."""

        def delivering(entry: Any) -> None:
            with self.adding("deliver", self.written):
                deliver(entry)
            self.written += entry["kind"] == "end"

        return delivering

    def delivering_together(self, deliver: Callable[[Any], int]) -> Callable[[Any], int]:
        """Return the spool's delivery of several records with its time added."""

        def delivering(entries: Any) -> int:
            with self.adding("deliver", self.written):
                count = deliver(entries)
            self.written += sum(entry["kind"] == "end" for entry in entries[:count])
            return count

        return delivering

    @contextmanager
    def adding(self, part: str, trials: int) -> Iterator[None]:
        """Add what the block takes to the part, at so many trials."""
        cpu, wall = time.thread_time(), time.perf_counter()
        yield
        tally = self.parts[part][min(TENTHS - 1, TENTHS * trials // self.trials)]
        tally[0] += 1
        tally[1] += time.thread_time() - cpu
        tally[2] += time.perf_counter() - wall


def main() -> None:
    """Measure one size and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.driver", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("trials", type=int)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--early-stopping", metavar="NAME")
    options = parser.parse_args()
    search: dict[str, Any] = {"sampler": options.sampler}
    if options.early_stopping:
        search["early_stopping"] = {"name": options.early_stopping}
    os.chdir(options.folder)
    os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
    measured = measure(resolved(options.folder, "first", options.trials, **search))
    search["sampler_seed"] = 1  # other points: nothing is there to be adopted
    measured.beside = measure(resolved(options.folder, "second", BESIDE, **search))
    print(json.dumps(asdict(measured)))


def resolved(folder: Path, name: str, trials: int, **search: Any) -> ResolvedStudy:
    """Return a study of so many trials."""
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(study_of(name, trials, epochs=EPOCHS, **search)))
    return load_study(file)


def measure(study: ResolvedStudy) -> Measured:
    """Run a study to its end."""
    trials = study.configurations * len(study.search.seed_list)
    clock = Clock(trials)
    scheduler, search, record = opened(study)
    watch(clock, search, record)
    start_mb, started = resident_mb(), time.perf_counter()
    run(scheduler, clock)
    taken, taken_mb = time.perf_counter(), resident_mb()
    if not record.spool.drain(600) or record.spool.refused:
        raise RuntimeError(f"records wait or were refused: {record.spool.refused[:3]}")
    recorded, end_mb = time.perf_counter(), resident_mb()
    record.close(timeout=0)
    return Measured(
        trials=trials,
        seconds=taken - started,
        recorded_seconds=recorded - started,
        records=int(sum(calls for calls, _, _ in clock.parts["deliver"])),
        parts=clock.parts,
        start_mb=start_mb,
        taken_mb=taken_mb,
        end_mb=end_mb,
        draw_ms=drawn_ms(scheduler),
        look_up=look_up(study),
    )


def opened(study: ResolvedStudy) -> tuple[StudyScheduler, OptunaStudy, StudyRecord]:
    """Return a study's machinery, reconciled with what is on record."""
    folder = Path(study.source).parent
    record = open_record(study, folder / f"{study.name}.jsonl")
    search = open_optuna_study(study, folder / f"{study.name}.db")
    scheduler = StudyScheduler(
        study, search, record, data_of=lambda c: "feed", provenance={"a": "b"}
    )
    reconcile_study(scheduler, search, record.trials())
    return scheduler, search, record


def watch(clock: Clock, search: OptunaStudy, record: StudyRecord) -> None:
    """Have the clock hear of every call."""
    search.ask = clock.timed("ask", search.ask)  # type: ignore[method-assign]  # measured as it is used
    search.report = clock.timed("report", search.report)  # type: ignore[method-assign]  # measured as it is used
    search.tell = clock.timed("tell", search.tell)  # type: ignore[method-assign]  # measured as it is used
    elsewhere = clock.timed("elsewhere", record.finished_elsewhere)
    record.finished_elsewhere = elsewhere  # type: ignore[method-assign]  # measured as it is used
    record.spool.append = clock.timed("append", record.spool.append)  # type: ignore[method-assign]  # measured as it is used
    record.spool.deliver = clock.delivering(record.spool.deliver)
    record.spool.deliver_together = clock.delivering_together(record.spool.deliver_together)


def run(scheduler: StudyScheduler, clock: Clock) -> None:
    """Take results as fast as they are taken; the first trial handed out is the first to end."""
    waiting: deque[Trial] = deque()
    while not scheduler.is_finished:
        with clock.adding("all", clock.ended):
            while len(waiting) < SIDE_BY_SIDE and (trial := scheduler.hand_out_trial()) is not None:
                scheduler.note_begun(trial)
                waiting.append(trial)
            trial = waiting.popleft()
            for epoch in epochs_of(trial):
                if scheduler.note_epochs(trial, [epoch], device="cpu"):
                    break
            scheduler.note_completed(trial)
        clock.ended += 1


def epochs_of(trial: Trial) -> list[EpochMetrics]:
    """Return made-up epochs, the same for the same trial."""
    dice = random.Random(trial.key)
    return [
        EpochMetrics(
            epoch=epoch,
            train_loss=dice.random(),
            train_error=100 * dice.random(),
            validation_error=100 * dice.random(),
            test_error=100 * dice.random(),
            learning_rate=0.1,
            epoch_seconds=dice.random(),
            images_per_second=1000 * dice.random(),
            peak_memory_mb=300 * dice.random(),
        )
        for epoch in range(1, EPOCHS + 1)
    ]


def drawn_ms(scheduler: StudyScheduler) -> float:
    """Return how long the display takes for its line."""
    display = LaunchDisplay(scheduler, Console(file=io.StringIO()), facts=[])
    started = time.thread_time()
    display.note_change()
    return 1000 * (time.thread_time() - started)


def look_up(study: ResolvedStudy) -> dict[str, float]:
    """Return what a launch with nothing to do takes for each thing that it looks up."""
    folder = Path(study.source).parent
    found: dict[str, float] = {}

    def timed(what: str, call: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = call()
        found[what] = time.process_time() - started
        return result

    record = timed("record opened", lambda: open_record(study, folder / f"{study.name}.jsonl"))
    search = timed("search opened", lambda: open_optuna_study(study, folder / f"{study.name}.db"))
    recorded = record.trials()  # as they were read with the record
    scheduler = StudyScheduler(study, search, record, data_of=lambda c: "feed", provenance={})
    timed("reconciled", lambda: reconcile_study(scheduler, search, recorded))
    record.close(timeout=0)
    if not scheduler.is_finished:
        raise RuntimeError(f"{study.name}: a second launch would find something to do")
    return found


def resident_mb() -> float:
    """Return this process's resident memory; 2^20 bytes."""
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


if __name__ == "__main__":
    main()

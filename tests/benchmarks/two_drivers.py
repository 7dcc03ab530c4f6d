"""Two launches of one study at once, each with its own `--state`: what is on record in the end.

    python -m tests.benchmarks.two_drivers [--rounds N] [--stores NAME …] [--seed N] [--out FILE]

In each round the same study is launched twice in one folder and on one tracking store, the second
launch a random while after the first. What is on record then must be what one driver alone leaves:
one run of the study, one run for each trial, none running, every metric bitwise equal. One launch
must end with 0; the other with 2, in words that name the first, or with 0 because all was done. The
exit status is 1 if anything differs. Launches run without Ray, in processes forked from one that
has imported all (`tests.benchmarks.in_process`): what keeps drivers apart is in the record.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mlflow import MlflowClient

from analysis.record.names import ROLE, STUDY_ROLE, TRIAL_KEY, TRIAL_ROLE
from tests.benchmarks.crash_lab import (
    OUTPUT,
    STUDY_FILE,
    LaunchError,
    in_fork,
    start_in_fork,
    wait_for_fork,
    write_study,
)
from tests.benchmarks.crash_points import small_study
from tests.benchmarks.in_process import get_ready, launch_in_process
from tests.benchmarks.left_behind import content_of
from tests.study.services import Postgres
from trainables.datasets._cache import VARIABLE as CACHE

STORES = ("sqlite", "postgresql")
STATES = ("a", "b")
RECORD = "record.json"
CLOSE_SECONDS = 1.0
"""Half of the rounds begin both launches within this, which is before either holds the study."""
Record = dict[str, Any]
"""Runs of the study, and by `trials` trial key and content of each run of a trial."""


@dataclass
class Rounds:
    """What the rounds on one store have found."""

    rounds: int = 0
    refused: int = 0
    """Launches that ended with 2."""
    found_done: int = 0
    """Launches that ended with 0 and had nothing to do."""
    faults: list[str] = field(default_factory=list)


class TwoDrivers:
    """Folders in which a study is launched twice at once, on new stores of one kind."""

    def __init__(
        self, home: Path, new_store: Callable[[Path], str], *, dice: random.Random
    ) -> None:
        """Take a folder for what is launched.

        Args:
            home: a folder of this object's own.
            new_store: makes an empty tracking store for a folder, and returns its address.
            dice: chooses the delays.
        """
        self.home = home
        self.new_store = new_store
        self.dice = dice
        self.alone_seconds = 0.0

    def run_alone(self) -> Record:
        """Return what one driver leaves, and note how long it takes."""
        folder = self._new_folder("alone")
        started = time.monotonic()
        status = in_fork(folder, lambda: launch_in_process([STUDY_FILE, "--state", "a"]))
        self.alone_seconds = time.monotonic() - started
        if status:
            raise LaunchError(f"exit status {status}: {(folder / OUTPUT).read_text()}")
        return read_record(folder)

    def run_round(self, number: int, expected: Record, found: Rounds) -> None:
        """Launch twice and note what differs from `expected`."""
        folder = self._new_folder(f"round{number}")
        longest = self.dice.choice([CLOSE_SECONDS, self.alone_seconds])
        delay = self.dice.uniform(0, longest)
        started = []
        for state in STATES:
            started.append(start_in_fork(folder, _launch_with(state), output=f"{state}.txt"))
            if len(started) < len(STATES):
                time.sleep(delay)
        statuses = [wait_for_fork(pid) for pid in started]
        said = [(folder / f"{state}.txt").read_text() for state in STATES]
        found.rounds += 1
        found.refused += statuses.count(2)
        found.found_done += sum("Nothing to do" in text for text in said)
        faults = [*status_faults(statuses, said, started), *_faults_of(folder, expected)]
        found.faults += [f"round {number}, {delay:.2f} s apart: {fault}" for fault in faults]

    def _new_folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir()
        write_study(folder, small_study())
        os.environ["MLFLOW_TRACKING_URI"] = self.new_store(folder)
        return folder


def _launch_with(state: str) -> Callable[[], int]:
    return lambda: launch_in_process([STUDY_FILE, "--state", state])


def status_faults(statuses: Sequence[int], said: Sequence[str], pids: Sequence[int]) -> list[str]:
    """Return what is wrong with how two launches ended.

    Args:
        statuses: their exit statuses.
        said: what they printed.
        pids: their processes.
    """
    found = []
    if 0 not in statuses or set(statuses) - {0, 2}:
        found.append(f"exit statuses {statuses}: {[text[-400:] for text in said]}")
    for number, text in enumerate(said):
        if "Traceback" in text:
            found.append(f"a traceback: {text[-400:]}")
        if statuses[number] == 2 and f"process {pids[1 - number]} on " not in text:
            found.append(f"who holds the study is not said: {text[-400:]}")
    if list(statuses) == [0, 0] and not any("Nothing to do" in text for text in said):
        found.append("both launches say that they have done the study")
    return found


def _faults_of(folder: Path, expected: Record) -> list[str]:
    record = read_record(folder)
    found = record_faults(record, expected)
    left = [state for state in STATES if any((folder / state).rglob("checkpoints/*"))]
    return [*found, *(f"a checkpoint is left in the state {state}" for state in left)]


def record_faults(record: Record, expected: Record) -> list[str]:
    """Return how a record differs from that of one driver alone."""
    found = []
    if record["studies"] != ["FINISHED"]:
        found.append(f"runs of the study: {record['studies']}")
    counts = Counter(key for key, _ in record["trials"])
    wanted = dict(expected["trials"])
    found += [f"{count} runs of trial {key}" for key, count in counts.items() if count != 1]
    found += [f"no run of trial {key}" for key in wanted if key not in counts]
    found += [
        f"trial {key} differs: {[part for part in content if content[part] != wanted[key][part]]}"
        for key, content in record["trials"]
        if key in wanted and content != wanted[key]
    ]
    return found + [f"trial {key} is not planned" for key in counts if key not in wanted]


def read_record(folder: Path) -> Record:
    """Return what is on record, read by a process of its own: one that forks has no connection."""

    def read() -> int:
        client = MlflowClient()
        experiment = client.get_experiment_by_name("small")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], max_results=5000)
        of_trials = [run for run in runs if run.data.tags[ROLE] == TRIAL_ROLE]
        trials = [(run.data.tags[TRIAL_KEY], content_of(client, run)) for run in of_trials]
        studies = [run.info.status for run in runs if run.data.tags[ROLE] == STUDY_ROLE]
        (folder / RECORD).write_text(json.dumps({"trials": trials, "studies": studies}))
        return 0

    if status := in_fork(folder, read):
        raise LaunchError(f"exit status {status}: {(folder / OUTPUT).read_text()}")
    record: Record = json.loads((folder / RECORD).read_text())
    return record


@contextmanager
def stores_of(kind: str, home: Path) -> Iterator[Callable[[Path], str]]:
    """Lend a function that makes an empty tracking store; its tables are made once and copied."""

    def make_tables() -> int:
        MlflowClient().search_experiments()
        return 0

    blank = home / f"blank-{kind}"
    blank.mkdir()
    if kind == "sqlite":
        os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
        in_fork(blank, make_tables)

        def new_file(folder: Path) -> str:
            return f"sqlite:///{shutil.copy(blank / 'mlflow.db', folder / 'mlflow.db')}"

        yield new_file
        return
    postgres = Postgres()
    try:
        template = postgres.database()
        os.environ["MLFLOW_TRACKING_URI"] = _with_driver(template)
        if in_fork(blank, make_tables):
            raise LaunchError((blank / OUTPUT).read_text())
        yield lambda folder: _with_driver(postgres.database(template=template.rpartition("/")[2]))
    finally:
        postgres.stop()


def _with_driver(address: str) -> str:
    return address.replace("postgresql://", "postgresql+psycopg://")


def table_of(found: dict[str, Rounds]) -> str:
    """Return what the rounds have found, in Markdown."""
    head = ["store", "rounds", "refused", "found all done", "faults"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for store, each in found.items():
        counts = [store, each.rounds, each.refused, each.found_done, len(each.faults)]
        lines.append(f"| {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all rounds and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.two_drivers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="on each store")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES, metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the delays")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args(arguments)
    found: dict[str, Rounds] = {}
    with tempfile.TemporaryDirectory(prefix="two-") as name:
        home = Path(name)
        _prepare(home)
        for kind in options.stores:
            with stores_of(kind, home) as new_store:
                (home / kind).mkdir()
                drivers = TwoDrivers(home / kind, new_store, dice=random.Random(options.seed))
                expected = drivers.run_alone()
                found[kind] = Rounds()
                for number in range(1, options.rounds + 1):
                    drivers.run_round(number, expected, found[kind])
            print(*found[kind].faults, table_of(found), sep="\n", flush=True)
    if options.out:
        options.out.write_text(f"{table_of(found)}\n")
    return int(any(each.faults for each in found.values()))


def _prepare(home: Path) -> None:
    """Import what launches need, so that forked ones begin at once."""
    os.environ[CACHE] = str(home / "cache")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(home / "inductor")
    os.environ.pop("RAY_ADDRESS", None)
    torch.set_num_threads(1)  # or a forked process would wait for threads that it has not
    write_study(home, small_study())
    get_ready(home / STUDY_FILE)


if __name__ == "__main__":
    sys.exit(main())

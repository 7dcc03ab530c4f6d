"""A soak: a study of many short trials, of which something is killed again and again.

    python -m tests.benchmarks.soak [--trials N] [--every SECONDS] [--hours H] [--epochs N]
        [--victims NAME …] [--seed N] [--out FILE]

The study is launched again whenever its launch ends before it is done. Every so many seconds one of
the victims is killed by SIGKILL: the driver, a trial's process, the tracking server, which comes
back a few seconds later, or a node of the Ray cluster, in whose place another joins. After the
hours nothing more is killed, and the study goes on to its end. The same study is run undisturbed,
in one process without Ray. In the end each trial must have one run, nothing may be marked as
running, every metric must be bitwise equal to the undisturbed one, and no checkpoint may be left.
The exit status is 1 if anything differs.
"""

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from analysis.record.names import COMPLETED, OUTCOME, TRIAL_KEY
from tests.benchmarks.no_op_studies import LAUNCH_IN_PROCESS, ROOT, study_of
from tests.benchmarks.soak_scene import VICTIMS, Scene
from tests.study.launching import Folder
from trainables.metrics import COSTS

NAME = "small"
"""What `Folder` calls a study."""
RELAUNCH_SECONDS = 5.0
"""Between the end of a launch that could not begin and the next one."""
LAST_HOURS = 4.0
"""How long the study may take once nothing more is killed."""
LOOK_SECONDS = 0.2
GOES_ON = (-signal.SIGKILL, 130)
"""Exit statuses after which the same command goes on."""
REFUSED = 2
"""The exit status of a launch that finds no server, or no room on the cluster."""
Metrics = dict[tuple[str, str], list[tuple[int, str]]]
"""Trial key and metric → epoch and value, to the bit."""


class SoakError(Exception):
    """A launch ended as none should, or the study has no end."""


@dataclass
class Story:
    """What was done to a study, and how its launches ended."""

    kills: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


def wreak(
    scene: Scene, victims: Sequence[str], *, every: float, hours: float, dice: random.Random
) -> Story:
    """Kill and launch until the study is done.

    Args:
        scene: with its first launch begun.
        victims: what is killed.
        every: seconds between two kills.
        hours: for which something is killed.
        dice: chooses the victims.

    Raises:
        SoakError: if a launch ends as none should, or the study has no end.
    """
    story, started = Story(), time.monotonic()
    due, until = started + every, started + 3600 * hours
    while True:
        now = time.monotonic()
        scene.restore_server(now=now > until)
        status = scene.process.poll()
        if status is None and due < now < until:
            victim = dice.choice(victims)
            story.kills[victim] += scene.kill(victim, dice)
            due = now + every
        elif status is not None:
            story.statuses[status] += 1
            if status == 0:
                story.seconds = now - started
                return story
            if status == REFUSED:
                time.sleep(RELAUNCH_SECONDS)
            elif status not in GOES_ON:
                raise SoakError(f"exit status {status}: {scene.folder.output.read_text()[-3000:]}")
            scene.process = scene.folder.start()
        if now > until + 3600 * LAST_HOURS:
            raise SoakError(f"no end: {scene.folder.output.read_text()[-3000:]}")
        time.sleep(LOOK_SECONDS)


def run_undisturbed(path: Path, study: str) -> Metrics:
    """Run the study in one process and return its metrics."""
    folder = Folder(path, study)
    database = path / "mlflow.db"
    done = subprocess.run(
        [*LAUNCH_IN_PROCESS, "small.yaml"],
        cwd=path,
        env={
            **folder.environment,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",  # as an actor of one CPU
            "MLFLOW_TRACKING_URI": f"sqlite:///{database}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SoakError(f"undisturbed, exit status {done.returncode}: {done.stdout[-3000:]}")
    return read_metrics(database)


def read_metrics(database: Path) -> Metrics:
    """Return all metrics of trials that must be reproducible, read from MLflow's tables.

    By MLflow's client that would be a request for each metric of each trial.
    """
    query = (
        "SELECT tags.value, metrics.key, metrics.step, metrics.value, metrics.is_nan FROM metrics "
        "JOIN tags ON tags.run_uuid = metrics.run_uuid AND tags.key = ? "
        "ORDER BY metrics.run_uuid, metrics.key, metrics.step"
    )
    found: Metrics = {}
    with sqlite3.connect(database) as connection:
        for key, name, step, value, is_nan in connection.execute(query, (TRIAL_KEY,)):
            if name not in COSTS:
                text = "nan" if is_nan else float(value).hex()
                found.setdefault((key, name), []).append((step, text))
    connection.close()
    return found


def faults_of(folder: Folder, database: Path, expected: Metrics) -> list[str]:
    """Return what is wrong with what a study has left."""
    runs = folder.runs()
    wanted = {key for key, _ in expected}
    counts = Counter(run.data.tags[TRIAL_KEY] for run in runs)
    found = [f"{count} runs of trial {key}" for key, count in counts.items() if count != 1]
    found += [f"no run of trial {key}" for key in sorted(wanted - counts.keys())]
    found += [f"trial {key} is not planned" for key in sorted(counts.keys() - wanted)]
    studies = [run.info.status for run in folder.runs("study")]
    if studies != ["FINISHED"]:
        found.append(f"runs of the study: {studies}")
    for run in runs:
        ended = (run.info.status, run.data.tags.get(OUTCOME))
        if ended != ("FINISHED", COMPLETED):
            found.append(f"trial {run.data.tags[TRIAL_KEY]}: {ended}")
    metrics = read_metrics(database)
    for key, name in sorted(expected.keys() | metrics.keys()):
        if metrics.get((key, name)) != expected.get((key, name)):
            found.append(f"{name} of trial {key} differs")
    left = [file.name for file in (folder.state() / "checkpoints").iterdir()]
    return found + [f"checkpoint {name} is left" for name in left]


def study_text(trials: int, epochs: int) -> str:
    """Return the study's file."""
    study = study_of(NAME, trials, epochs=epochs, sampler="random")
    study["checkpoints"] = {"at_least_every_seconds": 0.5}
    return yaml.safe_dump(study, sort_keys=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print and return the exit status."""
    options = _options(arguments)
    study = study_text(options.trials, options.epochs)
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as home, ExitStack() as stack:
        alone, soaked = Path(home) / "alone", Path(home) / "soaked"
        alone.mkdir()
        soaked.mkdir()
        expected = run_undisturbed(alone, study)
        scene = Scene(soaked, study, stack, with_nodes="node" in options.victims)
        story = wreak(
            scene,
            options.victims,
            every=options.every,
            hours=options.hours,
            dice=random.Random(options.seed),
        )
        faults = faults_of(scene.folder, soaked / "server.db", expected)
    text = describe(story, options.trials, len(expected), faults)
    print(text)
    if options.out:
        options.out.write_text(f"{text}\n")
    return int(bool(faults))


def describe(story: Story, trials: int, metrics: int, faults: Sequence[str]) -> str:
    """Return the story and its faults as Markdown."""
    kills = ", ".join(f"{victim} {count}" for victim, count in sorted(story.kills.items()))
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(story.statuses.items()))
    lines = [
        f"{trials:,} trials, {story.seconds / 60:.0f} minutes, {sum(story.kills.values())} kills "
        f"({kills}).",
        f"Launches by exit status: {statuses}.",
        f"{metrics:,} courses of metrics compared. Faults: {len(faults)}.",
        *faults[:50],
    ]
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.soak", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=2000, metavar="N", help="a multiple of 5")
    parser.add_argument("--every", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--hours", type=float, default=1.0, metavar="H")
    parser.add_argument("--epochs", type=int, default=40, metavar="N", help="of a trial")
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=VICTIMS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the kills")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

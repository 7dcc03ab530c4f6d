"""A study whose MLflow server is far away: how long the launch takes after its last trial.

    python -m tests.benchmarks.latency [--trials N] [--latency SECONDS] [--without-ray] [--out FILE]

A study of trials that do next to nothing is launched on this machine. Its server runs here too,
behind a link that adds the latency to each request. Without Ray the trials run in the launch's own
process (`tests.benchmarks.in_process`), which asks the same of the record for less of a machine.
The exit status is 1 if the launch has not ended within BAR_SECONDS of the last trial's end, or a
run is missing or not finished.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from tests.benchmarks.no_op_studies import Studies
from tests.benchmarks.slow_link import slow_link
from tests.benchmarks.table import Figure, header, section
from tests.study.services import MlflowServer

BAR_SECONDS, STRETCH_SECONDS = 30.0, 15.0
SAMPLER = "random"
SHOWN = 8
"""Kinds of requests that are shown, the most frequent first."""
PREFIX = "/api/2.0/mlflow"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.latency", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=1000, metavar="N", help="a multiple of 5")
    parser.add_argument("--latency", type=float, default=0.2, metavar="SECONDS")
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result there too")
    options = parser.parse_args(arguments)
    text, is_met = measure(options.trials, options.latency, with_ray=not options.without_ray)
    print(text)
    if options.out:
        options.out.write_text(f"{header(short=False)}\n{text}")
    return int(not is_met)


def measure(trials: int, latency: float, *, with_ray: bool = True) -> tuple[str, bool]:
    """Return the result as Markdown, and whether the bar is met and all is on record."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        folder = Path(home)
        server = MlflowServer(folder, f"sqlite:///{folder / 'server.db'}")
        try:
            with slow_link(server.port, latency) as link:
                studies = Studies(folder, server=f"http://127.0.0.1:{link.port}")
                launch = studies.launch(trials, sampler=SAMPLER, with_ray=with_ray)
                ended = time.time()
                requests = list(link.requests)
            runs = _trial_runs(MlflowClient(server.uri), f"no_op_{SAMPLER}_{trials}")
        finally:
            server.stop()
    last = max(run.info.end_time for run in runs) / 1000
    first = min(run.info.start_time for run in runs) / 1000
    finished = sum(run.info.status == "FINISHED" for run in runs)
    after = Figure(
        what="from the last trial's end to the launch's",
        value=ended - last,
        unit="s",
        bar=BAR_SECONDS,
        stretch=STRETCH_SECONDS,
        better="less",
    )
    late = [request for sent, request in requests if sent > last]
    figures = [
        after,
        Figure(what="from the first trial's begin to the last one's end", value=last - first),
        Figure(what="the launch", value=launch.seconds, unit="s"),
        Figure(what="requests a trial", value=len(requests) / trials),
        Figure(what="requests after the last trial's end", value=len(late)),
        Figure(what="trials finished on record", value=finished, bar=trials),
    ]
    words = (
        f"{trials:,} trials that do next to nothing, {'with' if with_ray else 'without'} Ray; "
        f"{latency:g} s added to each request. "
        f"Requests: {_frequent(request for _, request in requests)}; after the last trial's end: "
        f"{_frequent(late)}."
    )
    is_met = "missed" not in after.verdict and len(runs) == finished == trials
    return section("A far tracking server", words, figures), is_met


def _frequent(requests: Iterable[str]) -> str:
    counts = Counter(requests).most_common(SHOWN)
    return ", ".join(f"{request.replace(PREFIX, '')} {count:,}" for request, count in counts)


def _trial_runs(client: MlflowClient, study: str) -> list[Run]:
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(
        client.search_runs([experiment.experiment_id], "tags.role = 'trial'", max_results=20_000)
    )


if __name__ == "__main__":
    sys.exit(main())

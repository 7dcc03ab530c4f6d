"""The protocol of the benchmarks, on the machine at hand.

    python -m tests.benchmarks [--short] [--parts PART …] [--networks NAME …] [--data DIR]
        [--cifar10 DIR] [--threads N] [--out FILE]

It prints the results and writes them, dated, below `tests/benchmarks/results/`.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from tests.benchmarks import accuracy, gpu, overhead, steps, throughput, waits
from tests.benchmarks.cases import Case, cases
from tests.benchmarks.table import header

RESULTS = Path(__file__).parent / "results"
PARTS = (
    "throughput",
    "regularizers",
    "profile",
    "determinism",
    "layouts",
    "accuracy",
    "overhead",
    "waits",
    "gpu",
)
NETWORKS = ("lenet", "preact_resnet18")


def main() -> None:
    """Measure the parts and write the results."""
    options = _options()
    # Before CUDA starts, as in a trial: without it cuBLAS refuses deterministic mode.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(options.threads)
    out = options.out or RESULTS / f"{'-'.join(_name(options))}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    measured = [header(short=options.short)]
    print(measured[0])
    for text in _sections(options):
        print(text, flush=True)
        measured.append(text)
        out.write_text("\n".join(measured))  # a run that is cut off leaves what it has
    print(f"Written to {out}")


def _name(options: argparse.Namespace) -> list[str]:
    parts = [] if tuple(options.parts) == PARTS else list(options.parts)
    return [time.strftime("%Y-%m-%d"), *(["short"] if options.short else []), *parts]


def _sections(options: argparse.Namespace) -> Iterator[str]:
    lenet, narrow = cases(options.data.absolute(), short=options.short)
    chosen = [case for case in (lenet, narrow) if case.network["name"] in options.networks]
    repeats = 5 if options.short else 9
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "throughput": lambda: (throughput.measure(case, repeats=repeats) for case in chosen),
        "regularizers": lambda: (steps.regularizers(case, repeats=repeats) for case in chosen),
        "profile": lambda: (steps.profile(case) for case in chosen),
        "determinism": lambda: (steps.determinism(case, repeats=repeats) for case in chosen),
        "layouts": lambda: (steps.layouts(case, repeats=repeats) for case in chosen),
        "accuracy": lambda: _accuracy(lenet, narrow, options),
        "overhead": lambda: _overhead(chosen, options),
        "waits": lambda: waits.measure(short=options.short),
        "gpu": lambda: gpu.measure(short=options.short),
    }
    for part in options.parts:
        yield from parts[part]()


def _accuracy(lenet: Case, narrow: Case, options: argparse.Namespace) -> Iterator[str]:
    if "lenet" in options.networks:
        fewer = {"train_images": 10_000, "test_images": 2_000} if options.short else {}
        yield accuracy.measure(_with(lenet, **fewer), epochs=2, learning_rate=0.05)
    if "preact_resnet18" not in options.networks:
        return
    if options.cifar10 is None:
        yield "The gate on CIFAR-10 needs its images: `--cifar10 DIR` with `train/` and `test/`.\n"
        return
    fewer = {"train_images": 2_000, "test_images": 1_000}
    if not options.short:
        fewer = {"train_images": 10_000, "test_images": 2_000}
    folder = {"name": "image_folder", "path": str(options.cifar10.absolute())}
    cifar10 = _with(narrow, **folder, **fewer)
    yield accuracy.measure(cifar10, epochs=2 if options.short else 3, learning_rate=0.1)


def _with(case: Case, **dataset: object) -> Case:
    changed = {**case.dataset, **dataset}
    return replace(case, dataset=changed)


def _overhead(chosen: list[Case], options: argparse.Namespace) -> Iterator[str]:
    sizes = [100, 300] if options.short else [100, 500, 1000, 2000]
    return overhead.measure(
        sizes, chosen, repeats=5 if options.short else 9, studies=1 if options.short else 5
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer repeats and smaller studies")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, metavar="NAME")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--cifar10", type=Path, metavar="DIR", help="CIFAR-10 as a folder of files")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="of a trial alone (one for each core); on a busy machine several wait for each other",
    )
    parser.add_argument("--out", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()

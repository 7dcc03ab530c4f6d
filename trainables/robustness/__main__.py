"""Scores the kept weights of trials, one line of JSON in, one line out: a process of its own.

    python -m trainables.robustness --data DIR

A request is `{"settings": …, "weights": FILE, "seed": N, "key": …}`. The answer is
`{"version": N, "device": …, "scores": [{"kind", "name", "severity", "scores"}, …]}`, or
`{"reason": …}` where there are none. Whoever asks loads neither PyTorch nor data, and ends the
process by closing its input.
"""

import argparse
import json
import sys
from pathlib import Path

from trainables.datasets import DatasetError
from trainables.devices import be_deterministic, device_name, open_device
from trainables.robustness.scoring import NetworkScorer, RobustnessError, RobustnessScore
from trainables.robustness_document import (
    VERSION,
    PerturbationScores,
    RefusedTrial,
    ScoreRequest,
    TrialScores,
)


def main() -> int:
    """Answer requests until the input ends, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, help="folder of the data sets")
    arguments = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    be_deterministic()
    scorer = NetworkScorer(arguments.data, open_device())
    for line in sys.stdin:
        print(json.dumps(answer_to(json.loads(line), scorer)), file=answers, flush=True)
    return 0


def answer_to(request: ScoreRequest, scorer: NetworkScorer) -> TrialScores | RefusedTrial:
    """Return the scores of a request, or why there are none."""
    try:
        weights = Path(request["weights"]).read_bytes()
        found = scorer.score(request["settings"], weights, seed=request["seed"], key=request["key"])
    except (RobustnessError, DatasetError, OSError) as error:
        return {"reason": str(error)}
    return {
        "version": VERSION,
        "device": device_name(scorer.device),
        "scores": list(map(_scores_of, found)),
    }


def _scores_of(score: RobustnessScore) -> PerturbationScores:
    which = score.perturbation
    return {
        "kind": which.kind,
        "name": which.name,
        "severity": which.severity,
        "scores": dict(score.scores),
    }


if __name__ == "__main__":
    sys.exit(main())

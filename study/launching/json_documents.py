"""What a plan and a launch say to programs by `--json`; `docs/json/` has a JSON Schema of each."""

import json
from dataclasses import asdict
from typing import Any

from analysis.json_documents import Document, named_document
from analysis.record.location import shown_tracking_uri
from study.launching.planning import StudyPlan
from study.launching.study_launch import StudyLaunch


def plan_document(plan: StudyPlan) -> Document:
    """Return what there is to do; the key `profile` is the caller's to fill."""
    study = plan.scheduler.study
    points = [each.point for each in plan.scheduler.configurations]
    return {
        **_heading("plan", study.name, study.scale),
        "configurations": study.configurations,
        "seeds": list(study.search.seed_list),
        "trials": asdict(plan.trials),
        "chosen": _plain([dict(point) for point in points]),
        "upcoming": _plain([dict(point) for point in plan.upcoming]),
        "estimate": _plain(asdict(plan.estimate)) if plan.estimate is not None else None,
        "profile": None,
    }


def launch_document(launch: StudyLaunch, status: int) -> Document:
    """Return how a launch has ended; the key `profile` is the caller's to fill.

    Args:
        launch: that has ended.
        status: its exit status.
    """
    study, trials = launch.study, launch.scheduler.trials.values()
    return {
        **_heading("launch", study.name, study.scale),
        "status": status,
        "trials": {
            "begun_or_done": len(trials),
            "done": sum(trial.is_finished for trial in trials),
            "failed": len(launch.scheduler.failures),
        },
        "failures": [
            {"trial": trial.name, "reason": trial.failures[-1].strip().splitlines()[-1]}
            for trial in launch.scheduler.failures
        ],
        "tracking_uri": shown_tracking_uri(),
        "log": str(launch.folder.log),
        "profile": None,
    }


def _heading(document: str, study: str, scale: str) -> Document:
    return named_document(document, {"study": study, "scale": scale})


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))

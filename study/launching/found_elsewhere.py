"""What of a study's trials is finished already: in other studies, or with other diagnostics."""

from dataclasses import replace

from study.record.same_metrics import is_diagnosed
from study.record.writer import StudyRecord
from study.scheduling.code_rules import TrialsElsewhere, sort_by_code
from study.scheduling.scheduler import StudyScheduler
from study.search.optuna_study import OptunaStudy


def look_elsewhere(
    scheduler: StudyScheduler, search: OptunaStudy, record: StudyRecord
) -> TrialsElsewhere:
    """Return what is finished of the trials to do elsewhere, or with other diagnostics."""
    strangers = [trial for key, trial in record.trials().items() if key not in scheduler.trials]
    diagnosed = list(filter(is_diagnosed, strangers))
    record.others.know_own(diagnosed)
    if not diagnosed and not record.others.are_there():
        return TrialsElsewhere()
    coming = scheduler.known.planned_trials(search.upcoming(scheduler.unasked))
    todo = {trial.key: trial for trial in scheduler.queue.waiting if not trial.recorded}
    todo |= {trial.key: trial for trial in coming if trial.key not in scheduler.trials}
    whole = record.others.finished_among(todo)
    alike = record.others.alike_among(todo.values())
    for key, runs in alike.items():
        serving = [run.recorded for run in runs if not run.lacking]
        whole[key] = [*whole.get(key, ()), *serving]
    lacking = {
        key: min((run.lacking for run in runs), key=len)
        for key, runs in alike.items()
        if not whole[key]
    }
    sorted_runs = sort_by_code(todo.values(), whole, scheduler.known.is_measured)
    return replace(sorted_runs, lacking=lacking)

"""What an actor is told of the trial that it trains."""

from dataclasses import asdict

from study.execution.admission import NodeAdmission
from study.file.resolved import ResolvedStudy
from study.file.space import describe_point
from study.scheduling.early_stopping import rungs_of
from study.trials import Trial
from trainables.assignment import TrialAssignment
from trainables.configuration import as_dict
from trainables.node_checks import code_versions


def assignment_of(trial: Trial, study: ResolvedStudy, admission: NodeAdmission) -> TrialAssignment:
    """Return what an actor needs to know of a trial.

    Args:
        trial: which.
        study: whose.
        admission: knows where data and checkpoints lie, and which nodes must not be used.
    """
    return TrialAssignment(
        name=f"{study.name} {trial.name}",
        study=study.name,
        point=describe_point(trial.point),
        configuration=as_dict(trial.configuration),
        seed=trial.seed,
        key=trial.key,
        data=str(admission.question.data),
        checkpoints=admission.question.checkpoints,
        checkpoint_seconds=study.checkpoints.at_least_every_seconds,
        cpus=study.resources.cpus,
        gpus=trial.gpus,
        avoid=sorted(admission.unfit),
        versions=code_versions() if admission.cluster.existing else {},
        fingerprint=trial.data,
        own_modules=[asdict(module) for module in study.own_modules],
        timeout_seconds=(study.resources.trial_timeout or 0.0) * 3600,
        code=trial.code,
        proved=sorted(trial.proved),
        rungs=rungs_of(study.search.early_stopping, trial.epochs),
    )

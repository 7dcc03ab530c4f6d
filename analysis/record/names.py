"""The names of the record: its tags, params, artifacts and outcomes, each written once.

An experiment is a study. It holds one run per scale (`role: study`), and below each of these one
run per trial (`role: trial`). `analysis.trials.load` gives a tag's and a param's name to the column
that holds it, so the names here are names of columns too. The names of metrics stand in
`trainables.metrics`, the names of settings in the classes of the
settings; those that are asked for by name stand here too.
"""

from typing import Final, Literal, get_args

# Tags of every run

ROLE = "role"
SCALE = "scale"
GIT_COMMIT = "git_commit"
GIT_DIRTY = "git_dirty"
"""Whether files differed from the commit: true, false or, without git, unknown."""
PYTHON = "python"
PACKAGES = ("torch", "torchvision", "ray", "optuna", "mlflow")
"""Tags that hold the version of the package of that name."""

CUDA = "cuda_version"
"""The version that PyTorch was built for; none for a build without CUDA."""
DRIVER = "driver_version"
"""The version of NVIDIA's driver; none where there is none."""

# Values of the tag `role`

STUDY_ROLE = "study"
TRIAL_ROLE = "trial"
SUPERSEDED_ROLE = "superseded_trial"
"""A trial's run from before the trial was trained again by other code: history, and no result."""

# Tags of a trial's run

TRIAL_KEY = "trial_key"
"""The hash of configuration, seed and data."""
CONFIGURATION = "configuration"
"""The hash of configuration and data."""
CONFIGURATION_NUMBER = "configuration_number"
"""The number under which the search asked for the configuration, counted from 0."""
POINT = "point"
"""The searched paths and their values, as JSON."""
DATA_FINGERPRINT = "data_fingerprint"
CODE = "code"
"""The digest of the code that computed the trial; missing in records from before there was one."""
CODE_PROVED = "code_proved"
"""The digests of other code that was proven to compute the same."""
CODE_KEPT = "code_kept"
"""The digest of the code under which the trial was kept, though other code had computed it and
nothing proves the two equal; missing or empty for all other trials."""
DEVICE = "device"
PRECISION = "precision"
COMPILED = "compiled"
"""Whether the trial's training passes were compiled, true or false; missing in records from before
a trial said so."""
OUTCOME = "outcome"
"""How the trial ended; missing while it has not ended."""
FAILURE = "failure"
"""The last line of the traceback of a trial that failed for good."""
ADOPTED_FROM = "adopted_from"
"""The run of another study that trained the trial."""
MISSING_DIAGNOSTICS = "missing_diagnostics"
"""The files that a trial should have left and could not, as on a full disk."""
SUPERSEDED_BY = "superseded_by"
"""The run that stands for the trial or the study; the run with this tag is deleted."""
RETIRED = "retired"
"""Whether the trial no longer belongs to the study; missing if it always did."""

FLAGS = (GIT_DIRTY, RETIRED)
"""Tags whose values are true and false."""

# Tags of a study's run

STATE = "state"
"""A word in place of MLflow's status; a record without it has MLflow's."""
QUESTION = "question"
"""The study's question, in records whose resolved file does not hold it."""
WRITABLE = "writable"
"""Set and deleted at once, to find out whether the tracking server takes records."""

STATE_WORDS = {
    "FINISHED": "done",
    "FAILED": "ended, some failed",
    "KILLED": "interrupted",
    "SCHEDULED": "not begun",
    "RUNNING": "running",
}
"""What people read for MLflow's status of a study's run, wherever it is shown."""

# Tags of an experiment

LEASE_PREFIX = "lease."
"""Begins the tags by which launches say that they run the study, or are about to."""

# Tags that MLflow understands

PARENT_RUN = "mlflow.parentRunId"
"""The study's run, in the tags of a trial's run."""
DESCRIPTION = "mlflow.note.content"
EXPERIMENT_KIND = "mlflow.experimentKind"
SHARED_VIEW = "mlflow.sharedViewState."
"""Begins the experiment's tags that hold a view of its runs, as JSON."""
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
SOURCE_COMMIT = "mlflow.source.git.commit"
MLFLOW_PREFIX = "mlflow."
"""Tags that begin with it are MLflow's own."""

# Params; all others are settings, under their dotted paths

SEED = "seed"

# Settings that the analysis or the record asks for by name

DATASET_NAME = "dataset.name"
NETWORK_NAME = "network.name"
REGULARIZER_NAME = "regularizer.name"
EPOCHS = "training.epochs"
BETA = "regularizer.beta"
SMOOTHING = "regularizer.smoothing"
ALPHA = "regularizer.alpha"
GLOBAL_LABEL = "regularizer.global_label"

PACKAGES_FILE = "provenance/packages.txt"
"""The installed packages with their versions, among the artifacts of the study's run."""
DIFF_FILE = "provenance/uncommitted.diff"
"""How the code differs from its commit, as `git apply` takes it."""
CODE_FILE = "provenance/code.json"
"""What the digests of the trials' code stand for: digest → modules and versions."""
PROOFS_FILE = "provenance/proofs.json"
"""The proofs on which digests stand in `code_proved`, the oldest first."""

# Outcomes of a trial

Outcome = Literal["completed", "stopped_early", "diverged", "failed"]

COMPLETED: Final = "completed"
STOPPED_EARLY: Final = "stopped_early"
DIVERGED: Final = "diverged"
FAILED: Final = "failed"
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# Artifacts of a study's run

WRITTEN_FILE = "study.yaml"
"""The study file as written."""
RESOLVED_FILE = "resolved.yaml"
"""The study file as resolved for the scale."""
TABLE_MARKDOWN = "configurations.md"
TABLE_CSV = "configurations.csv"
EFFECTS_MARKDOWN = "effects.md"
"""What each part of an ablation does to the error."""
READINGS_MARKDOWN = "readings.md"
"""The conclusion in each reading of what the paper leaves open."""
LOOKS_FILE = "looks.json"
"""When the finished study was looked at, with how many seeds, and what was known then."""
PLOTS = "plots"
"""The folder of the plots."""
REPORT = "report"
"""The folder of the report."""

# Artifacts of a trial's run

DIAGNOSTICS = "diagnostics"
"""The folder of what a trial measured of itself."""
SOFT_TARGETS_FILE = f"{DIAGNOSTICS}/soft_targets.npz"
ACTIVATION_MAPS_FILE = f"{DIAGNOSTICS}/cam.npz"
EMBEDDING_FILE = f"{DIAGNOSTICS}/embedding.npz"
PREDICTIONS_FILE = f"{DIAGNOSTICS}/predictions.npz"
WEIGHTS_FILE = f"{DIAGNOSTICS}/weights.pt"
EVALUATION = "evaluation"
"""The folder of what was measured later, of the weights that the trial has kept."""
ROBUSTNESS_NAME = "robustness.json"
ROBUSTNESS_FILE = f"{EVALUATION}/{ROBUSTNESS_NAME}"
FAILURE_FILE = "failure.txt"
"""The traceback of a trial that failed for good."""

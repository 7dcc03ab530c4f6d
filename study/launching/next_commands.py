"""What may follow a launch: the commands, each with its purpose, at the end of what it prints."""

from collections.abc import Sequence

from study.file.names import PAPER_SCALE
from study.file.resolved import ResolvedStudy
from study.launching.exit_status import INTERRUPTED
from study.launching.shell_commands import python_command, trials_command
from study.launching.study_launch import StudyLaunch

WIDEST_COLUMN = 80
"""In characters. Longer commands do not widen the column of purposes."""


def say_what_next(launch: StudyLaunch, status: int, more: Sequence[tuple[str, str]]) -> None:
    """Say with which commands to go on."""
    experiment_id = launch.record.experiment_id
    commands = next_commands(
        launch.study, launch.command, status, more, experiment_id=experiment_id
    )
    short = [command for command, _ in commands if len(command) <= WIDEST_COLUMN]
    width = max(map(len, short), default=0)
    launch.say("Next:")
    for command, purpose in commands:
        launch.say(f"  {command:<{width}}  # {purpose}")


def next_commands(
    study: ResolvedStudy,
    command: str,
    status: int,
    more: Sequence[tuple[str, str]] = (),
    *,
    experiment_id: str,
) -> list[tuple[str, str]]:
    """Return the commands that may follow a launch, each with its purpose.

    Args:
        study: which was launched.
        command: by which it was launched.
        status: the exit status.
        more: the commands that give more seeds, where some are worth their price.
        experiment_id: of the study, in MLflow.
    """
    if status == INTERRUPTED:
        return [(command, "go on")]
    commands = [
        trials_command(experiment_id, study.scale),
        (python_command("analysis.report", [study.name, "--scale", study.scale]), "the report"),
        *more,
    ]
    if study.scale != PAPER_SCALE and PAPER_SCALE in study.scales:
        paper = python_command("study.launch", [study.source, "--scale", PAPER_SCALE, "--plan"])
        commands.append((paper, "what the paper's setting costs"))
    return commands

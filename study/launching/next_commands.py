"""What may follow a launch: the commands, each with its purpose, at the end of what it prints."""

from collections.abc import Sequence

from analysis.console import prose_width
from analysis.terminal import text_width, wrapped
from study.file.names import PAPER_SCALE
from study.file.resolved import ResolvedStudy
from study.launching.exit_status import INTERRUPTED
from study.launching.shell_commands import shell_command, trials_command
from study.launching.study_launch import StudyLaunch

REMARK = "  # "
WIDEST_COLUMN = 80
"""In characters. Longer commands do not widen the column of purposes."""


def say_what_next(launch: StudyLaunch, status: int, more: Sequence[tuple[str, str]]) -> None:
    """Say with which commands to go on."""
    experiment_id = launch.record.experiment_id
    commands = next_commands(
        launch.study, launch.command, status, more, experiment_id=experiment_id
    )
    for line in command_lines(commands, prose_width(launch.console)):
        launch.console.print(line, highlight=False, markup=False, soft_wrap=True)


def command_lines(commands: Sequence[tuple[str, str]], width: int | None) -> list[str]:
    """Return the lines that say with which commands to go on; a command is never broken.

    Args:
        commands: each with its purpose, which stands above a command that leaves it no room.
        width: of the terminal; None for no terminal.
    """
    short = [command for command, _ in commands if len(command) <= WIDEST_COLUMN]
    column = max(map(len, short), default=0)
    lines = ["", "Next:"]
    for command, purpose in commands:
        line = f"  {command:<{column}}  # {purpose}"
        if width is None or text_width(line) <= width:
            lines.append(line)
        else:
            said = wrapped(purpose, width - len(REMARK)).split("\n")
            lines += [*(f"{REMARK}{part}" for part in said), f"  {command}"]
    return lines


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
        (shell_command("analysis.report", [study.name, "--scale", study.scale]), "the report"),
        *more,
    ]
    if study.scale != PAPER_SCALE and PAPER_SCALE in study.scales:
        paper = shell_command("study.launch", [study.source, "--scale", PAPER_SCALE, "--plan"])
        commands.append((paper, "what the paper's setting costs"))
    return commands

"""The end of a launch: records written, the table published, failures shown."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import trials
from analysis.console import prose_width
from analysis.counted import agreeing, count_text
from analysis.record import credentials
from analysis.record.looks import StudyLook, looks_text, with_look
from analysis.record.names import (
    CONFIGURATION,
    EFFECTS_MARKDOWN,
    LOOKS_FILE,
    READINGS_MARKDOWN,
    TABLE_CSV,
    TABLE_MARKDOWN,
)
from analysis.tables import configurations, part_effects, printed, race
from analysis.tables.code_remarks import code_remarks
from analysis.tables.csv_rendering import to_csv
from analysis.tables.fitting import fit_text
from analysis.tables.rendering import TableGrid, to_markdown
from analysis.trials import UnknownStudyError
from study.file.resolved import ResolvedStudy
from study.launching.exit_status import DONE, INTERRUPTED, RUN_STATUS, incomplete_status
from study.launching.more_seeds import more_seeds
from study.launching.next_commands import say_what_next
from study.launching.notifying import tell_end
from study.launching.sensitivity_words import sensitivity_words
from study.launching.study_launch import StudyLaunch
from study.record.errors import RecordError, ask_until_answered
from study.scheduling.progress import describe_left, describe_settled, describe_spent
from study.scratch import lend_scratch

if TYPE_CHECKING:
    import pandas as pd

    from analysis.report_page.study_answers import StudyAnswers

RECORDS_SECONDS = 60.0
"""How long the end of a launch waits for a tracking server that takes no record."""
HASTY_SECONDS = 5.0
"""How long a launch that was told to end waits for it."""
MOST_ROWS = 50
"""Configurations that are shown on the screen, unless more are best; the files hold all."""
RENDERINGS = {TABLE_MARKDOWN: to_markdown, TABLE_CSV: to_csv}
"""The files of the table over configurations."""


def close_launch(launch: StudyLaunch, status: int, *, trained: bool) -> int:
    """Bring the record to its end, show the result and return the exit status.

    Args:
        launch: whose trials have ended or are cut off.
        status: the exit status so far; DONE turns to INTERRUPTED where records are missing.
        trained: whether this launch has run trials, so that there is something new to draw.
    """
    more: list[tuple[str, str]] = []
    if launch.record.lost_to:
        launch.say(launch.reason_to_stop())
        status = INTERRUPTED
    elif launch.record.spool.drain(RECORDS_SECONDS):
        if launch.record.spool.refused:
            status = incomplete_status(status)  # the next launch finds what is missing on record
        try:
            more = _publish_result(launch, status, trained=trained)
        except (RecordError, UnknownStudyError, OSError) as error:
            launch.say(str(error))
            status = incomplete_status(status)
    else:
        waiting = len(launch.record.spool)
        launch.say(
            f"{count_text(waiting, 'record')} {agreeing(waiting, 'waits', 'wait')} in "
            f"{launch.folder.spool}: the tracking server does not take "
            f"{agreeing(waiting, 'it', 'them')} ({launch.record.spool.away_because}). The "
            "same command "
            f"writes {agreeing(waiting, 'it', 'them')} when it does."
        )
        status = incomplete_status(status)
    launch.record.close(timeout=0)
    launch.sweep_checkpoints()
    _say_what_went_wrong(launch)
    if spent := describe_spent(launch.scheduler):
        launch.say(f"{spent} {describe_left(launch.scheduler)}")
    say_what_next(launch, status, more)
    if trained:
        tell_end(launch, status)
    return status


def close_interrupted(launch: StudyLaunch) -> int:
    """End the record of a launch that was told to end while it was prepared or closed.

    Nothing of the study is left running on record. The table waits for the next launch.
    """
    record = launch.record
    if record.spool.drain(HASTY_SECONDS):
        try:
            record.study_writer.publish(texts={}, plots=(), status=RUN_STATUS[INTERRUPTED])
        except RecordError as error:
            launch.say(str(error))
    record.close(timeout=0)
    say_what_next(launch, INTERRUPTED, [])
    return INTERRUPTED


def _publish_result(launch: StudyLaunch, status: int, *, trained: bool) -> list[tuple[str, str]]:
    """Show the table over configurations and put it on record, with its figure and the look.

    Returns the commands that would give more seeds, each with what they would bring.

    Raises:
        RecordError: if the tracking server cannot be reached or refuses.
        UnknownStudyError: if the experiment was renamed or deleted while the study ran.
        OSError: if a disk is full.
    """
    with lend_scratch("plots") as folder:
        try:
            result = _draw_result(launch, Path(folder), status, trained=trained)
        except BaseException:
            with suppress(RecordError):  # that nothing stays marked as running
                ended = RUN_STATUS[incomplete_status(status)]
                launch.record.study_writer.publish(texts={}, plots=(), status=ended)
            raise
        launch.record.study_writer.publish(
            texts=result.texts,
            plots=result.plots,
            status=RUN_STATUS[status],
            description=result.description,
            values=result.values,
        )
    return result.more


@dataclass(frozen=True)
class DrawnResult:
    """What is put on record of a study's result; see `StudyWriter.publish`."""

    texts: dict[str, str]
    plots: list[Path]
    description: str
    values: dict[str, float]
    more: list[tuple[str, str]]
    """The commands that would give more seeds, each with what they would bring."""


def _draw_result(launch: StudyLaunch, folder: Path, status: int, *, trained: bool) -> DrawnResult:
    """Show the table; return what of it goes on record, with plots where the record has none."""
    # Late: the paper's numbers and the claims' statistics, which the answer needs, take a second.
    from analysis.report_page.study_answers import study_answers
    from study.launching.result_note import best_values, result_note

    study = launch.study
    frame = _read_trials(launch)
    factors = configurations.factors_of(frame, study.search.space)
    objectives = trials.shown_objectives(study.search.objectives)
    selects = study.search.selects
    search = study.as_dict()["search"]
    looks = launch.record.study_writer.looks()
    table = configurations.over_configurations(
        frame,
        factors,
        objectives,
        selects=selects,
        constraints=search.get("constraints", ()),
        looks=[look.seeds for look in looks],
    )
    story = race.tell_race(frame, table, factors, search, objective=objectives[0])
    if status != INTERRUPTED:
        looks = with_look(looks, _look_of(table, objectives[0], story))
    looked_at = [look.seeds for look in looks]
    raced = story.sentences if story else ()
    grid_of = partial(
        printed.configuration_grid,
        table,
        factors,
        objectives,
        selects=selects,
        standing=story.standing if story else None,
        cautions=code_remarks(frame),
        remarks=[*filter(None, [describe_settled(launch.scheduler)]), *raced],
    )
    grid = grid_of()
    answered = study_answers(study.name, study.scale, study.as_dict(), frame, looks=looked_at)
    if answered.readings is None:
        _say_table(launch, grid_of(most=MOST_ROWS))
        if len(grid.rows) > MOST_ROWS:
            launch.say(f"All rows: {TABLE_CSV}, of the study's run and of the report.")
    texts = {name: render(grid) for name, render in RENDERINGS.items()} | launch.digest_texts()
    if status == DONE and (said := sensitivity_words(study, frame, table, factors, looked_at)):
        launch.say("\n".join(["", *said]))
    for name, own in _own_tables(study, frame, answered, looked_at):
        _say_table(launch, own)
        texts[name] = to_markdown(own)
    if answers := [*filter(None, (answered.about_readings, answered.about_parts))]:
        launch.say("\n".join(["", *answers]))
    texts[LOOKS_FILE] = looks_text(looks)
    plots = []
    # An earlier launch may have died between its last trial and its last plot.
    if grid.rows and (trained or not launch.record.study_writer.has_plots_of(texts[TABLE_CSV])):
        plots = _save_plots(study, table, frame, factors, objectives[0], folder)
    more = []
    if status != INTERRUPTED and len(objectives) == 1:
        more = more_seeds(launch, frame, table, factors, looked_at)
    return DrawnResult(
        texts=texts,
        plots=plots,
        description=result_note(
            study, frame, table, factors, objectives, looked_at, answered=answered
        ),
        values=best_values(table, factors, objectives),
        more=more,
    )


def _read_trials(launch: StudyLaunch) -> "pd.DataFrame":
    """Return the study's trials as they are on record now."""
    study = launch.study
    known = launch.record.runs.known_runs()
    if known:
        return trials.frame_of(study.name, known)
    return ask_until_answered(
        lambda: trials.load(study.name, study.scale),
        failed="cannot read the trials for the table",
        seconds=RECORDS_SECONDS,
        say=launch.say,
    )


def _say_table(launch: StudyLaunch, grid: TableGrid) -> None:
    """Print a table that has rows, fitted to the terminal, below an empty line."""
    if grid.rows:
        launch.say(f"\n{fit_text(grid, prose_width(launch.console)).rstrip()}")


def _own_tables(
    study: ResolvedStudy, frame: "pd.DataFrame", answered: "StudyAnswers", looks: Sequence[int]
) -> Iterator[tuple[str, TableGrid]]:
    """Yield the tables of a study of a kind of its own, each with its name on record."""
    from analysis.paper.reading_words import readings_grid  # late: as all that it needs

    if study.ablation:
        effects = part_effects.effect_grid(frame, study.as_dict(), looks=looks)
        if effects is not None:
            yield EFFECTS_MARKDOWN, effects
    if answered.readings is not None:
        yield READINGS_MARKDOWN, readings_grid(answered.readings)


def _look_of(table: "pd.DataFrame", objective: str, story: race.RaceStory | None) -> StudyLook:
    """Return what is known at this look."""
    means = table.set_index(CONFIGURATION)[f"{objective}_mean"].dropna()
    return StudyLook(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds=int(table["n"].max()) if len(table) else 0,
        trials=int(table["n"].sum()),
        known={str(key): float(mean) for key, mean in means.items()},
        decision=" ".join(story.sentences) if story else "",
    )


def _save_plots(
    study: ResolvedStudy,
    table: "pd.DataFrame",
    frame: "pd.DataFrame",
    factors: list[str],
    objective: str,
    folder: Path,
) -> list[Path]:
    """Draw the error against what was searched; return the files."""
    # Late: plotting takes about 1.5 s, which a launch that trains nothing need not wait for.
    from analysis.figures import draw_matplotlib, errors

    space = study.search.space
    figure = errors.error_by_factor(table, frame, factors, objective=objective, space=space)
    return draw_matplotlib.save_figure(figure, folder) if figure is not None else []


def _say_what_went_wrong(launch: StudyLaunch) -> None:
    if left := launch.scheduler.adoption.left_out & launch.scheduler.trials.keys():
        launch.say(
            f"{count_text(len(left), 'trial')} {agreeing(len(left), 'was', 'were')} "
            "finished in other "
            "studies too, by other code that is not proven equal, and "
            f"{agreeing(len(left), 'is', 'are')} trained here."
        )
    for refused in launch.record.spool.refused:
        reason = credentials.hide_logins(refused)
        launch.say(f"The tracking server refused a record: {reason}")
    for trial in launch.scheduler.failures:
        reason = trial.failures[-1].strip().splitlines()[-1]
        launch.say(f"Failed for good: {trial.name}: {reason}")

"""Studies from Python: loaded from a file or built of the same keys, planned, launched, read.

    from study import api

    study = api.load("beta.yaml", overrides={"search.seeds": 2})
    study.plan()
    study.launch()
    study.frame()

What a command would refuse is raised here as an error with the same words: `StudyFileError`,
`LaunchRefusedError`, `StudyHeldError`. Whatever way a launch ends, Ray is shut down and the study
is free for the next one.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from rich.console import Console

from analysis import trials
from analysis.console import PlainConsole
from analysis.record import credentials
from analysis.report_page.gather import gather_material
from analysis.report_page.page import write_report
from study import state as states
from study.file.locate import find_study_file
from study.file.problems import StudyFileError
from study.file.reading import ReadStudy, read_mapping, read_study
from study.file.resolved import ResolvedStudy, resolve_study
from study.launching import json_documents
from study.launching.opened_launch import open_launch
from study.launching.planning import plan_study
from study.launching.running import run_study
from study.launching.study_launch import LaunchRefusedError
from study.lock import StudyHeldError
from study.record.own_trials import trials_of_study

__all__ = ["LaunchRefusedError", "Study", "StudyFileError", "StudyHeldError", "load"]

Overrides = Mapping[str, Any] | Sequence[str]
"""Dotted path → value, or texts as of the flag `--set`."""


class Study:
    """A valid study at one scale."""

    def __init__(
        self,
        mapping: Mapping[str, Any] | None = None,
        /,
        *,
        overrides: Overrides = (),
        scale: str | None = None,
        **keys: Any,
    ) -> None:
        """Build a study of what a study file would say.

        Args:
            mapping: the keys of a study file.
            overrides: laid over the scale.
            scale: one of `scales`; None stands for `quick`, or `full` where there are none.
            keys: further keys of a study file (`study`, `question`, `trial`, `search`, …), stronger
                than the mapping's.

        Raises:
            StudyFileError: with every mistake that could be found.
        """
        said = {**(mapping or {}), **keys}
        self._use(read_mapping(said, scale=scale, overrides=_flags_of(overrides)))

    def _use(self, read: ReadStudy) -> None:
        self.resolved: ResolvedStudy = resolve_study(read)
        """What the rest of the platform works from."""

    @property
    def name(self) -> str:
        """The study's name, and the MLflow experiment's."""
        return self.resolved.name

    @property
    def scale(self) -> str:
        """The name of the scale."""
        return self.resolved.scale

    def __repr__(self) -> str:
        return f"<Study {self.name}, scale {self.scale}: {self.resolved.question}>"

    def plan(
        self,
        *,
        data: Path | str = "data",
        state: str = states.DEFAULT,
        address: str | None = None,
        progress: bool | TextIO = False,
    ) -> dict[str, Any]:
        """Return what there is to do and what it will cost; start nothing.

        Args:
            data: the folder of the data sets.
            state: the folder or URI of checkpoints and Optuna's storage.
            address: of an existing Ray cluster; without one RAY_ADDRESS says which.
            progress: whether to print the plan in words, or where to.

        Returns:
            the document of ``study.launch --plan --json`` (`docs/json/plan.schema.json`).

        Raises:
            LaunchRefusedError: if the data, the record or the cluster cannot be used.
        """
        with (
            self._opened(state, progress) as (folder, console),
            _ray_address_kept(),
            open_launch(
                self.resolved,
                console,
                folder=folder,
                data=Path(data).absolute(),
                command=_COMMAND,
                planning=True,
            ) as launch,
        ):
            return json_documents.plan_document(plan_study(launch, address))

    def launch(
        self,
        *,
        data: Path | str = "data",
        state: str = states.DEFAULT,
        address: str | None = None,
        progress: bool | TextIO = True,
    ) -> dict[str, Any]:
        """Make the study true: run what is missing, go on with what was cut off.

        An interrupt (Ctrl-C, a notebook's stop button) finishes the current epochs, saves and
        returns with status 130; a second one stops at once.

        Args:
            data: the folder of the data sets.
            state: the folder or URI of checkpoints and Optuna's storage.
            address: of an existing Ray cluster; without one RAY_ADDRESS says which.
            progress: whether to show what happens, or where to.

        Returns:
            the document of ``study.launch --json`` (`docs/json/launch.schema.json`); its `status`
            is the command's exit status.

        Raises:
            LaunchRefusedError: if the data, the record or the cluster cannot be used.
            StudyHeldError: if another process runs the study.
        """
        with (
            self._opened(state, progress) as (folder, console),
            _ray_address_kept(),
            open_launch(
                self.resolved,
                console,
                folder=folder,
                data=Path(data).absolute(),
                command=_COMMAND,
            ) as launch,
        ):
            status = run_study(launch, address)
        return json_documents.launch_document(launch, status)

    def frame(self, tracking_uri: str | None = None) -> pd.DataFrame:
        """Return the trials on record that are of this study, with its overrides, one a row.

        The columns are those of `analysis.trials.load`, which returns whatever is on record.
        """
        return trials_of_study(self.resolved, trials.load(self.name, self.scale, tracking_uri))

    def report(self, output: Path | str = "reports") -> Path:
        """Write the report and return its page.

        Raises:
            UnknownStudyError: if the study is not on record.
            analysis.output_folder.OutputFolderError: if the folder cannot be written to.
        """
        return write_report(gather_material(self.name, self.scale), Path(output)) / "report.html"

    @contextmanager
    def _opened(
        self, state: str, progress: bool | TextIO
    ) -> Iterator[tuple[states.StateFolder, Console]]:
        """Open the state folder and a console, with the libraries' warnings in the log.

        Raises:
            LaunchRefusedError: if the state folder cannot be used.
        """
        try:
            folder = states.StateFolder.open(state, self.name, self.scale)
            handler = logging.FileHandler(folder.log)
        except (OSError, ValueError) as error:
            raise LaunchRefusedError(f"cannot use the state directory: {error}") from error
        handler.setFormatter(credentials.HidingFormatter(logging.BASIC_FORMAT))
        handler.setLevel(logging.WARNING)
        with closing(handler), _console_of(progress) as console:
            logging.getLogger().addHandler(handler)
            try:
                yield folder, console
            finally:
                logging.getLogger().removeHandler(handler)


_COMMAND = "study.launch()"
"""How a launch from Python goes on."""


def load(file: Path | str, *, overrides: Overrides = (), scale: str | None = None) -> Study:
    """Load a study file, or a shipped study by its name.

    Args:
        file: the file's path, or a name such as ``beta``.
        overrides: laid over the scale.
        scale: one of the file's; None stands for `quick`, or `full` where it has none.

    Raises:
        StudyFileError: with every mistake that could be found.
    """
    path = find_study_file(Path(file))
    loaded = Study.__new__(Study)
    loaded._use(read_study(path, scale=scale, overrides=_flags_of(overrides)))
    return loaded


def _flags_of(overrides: Overrides) -> tuple[str, ...]:
    """Return overrides as texts of the flag `--set`; JSON is YAML."""
    if isinstance(overrides, Mapping):
        return tuple(f"{path}={json.dumps(value)}" for path, value in overrides.items())
    return tuple(overrides)


@contextmanager
def _console_of(progress: bool | TextIO) -> Iterator[Console]:
    if progress is False:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            yield PlainConsole(soft_wrap=True, file=nowhere)
    else:
        yield PlainConsole(soft_wrap=True, file=None if progress is True else progress)


@contextmanager
def _ray_address_kept() -> Iterator[None]:
    """Put RAY_ADDRESS back, which an address of one launch changes for the process."""
    before = os.environ.get("RAY_ADDRESS")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("RAY_ADDRESS", None)
        else:
            os.environ["RAY_ADDRESS"] = before

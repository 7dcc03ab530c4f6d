"""One launch of a valid study: look up what is on record, run what is missing, show the result."""

import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Literal, NoReturn

from rich.console import Console

from analysis import trials
from analysis.record import credentials
from analysis.tables import configurations
from analysis.tables.rendering import to_csv, to_markdown, to_text
from study.file.changes import describe_changes
from study.file.resolved import ResolvedStudy
from study.launching import provenance, signals
from study.launching.display import LaunchDisplay
from study.record import writer
from study.record.writer import RecordError, StudyRecord
from study.scheduling.gpu_shares import GpuBench, GpuShares, ShareError
from study.scheduling.nodes import ClusterNode, StudyPlace, describe_nodes, this_machine
from study.scheduling.reconcile import ReconciledStudy, reconcile_study
from study.scheduling.scheduler import StudyScheduler
from study.search import optuna_study
from study.search.optuna_study import SearchError
from study.state import StateFolder
from trainables import datasets
from trainables.checkpoints import TrialCheckpoints
from trainables.configuration import Configuration
from trainables.datasets import DatasetError
from trainables.devices import first_gpu
from trainables.probe import side_by_side
from trainables.sight import NodeQuestion
from trainables.storage import PART

if TYPE_CHECKING:
    import pandas as pd

    from study.execution.admission import NodeAdmission
    from study.execution.cluster import RayCluster
    from study.execution.runner import TrialRunner

log = logging.getLogger(__name__)

DONE, FAILED, INTERRUPTED = 0, 1, 130
SEEDS = re.compile(r" --set[ =]('search\.seeds=[^']*'|search\.seeds=\S+)")
"""The flag of a command that sets the seeds."""
LONGEST = 80
"""Characters of a command beyond which what it is for is no longer lined up with the others."""
RECORDS_SECONDS = 60.0
"""How long the end of a launch waits for a tracking server that takes no record."""


class LaunchRefusedError(Exception):
    """Something outside the study file is wrong; nothing was started."""


class StudyLaunch:
    """One launch, from the valid study file to the exit status."""

    def __init__(
        self,
        study: ResolvedStudy,
        console: Console,
        *,
        folder: StateFolder,
        data: Path,
        command: str,
        planning: bool = False,
    ) -> None:
        """Look up what is on record.

        Args:
            study: what is to become true.
            console: where the user reads.
            folder: the study's own files.
            data: the folder of the data sets, absolute.
            command: how this launch was called, to say how to go on.
            planning: whether nothing may be written to the record.

        Raises:
            Refused: if the data or the tracking server cannot be used.
        """
        self.study = study
        self.console = console
        self.folder = folder
        self.data = data
        self.command = command
        self.trained = False
        """Whether this launch has run trials."""
        try:
            self.checkpoints = TrialCheckpoints(folder.checkpoints)
        except (OSError, ValueError) as error:
            raise LaunchRefusedError(f"cannot use the state directory: {error}") from error
        try:
            for configuration in study.extremes():
                self.fingerprint(configuration.dataset)
                self._check_classes(configuration)
            self.record = StudyRecord(study, folder.spool, read_only=planning)
            self.search = optuna_study.OptunaStudy(study, folder.optuna)
        except (DatasetError, RecordError, SearchError) as error:
            raise LaunchRefusedError(str(error)) from error
        self.shares = GpuShares(study.resources, folder.shares)
        self.agenda = StudyScheduler(
            study,
            self.search,
            self.record,
            data_of=lambda configuration: self.fingerprint(configuration.dataset),
            provenance=provenance.provenance_tags(),
            shares=self.shares,
        )
        self.recorded = self.record.trials()
        self.found = reconcile_study(self.agenda, self.search, self.recorded)

    def _check_classes(self, configuration: Configuration) -> None:
        if configuration.diagnostics.embedding_classes:
            splits = datasets.load(configuration.dataset, self.data)
            configuration.diagnostics.check_classes(splits.num_classes)

    @cache  # noqa: B019 (a session lives as long as the process)
    def fingerprint(self, settings: datasets.AnySettings) -> str:
        """Return the fingerprint of a data set, which is read once for it."""
        return datasets.load(settings, self.data).fingerprint

    def plan(self, address: str | None) -> int:
        """Say what there is to do, where, and what it costs, and start nothing."""
        from study.launching import estimate  # late: it brings processes of its own

        left = self.study.configurations - len(self.agenda.plans)
        try:
            with self._place(address) as place:
                self._settle_shares(place.bench)
                estimate.print_plan(
                    self.agenda,
                    self.recorded,
                    self.console,
                    upcoming=self.search.upcoming(left),
                    data=self.data,
                    place=place,
                )
        except ShareError as error:
            raise LaunchRefusedError(str(error)) from error
        self.record.close(timeout=0)
        return DONE

    @contextmanager
    def _place(self, address: str | None) -> Iterator[StudyPlace]:
        """Lend what the study would run on: an existing cluster, or this machine."""
        if not _asks_for_existing_cluster(address):
            yield StudyPlace([this_machine()], self._own_bench())
            return
        from study.execution.cluster import ClusterError, connect_cluster

        try:
            with connect_cluster(self.folder.log) as found:
                yield StudyPlace(found.nodes(), self._bench(found), found.dashboard)
        except ClusterError as error:
            raise LaunchRefusedError(str(error)) from error

    def _own_bench(self) -> GpuBench | None:
        """Return this machine's first GPU to measure trials on, if they are to be measured."""
        found = first_gpu() if self.shares.auto else None
        if found is None:
            return None
        cpus = self.study.resources.cpus
        threads = max(1, int(cpus))
        probe = partial(side_by_side, data=self.data, device="cuda", threads=threads)
        return GpuBench(found, this_machine().beside_gpu(cpus), probe)

    def _bench(self, cluster: "RayCluster") -> GpuBench | None:
        """Return a GPU of the cluster to measure trials on, if they are to be measured."""
        cpus = self.study.resources.cpus
        return cluster.bench(self.data, cpus=cpus) if self.shares.auto else None

    def _settle_shares(self, bench: GpuBench | None) -> None:
        """Measure the shares of GPUs that are not known, if they are to be measured."""

        def say(sentence: str) -> None:
            self.console.print(sentence, highlight=False, markup=False)

        self.shares.settle(self.study.extremes(), bench, say=say)

    def run(self, address: str | None) -> int:
        """Run what is missing and return the exit status."""
        self._tell_found()
        if self.agenda.finished:
            self.console.print("Nothing to do: every trial of the study is done.")
            self._begin()
            return self._end(DONE)
        _asks_for_existing_cluster(address)
        # Imported late: where nothing runs, Ray is not needed.
        from study.execution.cluster import ClusterError

        try:
            return self._end(self._execute())
        except (ClusterError, ShareError) as error:
            raise LaunchRefusedError(str(error)) from error

    def _tell_found(self) -> None:
        before = self.record.resolved_before()
        for sentence in describe_changes(before, self.study.as_dict()) if before else []:
            self.console.print(f"Changed: {sentence}", highlight=False, markup=False)
        for sentence in describe_reconciliation(self.found):
            self.console.print(sentence, highlight=False)

    def _execute(self) -> int:
        from study.execution.admission import NodeAdmission
        from study.execution.cluster import connect_cluster

        self._sweep()
        with connect_cluster(self.folder.log) as cluster:
            self._settle_shares(self._bench(cluster))
            share = self.study.resources.cpus, self.shares.largest
            nodes = cluster.wait_for_room(*share)
            with NodeAdmission(cluster, share, self._question(), self._fingerprints) as guard:
                reasons = guard.check()
                if len(nodes) > 1 and writer.is_on_one_machine():
                    reasons.append(
                        f"records go to {writer.shown_tracking_uri()}, a file of one machine: set "
                        "MLFLOW_TRACKING_URI to an MLflow server"
                    )
                if reasons:
                    raise LaunchRefusedError(
                        "\n  ".join(["the cluster cannot be used as it is:", *reasons])
                    )
                self._begin()
                return self._work(guard, facts=self._facts(cluster, nodes))

    def _work(self, guard: "NodeAdmission", *, facts: list[tuple[str, str]]) -> int:
        from study.execution.runner import TrialRunner

        with LaunchDisplay(
            self.agenda, self.console, facts=facts, trouble=self._trouble
        ) as display:
            run = TrialRunner(
                self.agenda,
                guard,
                scratch=self.folder.scratch,
                discard=self._discard,
                on_change=display.changed,
                on_notice=display.notice,
            )
            display.place = run.place
            self.trained = True
            with guard.cluster.watched(lambda: self._leave(run, display)):
                return self._supervise(run, display)

    def _leave(self, run: "TrialRunner", display: LaunchDisplay) -> NoReturn:
        """End the launch in place of its main thread, which waits for a head that is lost."""
        try:
            display.stop()
            self.console.print("The head of the cluster is lost, and the launch ends.")
            self.agenda.stopping = True
            run.abandon()
            self._end(INTERRUPTED)
        except Exception:
            log.exception("the launch did not end in order")
        finally:
            self.console.file.flush()
            os._exit(INTERRUPTED)

    def _question(self) -> NodeQuestion:
        """Return what every node is asked before a trial runs on it."""
        return NodeQuestion(
            datasets=self._datasets,
            data=self.data,
            checkpoints=self.folder.checkpoints,
            token=f"{secrets.token_hex(8)}{PART}",
        )

    @cached_property
    def _datasets(self) -> list[datasets.AnySettings]:
        return list(dict.fromkeys(corner.dataset for corner in self.study.extremes()))

    @property
    def _fingerprints(self) -> list[str]:
        return [self.fingerprint(settings) for settings in self._datasets]

    def _begin(self) -> None:
        """Put on record that the study is taken up, and which trials are its own."""
        self.record.begin_study(provenance.provenance_tags())
        self.record.retire(self.found.retired, True)
        self.record.retire(self.found.restored, False)

    def _facts(self, cluster: "RayCluster", nodes: list[ClusterNode]) -> list[tuple[str, str]]:
        token = " (it asks for a token: ray get-auth-token)" if cluster.token else ""
        return [
            ("nodes", describe_nodes(nodes, self.study.resources.cpus, *self.shares.distinct)),
            ("dashboard", f"{cluster.dashboard}{token}" if cluster.dashboard else "none"),
            ("records", writer.shown_tracking_uri()),
            ("log", str(self.folder.log)),
        ]

    def _trouble(self) -> str:
        """Return what keeps records from being written, or nothing."""
        spool = self.record.spool
        troubles = []
        if spool.away_since is not None:
            since = time.strftime("%H:%M:%S", time.localtime(spool.away_since))
            troubles.append(
                f"the tracking server is away since {since} ({shorten(spool.away_because, 80)}); "
                f"{len(spool)} records wait"
            )
        if spool.unsaved:
            troubles.append(f"records wait in memory alone: {spool.unsaved}")
        return " · ".join(troubles)

    def _discard(self, key: str) -> None:
        """Delete the checkpoint of an ended trial, but not while its end could still be lost."""
        if not self.record.spool.unsaved:
            self.checkpoints.discard(key)

    def _sweep(self) -> None:
        if self.record.spool.unsaved:
            return
        trials = self.agenda.trials.values()
        self.checkpoints.sweep({trial.key for trial in trials if trial.state == "done"})

    def _supervise(self, run: "TrialRunner", display: LaunchDisplay) -> int:
        def finish_epochs() -> None:
            self.agenda.stopping = True
            display.say("Stopping after the current epochs; Ctrl-C again stops at once.")

        def stop_soon() -> None:
            self.agenda.stopping = True
            run.stop_between_epochs = False
            display.say("Told to end: saving what runs, in the middle of an epoch if need be.")

        try:
            with signals.handle_signals(finish_epochs=finish_epochs, stop_soon=stop_soon):
                run.run()
        except KeyboardInterrupt:
            self.agenda.stopping = True
            run.abandon()
        except (
            Exception
        ) as error:  # ours or Ray's: what is on record stays, the same command goes on
            log.exception("the launch broke off")
            display.say(f"The launch broke off: {_first_cause(error)} (more in {self.folder.log})")
            self.agenda.stopping = True
            run.abandon()
            return INTERRUPTED
        if not self.agenda.finished:
            return INTERRUPTED
        return FAILED if self.agenda.failures else DONE

    def _end(self, status: int) -> int:
        """Bring the record to its end, show the result and return the exit status."""
        if self.record.spool.drain(RECORDS_SECONDS):
            try:
                self._publish(status)
            except (RecordError, OSError) as error:
                self.console.print(str(error), highlight=False, markup=False)
        else:
            self.console.print(
                f"{len(self.record.spool)} records wait in {self.folder.spool}: the tracking "
                "server does not answer. The same command writes them when it does."
            )
            status = INTERRUPTED if status == DONE else status  # not all is on record yet
        self.record.close(timeout=0)
        self._sweep()
        self._say_what_went_wrong()
        self._say_what_next(status)
        return status

    def _publish(self, status: int) -> None:
        """Show the table over configurations and put it on record, with its figure.

        Raises:
            RecordError: if the tracking server cannot be reached or refuses.
            OSError: if a disk is full.
        """
        frame = trials.load(self.study.name, self.study.scale)
        factors = configurations.factors_of(frame, self.study.search.space)
        objectives = trials.shown_objectives(self.study.search.objectives)
        selects = self.study.search.selects
        table = configurations.over_configurations(frame, factors, objectives, selects=selects)
        grid = configurations.configuration_grid(table, factors, objectives, selects=selects)
        if grid.rows:
            self.console.print(f"\n{to_text(grid)}\n", highlight=False, markup=False)
        with tempfile.TemporaryDirectory(prefix="study-plots-") as folder:
            plots = self._plots(table, frame, factors, objectives[0], Path(folder))
            texts = {name: render(grid) for name, render in RENDERINGS.items()}
            self.record.publish(texts=texts, plots=plots, status=STATUS_OF_EXIT[status])

    def _plots(
        self,
        table: "pd.DataFrame",
        frame: "pd.DataFrame",
        factors: list[str],
        objective: str,
        folder: Path,
    ) -> list[Path]:
        """Draw the error against what was searched, if anything was trained."""
        if not self.trained:
            return []
        from analysis.figures import draw_matplotlib, errors  # late: plotting takes a second

        space = self.study.search.space
        figure = errors.error_by_factor(table, frame, factors, objective=objective, space=space)
        return draw_matplotlib.save_figure(figure, folder) if figure is not None else []

    def _say_what_went_wrong(self) -> None:
        for refused in self.record.spool.refused:
            reason = credentials.hide_logins(refused)
            self.console.print(f"The tracking server refused a record: {reason}", markup=False)
        for trial in self.agenda.failures:
            reason = trial.failures[-1].strip().splitlines()[-1]
            self.console.print(f"Failed for good: {trial.name}: {reason}", markup=False)

    def _say_what_next(self, status: int) -> None:
        name, scale = self.study.name, self.study.scale
        if status == INTERRUPTED:
            commands = [(self.command, "go on")]
        else:
            seeds = len(self.study.search.seed_list)
            commands = [
                self._trials_ui(),
                (f"python -m analysis.report {name} --scale {scale}", "the report"),
                (f"{SEEDS.sub('', self.command)} --set search.seeds={seeds + 2}", "two more seeds"),
            ]
            if scale != "paper" and "paper" in self.study.scales:
                paper = f"python -m study.launch {self.study.source} --scale paper --plan"
                commands.append((paper, "what the paper's setting costs"))
        width = max((len(c) for c, _ in commands if len(c) <= LONGEST), default=0)
        self.console.print("Next:")
        for command, purpose in commands:
            self.console.print(f"  {command:<{width}}  # {purpose}", highlight=False, markup=False)

    def _trials_ui(self) -> tuple[str, str]:
        uri = writer.shown_tracking_uri()
        if uri.startswith("http"):
            return uri, "every trial"
        return "mlflow ui", "every trial, at http://127.0.0.1:5000"


RENDERINGS = {"configurations.md": to_markdown, "configurations.csv": to_csv}
STATUS_OF_EXIT: dict[int, Literal["FINISHED", "FAILED", "KILLED"]] = {
    DONE: "FINISHED",
    FAILED: "FAILED",
    INTERRUPTED: "KILLED",
}


def _asks_for_existing_cluster(address: str | None) -> bool:
    """Return whether an existing cluster is asked for; the environment then names it.

    Ray reads RAY_ADDRESS when it is imported, so this comes before.
    """
    if address is not None:
        os.environ["RAY_ADDRESS"] = address
    return os.environ.get("RAY_ADDRESS", "local") not in ("", "local")


def _first_cause(error: BaseException) -> str:
    """Return in a line what an error goes back to: libraries wrap a full disk in vaguer words."""
    seen = {error}
    while (cause := error.__cause__ or error.__context__) is not None and cause not in seen:
        seen.add(cause)
        error = cause
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def describe_reconciliation(found: ReconciledStudy) -> list[str]:
    """Return what the user should know of the records before the study goes on."""
    said = []
    if found.done:
        said.append(f"{found.done} trials are done and stay.")
    if found.cut_off:
        said.append(f"{found.cut_off} trials were cut off and go on.")
    if found.failed:
        said.append(f"{found.failed} trials failed in an earlier launch and are tried again.")
    if found.retired:
        said.append(
            f"{len(found.retired)} trials on record no longer belong to the study; they stay on "
            "record, out of its tables."
        )
    if found.restored:
        said.append(f"{len(found.restored)} trials belong to the study again.")
    return said

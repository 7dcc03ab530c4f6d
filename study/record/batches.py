"""What is written to trials' runs, gathered into few requests.

Beginning, epochs and end of a short trial may wait together, and each writes params, metrics or
tags. MLflow takes all three in one request, so what one entry writes may wait for the next.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

log = logging.getLogger(__name__)

ALL_IN_A_BATCH, METRICS_IN_A_BATCH, PARAMS_IN_A_BATCH, TAGS_IN_A_BATCH = 1000, 1000, 100, 100
"""What MLflow takes at once."""


@dataclass
class RunBatch:
    """What waits to be written to one run."""

    run_id: str
    kind: str = ""
    """Of the entry that writes it."""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[tuple[str, int, int, float], Metric] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def takes(self, other: "RunBatch") -> bool:
        """Return whether both fit into one request."""
        if other.run_id != self.run_id:
            return False
        sizes = (
            len(self.params | other.params),
            len(self.metrics | other.metrics),
            len(self.tags | other.tags),
        )
        params, metrics, tags = sizes
        return (
            sum(sizes) <= ALL_IN_A_BATCH
            and params <= PARAMS_IN_A_BATCH
            and metrics <= METRICS_IN_A_BATCH
            and tags <= TAGS_IN_A_BATCH
        )

    def merged(self, later: "RunBatch") -> "RunBatch":
        """Return both as one; of a tag the later value counts."""
        return RunBatch(
            self.run_id,
            self.kind,
            self.params | later.params,
            self.metrics | later.metrics,
            self.tags | later.tags,
        )


class TrialBatches:
    """What waits to be written, by the trial's key; one thread at a time writes of a trial."""

    def __init__(self, client: MlflowClient) -> None:
        """Start with nothing waiting."""
        self.client = client
        self._waiting: dict[str, list[RunBatch]] = {}
        self._kinds: dict[str, str] = {}
        """The kind of entry that is written now, by the trial's key."""

    def note_kind(self, key: str, kind: str) -> None:
        """Note the kind of entry that what is added of a trial from now on comes from."""
        self._kinds[key] = kind

    def add(
        self,
        key: str,
        run_id: str,
        *,
        params: Iterable[Param] = (),
        metrics: Iterable[Metric] = (),
        tags: Iterable[RunTag] = (),
    ) -> None:
        """Have something written to a run of a trial, at the latest by `flush`."""
        batch = RunBatch(
            run_id,
            self._kinds.get(key, ""),
            {param.key: param.value for param in params},
            {(each.key, each.step, each.timestamp, each.value): each for each in metrics},
            {tag.key: tag.value for tag in tags},
        )
        if key in self._waiting and not _merged(self._waiting[key]).takes(batch):
            self.flush(key)
        self._waiting.setdefault(key, []).append(batch)

    def flush(self, key: str) -> None:
        """Write what waits of a trial; it waits on where the store raises an error."""
        if key in self._waiting:
            self._write(_merged(self._waiting[key]))
            del self._waiting[key]

    def give_up(self, key: str) -> list[str]:
        """Write what waits of a trial part by part, and forget the parts that the store refuses.

        Returns:
            The kinds of the entries whose parts are lost.
        """
        refused = []
        for batch in self._waiting.pop(key, []):
            try:
                self._write(batch)
            except Exception:
                log.exception("refused of run %s: %s", batch.run_id, batch)
                refused.append(batch.kind)
        return list(dict.fromkeys(refused))

    def _write(self, batch: RunBatch) -> None:
        params = [Param(name, value) for name, value in batch.params.items()]
        tags = [RunTag(name, value) for name, value in batch.tags.items()]
        if params or tags or batch.metrics:
            metrics = list(batch.metrics.values())
            self.client.log_batch(batch.run_id, metrics=metrics, params=params, tags=tags)


def _merged(batches: Sequence[RunBatch]) -> RunBatch:
    whole = batches[0]
    for batch in batches[1:]:
        whole = whole.merged(batch)
    return whole

"""What several entries of a trial write to its run, gathered into few requests."""

from collections.abc import Iterable, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

ALL_IN_A_BATCH, METRICS_IN_A_BATCH, PARAMS_IN_A_BATCH, TAGS_IN_A_BATCH = 1000, 1000, 100, 100
"""What MLflow takes at once."""


class RunBatch:
    """What waits to be written to one run."""

    def __init__(self, client: MlflowClient) -> None:
        """Start with nothing waiting."""
        self.client = client
        self.run_id = ""
        self.params: list[Param] = []
        self.metrics: list[Metric] = []
        self.tags: dict[str, RunTag] = {}

    def add(
        self,
        run_id: str,
        *,
        params: Sequence[Param] = (),
        metrics: Sequence[Metric] = (),
        tags: Iterable[RunTag] = (),
    ) -> None:
        """Have something written to a run, at the latest by `flush`; of a tag the last value."""
        named = {tag.key: tag for tag in tags}
        if run_id != self.run_id or not self._has_room(len(params), len(metrics), named):
            self.flush()
        self.run_id = run_id
        self.params += params
        self.metrics += metrics
        self.tags |= named

    def flush(self) -> None:
        """Write what waits."""
        params, metrics, tags = self.params, self.metrics, list(self.tags.values())
        self.params, self.metrics, self.tags = [], [], {}
        if params or metrics or tags:
            self.client.log_batch(self.run_id, params=params, metrics=metrics, tags=tags)

    def _has_room(self, params: int, metrics: int, tags: dict[str, RunTag]) -> bool:
        params, metrics = params + len(self.params), metrics + len(self.metrics)
        names = len(self.tags | tags)
        return (
            params <= PARAMS_IN_A_BATCH
            and metrics <= METRICS_IN_A_BATCH
            and names <= TAGS_IN_A_BATCH
            and params + metrics + names <= ALL_IN_A_BATCH
        )

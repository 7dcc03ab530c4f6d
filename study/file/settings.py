"""The keys of a study file, typed: what each means, its unit and its range."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from study.file.device_rules import check_gpu_share
from study.file.evidence import AblationPlan, LaunchBudget, MetricBound, SearchUntil, SeedRace
from study.file.names import LONGEST_NAME, NAME_PATTERN
from study.file.notify_targets import parse_targets
from study.file.samplers import SAMPLER_NAMES
from trainables import metrics
from trainables.settings import Count, Index, NonNegative, Positive, settings

if TYPE_CHECKING:
    Objective = str
    SamplerName = str
else:
    Objective = Literal[metrics.OBJECTIVES]
    SamplerName = Literal[SAMPLER_NAMES]
MOST_CONSTRAINTS = 20
MOST_SEEDS = 10_000
MOST_CONFIGURATIONS = 100_000
SMALLEST_SHARE = 0.001
LARGEST_SHARE = 10_000.0
SHORTEST_TIMEOUT = 0.01
"""In hours: a trial gives news every ten seconds or so, but not while it is evaluated."""
LONGEST_TIMEOUT = 10_000.0


def _check_share(share: float) -> float:
    if share and not SMALLEST_SHARE <= share <= LARGEST_SHARE:
        raise ValueError(
            f"must be from {SMALLEST_SHARE} to {LARGEST_SHARE:,.0f}, but got `{share}`"
        )
    return share


def _check_timeout(hours: float) -> float:
    if not SHORTEST_TIMEOUT <= hours <= LONGEST_TIMEOUT:
        raise ValueError(
            f"must be from {SHORTEST_TIMEOUT} to {LONGEST_TIMEOUT:,} hours, but got `{hours}`"
        )
    return hours


@settings
class Asha:
    """Asynchronous successive halving. Li et al. 2020, arXiv:1810.05934."""

    name: Literal["asha"] = "asha"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    reduction_factor: Annotated[int, Strict(), Ge(2)] = 4
    """One in so many configurations goes on at each rung."""


@settings
class Median:
    """Stop a configuration that is worse than the median of the others at the same epoch."""

    name: Literal["median"] = "median"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    startup_configurations: Count = 5
    """Configurations that must have ended before the first is stopped."""


@settings
class Hyperband:
    """HyperBand: several brackets of successive halving. Li et al. 2018, arXiv:1603.06560."""

    name: Literal["hyperband"] = "hyperband"
    grace_period: Count = 1
    """Epochs that every configuration gets."""
    reduction_factor: Annotated[int, Strict(), Ge(2)] = 3
    """One in so many configurations goes on at each rung."""


def _refuse_wilcoxon(value: Any) -> Any:
    name = value.get("name") if isinstance(value, Mapping) else value
    if name == "wilcoxon":
        raise ValueError(
            "wilcoxon compares seed by seed, at a level that does not hold over several looks; a "
            "race does so at one that holds: `search.seeds: {first: 3, most: 15}`. Early stopping "
            "knows asha, median, hyperband"
        )
    return value


EarlyStopping = Annotated[
    Asha | Median | Hyperband, Field(discriminator="name"), BeforeValidator(_refuse_wilcoxon)
]
SeedCount = Annotated[int, Strict(), Ge(1), Le(MOST_SEEDS)]
SeedList = Annotated[tuple[Index, ...], MinLen(1), MaxLen(MOST_SEEDS)]


@settings
class SearchSettings:
    """What is searched, how, and by what it is judged."""

    sampler: SamplerName = "tpe"
    """Optuna's sampler; `grid` takes every point of the space once."""
    sampler_seed: Index = 0
    """Keys the sampler's randomness."""
    configurations: (
        Annotated[int, Strict(), Ge(1), Le(MOST_CONFIGURATIONS)] | SearchUntil | None
    ) = None
    """How many points of the space are tried, at most 100,000; not with `grid`. None is tried
    twice, so a space with fewer points is used up. Or {most, until}: when to stop before."""
    seeds: SeedCount | SeedList | SeedRace = 5
    """How many seeds (0, 1, 2, …; at most 10,000), or which; a configuration is judged by its mean
    over them. Or {first, most, looks, decide, margin}: as many as the evidence asks for."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Dotted path from `trial` → range {low, high, step, log} or list of choices."""
    enqueue: tuple[dict[str, Any], ...] = ()
    """Points to try first; a path left out is chosen by the sampler."""
    objective: Objective | Annotated[tuple[Objective, ...], MinLen(1)] = metrics.VALIDATION_ERROR
    """What is minimised, in the last epoch (or the best, where it says so). `train_loss` selects
    nothing: it is for tables of chosen configurations that train on all images."""
    constraints: Annotated[tuple[MetricBound, ...], MaxLen(MOST_CONSTRAINTS)] = ()
    """Bounds {metric, at_most} or {metric, at_least} on means over the seeds: a configuration that
    violates one is never the best. A sampler that learns heeds them as it chooses."""
    early_stopping: EarlyStopping | None = None
    """Ends configurations that do badly; null trains all to the end."""

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds themselves; of a race, all that it may come to."""
        if isinstance(self.seeds, tuple):
            return self.seeds
        return tuple(range(self.seeds if isinstance(self.seeds, int) else self.seeds.schedule[-1]))

    @property
    def race(self) -> SeedRace | None:
        """The race over seeds, if they are given by evidence."""
        return self.seeds if isinstance(self.seeds, SeedRace) else None

    @property
    def judging_seeds(self) -> int:
        """How many seeds, from the first, the search hears the mean of: all, or a race's first."""
        return self.race.schedule[0] if self.race else len(self.seed_list)

    @property
    def most_configurations(self) -> int | None:
        """How many points are tried at most, or None where the file does not say."""
        given = self.configurations
        return given.most if isinstance(given, SearchUntil) else given

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives as a tuple, also when there is one."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective

    @property
    def bounded(self) -> tuple[str, ...]:
        """The metrics that the constraints bound."""
        return tuple(bound.metric for bound in self.constraints)

    @property
    def selects(self) -> bool:
        """Whether a best configuration is chosen."""
        return metrics.is_selecting(self.objectives)


@settings
class ResourceSettings:
    """A trial's share of a machine."""

    gpus: (
        Annotated[NonNegative, AfterValidator(check_gpu_share), AfterValidator(_check_share)]
        | Literal["auto"]
    ) = 0.0
    """A GPU's share, from 0.001 to 1, for a trial trains on one GPU at most; 0 trains on the CPU.
    `auto` measures, before trials start, how many of each kind share a GPU best."""
    cpus: Annotated[Positive, AfterValidator(_check_share)] = 1.0
    """CPU cores, and threads; from 0.001."""
    trial_timeout: Annotated[Positive, AfterValidator(_check_timeout)] | None = None
    """Hours without news of a trial after which its attempt is ended and made again, as one that
    has failed; from 0.01. `null` waits for ever, and says so."""


@settings
class CheckpointSettings:
    """How often unfinished trials are saved."""

    at_least_every_seconds: Positive = 300.0
    """Saved sooner where a save costs less than 2% of the time since the last."""


@settings
class Study:
    """A study file, resolved for one scale."""

    study: Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
    """The study's name, and the MLflow experiment's; at most 100 letters, digits, `_`, `.`, `-`."""
    question: Annotated[str, Field(max_length=2000)]
    """What the study asks, in a sentence."""
    trial: dict[str, Any]
    """What all trials share: dataset, network, regularizer, training."""
    search: SearchSettings
    """What is searched."""
    resources: ResourceSettings = ResourceSettings()
    """A trial's share of a machine."""
    checkpoints: CheckpointSettings = CheckpointSettings()
    """How often unfinished trials are saved."""
    budget: LaunchBudget | None = None
    """What a launch may spend; null sets no bound."""
    ablate: AblationPlan | None = None
    """Which parts of a method are taken away: anew in each setting that `search.space` holds."""
    notify: Annotated[
        tuple[str, ...],
        BeforeValidator(parse_targets),
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        ),
    ] = ()
    """Addresses of apprise (`mailto://…`, `slack://…`) to which word is sent of a failure, a
    decision and the end; `${NAME}` stands for a variable of the environment. Needs the extra
    `notify`. They are never shown, nor put on record."""
    claims: str | None = None
    """A CSV file of published values that the study is held against, seen from this file, or the
    name of a shipped one: `mixup`, `cutmix`, `manifold_mixup`, `lamix`."""
    plugins: tuple[str, ...] = ()
    """Own components: modules (`package.module`) or files (`./file.py`)."""
    include: str | tuple[str, ...] = ()
    """Files that this one is laid over, seen from this file; of several, a later one is laid over
    the earlier ones."""
    scales: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    """Named overrides of everything above: `quick` is the default, `paper` the paper's setting.
    A file without scales runs as it stands, under the scale name `full`."""

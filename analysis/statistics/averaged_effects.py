"""Effects that are averages over settings, taken seed by seed, with intervals that hold at once.

An effect is a difference in each of several settings and in each seed. Its value of a seed is the
mean over the settings, so that seeds may correlate between settings, and its interval is Student's
t over the seeds. Effects of one kind are averages over alike settings: their variances are drawn
towards each other (see `effects.shared_variance`). Each interval has the level that lets all of
them hold together (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.statistics.effects import shared_variance
from analysis.statistics.intervals import possible_difference
from analysis.statistics.pairs import RESOLUTION, Floats

LEVEL = 0.05


@dataclass(frozen=True)
class AveragedEffect:
    """A mean difference over settings, in points of percent; NaN where there is none."""

    mean: float
    low: float
    high: float
    """Ends of the interval; those of all effects hold at once. NaN below two seeds."""
    smallest: float
    largest: float
    """The means of single settings, from the lowest to the highest."""
    seeds: int
    settings: int
    """Settings that are averaged over: those that have all the seeds."""

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def averaged_effects(
    differences: Sequence[Floats],
    *,
    kinds: Sequence[str],
    level: float = LEVEL,
    resolution: float = RESOLUTION,
) -> list[AveragedEffect]:
    """Return the mean of each effect over its settings, with simultaneous intervals.

    Args:
        differences: one array (settings, seeds) per effect, in points; NaN for what is missing.
        kinds: for each effect, of which kind it is.
        level: probability that any interval misses.
        resolution: points of percent that one test image is worth (see `pairs`).
    """
    blocks = [complete_block(np.asarray(each, dtype=np.float64)) for each in differences]
    means = np.array([block.mean() if block.size else np.nan for block in blocks])
    seeds = np.array([block.shape[1] if block.size else 0 for block in blocks])
    variances = np.array([_variance(block, resolution) for block in blocks])
    df = np.where(np.isfinite(variances), seeds - 1.0, np.nan)
    for kind in set(kinds):
        held = np.array([each == kind for each in kinds])
        variances[held], df[held] = shared_variance(variances[held], df[held], whole=False)
    count = max(int(np.isfinite(variances).sum()), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = special.stdtrit(df, 1 - level / (2 * count)) * np.sqrt(variances / seeds)
    return [
        _effect_of(block, float(mean), float(reach))
        for block, mean, reach in zip(blocks, means, half, strict=True)
    ]


def complete_block(differences: Floats) -> Floats:
    """Return the settings and seeds that a mean can be taken over: no value of them is missing.

    Of the seeds, in the order of how many settings have them, so many are taken as leave the most
    values beyond the first of each setting.

    Args:
        differences: shape (settings, seeds); NaN for what is missing.
    """
    held = np.isfinite(differences)
    order = np.argsort(-held.sum(0), kind="stable")
    complete = np.cumprod(held[:, order], axis=1)  # of a setting, with so many seeds
    settings = complete.sum(0)
    if not len(settings) or not settings[0]:
        return np.empty((0, 0))
    seeds = np.arange(1, len(order) + 1)
    worth = settings * (seeds - 1)
    taken = int(seeds[worth.argmax()]) if worth.any() else 1
    return differences[complete[:, taken - 1] > 0][:, order[:taken]]


def _effect_of(block: Floats, mean: float, reach: float) -> AveragedEffect:
    singles = block.mean(1) if block.size else np.array([np.nan])
    return AveragedEffect(
        mean,
        # The difference of two differences of errors in percent lies within twice 100.
        *possible_difference(mean - reach, mean + reach, least=-200.0, most=200.0),
        smallest=float(singles.min()),
        largest=float(singles.max()),
        seeds=block.shape[1],
        settings=len(block),
    )


def _variance(block: Floats, resolution: float) -> float:
    """Return the variance over seeds, at least that of rounding to whole images."""
    if not block.size or block.shape[1] < 2:
        return np.nan
    return max(float(block.mean(0).var(ddof=1)), resolution**2 / 6 / len(block))

"""Differences of one method from its rivals, seed by seed, at one look or over several.

A study that was looked at before has had several chances to be misled: the p of several looks is
the smallest of theirs, each divided by its look's share of the level (see `looks`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.looks import taken_shares
from analysis.statistics.p_values import one_sided_p
from analysis.statistics.pairs import Floats, pair_statistics


@dataclass(frozen=True)
class PairedDifferences:
    """The subject minus each rival, in points of percent."""

    rivals: tuple[int, ...]
    n: Floats
    mean: Floats
    sd: Floats

    @classmethod
    def joined(cls, parts: Sequence["PairedDifferences"]) -> "PairedDifferences":
        """Return all differences of a table, one row after the other."""
        return cls(
            tuple(rival for part in parts for rival in part.rivals),
            *(np.concatenate([getattr(p, name) for p in parts]) for name in ("n", "mean", "sd")),
        )

    def p_above(self, bound: ArrayLike) -> Floats:
        """Small where the difference is above the bound."""
        return one_sided_p(np.asarray(bound) - self.mean, self.sd, self.n)

    def p_below(self, bound: ArrayLike) -> Floats:
        """Small where the difference is below the bound."""
        return one_sided_p(self.mean - np.asarray(bound), self.sd, self.n)


def differences_from_subject(array: Floats, subject: int, resolution: float) -> PairedDifferences:
    """Return one row's differences.

    Args:
        array: shape (methods, seeds), errors in percent; NaN for what is missing.
        subject: its row.
        resolution: points of percent that one test image is worth.
    """
    pairs = pair_statistics(array, resolution=resolution)
    rivals = tuple(row for row in range(len(array)) if row != subject)
    chosen = [subject], list(rivals)
    return PairedDifferences(
        rivals,
        pairs.n[np.ix_(*chosen)][0],
        pairs.mean[np.ix_(*chosen)][0],
        np.sqrt(pairs.variance[np.ix_(*chosen)][0]),
    )


@dataclass(frozen=True)
class DifferencesAtLooks:
    """All differences of a table as they stood at each look."""

    looks: tuple[PairedDifferences, ...]
    shares: tuple[float, ...]
    """Of the level."""

    @classmethod
    def of_table(
        cls,
        arrays: Sequence[Floats],
        subjects: Sequence[int],
        taken: Sequence[int],
        *,
        resolution: float,
    ) -> "DifferencesAtLooks":
        """Return the differences of the first so many seeds, look by look.

        Args:
            arrays: one (methods, seeds) per row of the table.
            subjects: for each the row of its subject.
            taken: numbers of seeds, as from `looks_taken`.
            resolution: as for `differences_from_subject`.
        """
        return cls(
            tuple(
                PairedDifferences.joined(
                    [
                        differences_from_subject(array[:, :seeds], subject, resolution)
                        for array, subject in zip(arrays, subjects, strict=True)
                    ]
                )
                for seeds in taken
            ),
            taken_shares(taken, tests=sum(len(array) - 1 for array in arrays)),
        )

    def p_below(self, bound: ArrayLike) -> Floats:
        """Small where the difference was below the bound at some look."""
        return self._over_looks([each.p_below(bound) for each in self.looks])

    def p_above(self, bound: ArrayLike) -> Floats:
        """Small where the difference was above the bound at some look."""
        return self._over_looks([each.p_above(bound) for each in self.looks])

    def _over_looks(self, p_at_looks: Sequence[Floats]) -> Floats:
        together = np.array(p_at_looks) / np.array(self.shares)[:, None]
        known = np.where(np.isnan(together), np.inf, together).min(0)
        found = np.where(np.isinf(known), np.nan, np.minimum(known, 1.0))
        return np.asarray(found, dtype=np.float64)

"""What the paper claims of Figs. 2, 3, 5, 7 and 8, judged on what our own trials have left.

These figures show single networks; the paper prints few of their numbers. A claim is judged where
the trials have the paper's setting, which is that of Table 1 but for what the figure changes (and
for Fig. 8's network, which no table has); elsewhere the figure is *not compared*, and the reason is
said. Numbers of one seed have no spread over seeds, so that a comparison of methods by them stays
undecided.

- Fig. 2: the second largest target is the printed number, to its last digit: the 95% interval over
  seeds lies within half a digit of it, or beyond.
- Fig. 3: the largest targets lie in [.55, .65]: nine tenths of the entries above one half.
- Fig. 5: LaMix ends with a higher training loss than its rivals, paired by seed; its test error
  ends at most `OVERFITTING` points above its lowest.
- Fig. 7: LaMix's maps are narrower than its rivals', paired by image: of these networks alone.
- Fig. 8: the classes draw apart after the training error has reached 0.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.counted import count_text
from analysis.figures.diagnostics import ActivationMaps, EmbeddingRecord, SoftTargets
from analysis.paper import cells
from analysis.paper.comparable import difference_text, differing_settings
from analysis.paper.findings import OVERFITTING, DiagnosedTrials, silhouettes
from analysis.paper.methods import method_of, method_word
from analysis.paper.reproduction import first_trials
from analysis.record.names import DATASET_NAME, EPOCHS, NETWORK_NAME, SEED
from analysis.statistics.claims import ClaimVerdict
from analysis.statistics.summary import paired_difference, summarise_seeds
from trainables.metrics import EPOCH, TEST_ERROR, TRAIN_LOSS

NUMBERS = {"fig2": "Fig. 2", "fig3": "Fig. 3", "fig5": "Fig. 5", "fig7": "Fig. 7", "fig8": "Fig. 8"}
NETWORK = "preact_resnet18"
CHANGED = {
    "fig5": (EPOCHS, "dataset.validation"),
    "fig8": (EPOCHS, NETWORK_NAME),
}
"""Settings in which a figure is not Table 1, or of which the paper says nothing."""
SECOND_TARGETS = {"cifar100": 0.14, "cifar10": 0.25}
DIGIT = 0.005
"""Half of the last digit that is printed."""
LARGEST_TARGETS = 0.55, 0.65
MOSTLY = 0.9
OWN, RIVALS = "lamix", ("mixup", "cutmix")


def diagnosed_sentence(
    figure: str | None,
    diagnosed: DiagnosedTrials,
    history: pd.DataFrame,
    frame: pd.DataFrame,
    labels: Mapping[str, str],
) -> str:
    """Return the verdicts on what the paper claims of a figure; nothing of any other figure.

    Args:
        figure: of the paper, as from `cells.figure_of`.
        diagnosed: what the trials recorded beside their metrics.
        history: as from `trials.history`, with `train_loss` and `test_error`.
        frame: the study's trials at one scale.
        labels: from run to configuration.
    """
    if figure not in NUMBERS or frame.empty:
        return ""
    if reason := _other_setting(figure, first_trials(frame)):
        return f"The paper's {NUMBERS[figure]} is not compared: {reason}."
    methods = {
        labels[row["run_id"]]: method_of(row)
        for _, row in frame.iterrows()
        if row["run_id"] in labels
    }
    parts: list[str] = []
    if figure == "fig2":
        parts = _second_targets(diagnosed, frame, labels)
    elif figure == "fig3":
        parts = [_largest_targets(seeds[0]) for seeds in diagnosed.targets.values() if seeds]
    elif figure == "fig5":
        parts = _long_training(history, frame, labels, methods)
    elif figure == "fig7":
        parts = _narrow_maps({methods.get(k, ""): v for k, v in diagnosed.maps.items()})
    elif diagnosed.embedding is not None:
        parts = [_drawing_apart(diagnosed.embedding[1])]
    if not parts:
        return f"The paper's {NUMBERS[figure]} is not compared: what it shows is not on record."
    return f"Of the paper's claims: {'; '.join(parts)}."


def _other_setting(figure: str, first: pd.DataFrame) -> str:
    """Return how the trials are not the paper's, in words; nothing where they are."""
    wanted = cells.cell_configurations("table1")
    for _, row in first.iterrows():
        data, method = str(row.get(DATASET_NAME)), method_of(row)
        cell = wanted.get((data, NETWORK, str(method)))
        if cell is None or data not in SECOND_TARGETS:
            name = method_word(method) if method else "such regularizer"
            return f"the paper's figure has no {name} on {method_word(data)}"
        paths = [p for p in differing_settings(row, cell) if p not in CHANGED.get(figure, ())]
        if figure == "fig8":
            paths = [path for path in paths if not path.startswith("network.")]
        if paths:
            return difference_text(row, cell, paths[:3])
    return ""


def _second_targets(
    diagnosed: DiagnosedTrials, frame: pd.DataFrame, labels: Mapping[str, str]
) -> list[str]:
    data = {
        labels[row["run_id"]]: str(row[DATASET_NAME])
        for _, row in frame.iterrows()
        if row["run_id"] in labels
    }
    parts = []
    for label, seeds in diagnosed.targets.items():
        printed = SECOND_TARGETS[data[label]]
        found = summarise_seeds([float(seed.top_targets_EK[:, 1].mean()) for seed in seeds])
        verdict = ClaimVerdict.UNDECIDED
        if found.n > 1 and max(abs(found.low - printed), abs(found.high - printed)) <= DIGIT:
            verdict = ClaimVerdict.SUPPORTED
        elif found.n > 1 and (found.low > printed + DIGIT or found.high < printed - DIGIT):
            verdict = ClaimVerdict.CONTRADICTED
        parts.append(
            f"that the second largest target with {label} is {printed:.2f} is {verdict} "
            f"({found.mean:.3f} over {_seeds_text(found.n)})"
        )
    return parts


def _largest_targets(targets: SoftTargets) -> str:
    low, high = LARGEST_TARGETS
    middles = (targets.target_edges[:-1] + targets.target_edges[1:]) / 2
    counts = targets.target_counts_EB.sum(0)
    large = counts[middles > 0.5].sum()
    inside = counts[(middles > low) & (middles < high)].sum()
    share = float(inside / large) if large else 0.0
    verdict = ClaimVerdict.SUPPORTED if share >= MOSTLY else ClaimVerdict.CONTRADICTED
    return (
        f"that the largest targets lie between {low:.2f} and {high:.2f} is {verdict} for this "
        f"batch of one trial ({100 * share:.0f}% of the entries above .5 do)"
    )


def _long_training(
    history: pd.DataFrame,
    frame: pd.DataFrame,
    labels: Mapping[str, str],
    methods: Mapping[str, str | None],
) -> list[str]:
    seeds = dict(zip(frame["run_id"], frame[SEED], strict=True))
    last: dict[str, dict[int, float]] = {}
    risen: list[float] = []
    for (run, metric), rows in history.groupby(["run_id", "metric"]):
        method = methods.get(labels.get(str(run), ""))
        curve = rows.sort_values(EPOCH)["value"]
        if metric == TRAIN_LOSS and method:
            last.setdefault(method, {})[int(seeds[run])] = float(curve.iloc[-1])
        if metric == TEST_ERROR and method == OWN:
            risen.append(float(curve.iloc[-1] - curve.min()))
    parts = []
    for rival in RIVALS:
        if OWN not in last or rival not in last:
            continue
        found = paired_difference(pd.Series(last[OWN]), pd.Series(last[rival]))
        verdict = _sign_verdict(found.low, found.high)
        parts.append(
            f"that LaMix ends with a higher training loss than {method_word(rival)} is {verdict} "
            f"({found.mean:+.3f} over {_seeds_text(found.n)})"
        )
    if risen:
        verdict = ClaimVerdict.SUPPORTED if max(risen) <= OVERFITTING else ClaimVerdict.CONTRADICTED
        parts.append(
            f"that LaMix does not overfit is {verdict} for {_trials_text(len(risen))} (its test "
            f"error ends at most {max(risen):.2f} points above its lowest)"
        )
    return parts


def _narrow_maps(maps: Mapping[str | None, ActivationMaps]) -> list[str]:
    shares = {method: 100 * (held.cam_NHW > 0.5).mean(axis=(1, 2)) for method, held in maps.items()}
    parts = []
    for rival in RIVALS:
        if OWN not in shares or rival not in shares or len(shares[OWN]) != len(shares[rival]):
            continue
        found = paired_difference(pd.Series(shares[rival]), pd.Series(shares[OWN]))
        verdict = _sign_verdict(found.low, found.high)
        parts.append(
            f"that LaMix's maps are narrower than those of {method_word(rival)} is {verdict} for "
            f"these two networks (by {found.mean:.1f} points of the image over "
            f"{count_text(found.n, 'image')})"
        )
    return parts


def _drawing_apart(embedding: EmbeddingRecord) -> str:
    claim = "that the classes draw apart after the training error has reached 0 is"
    scores: Sequence[float] = silhouettes(embedding)
    errors = embedding.train_error_E
    learned = np.flatnonzero(errors == 0) if errors is not None else np.array([], dtype=int)
    if len(learned) < 2 or not len(scores):
        return f"{claim} {ClaimVerdict.UNDECIDED}: fewer than two epochs on record have none"
    first, last = int(learned[0]), int(learned[-1])
    verdict = ClaimVerdict.SUPPORTED if scores[last] > scores[first] else ClaimVerdict.CONTRADICTED
    epochs = embedding.epochs_E
    return (
        f"{claim} {verdict} for this trial (mean silhouette {scores[first]:.2f} at epoch "
        f"{epochs[first]}, {scores[last]:.2f} at epoch {epochs[last]})"
    )


def _sign_verdict(low: float, high: float) -> ClaimVerdict:
    """Return the verdict on a difference above 0; undecided without an interval."""
    if low > 0:
        return ClaimVerdict.SUPPORTED
    return ClaimVerdict.CONTRADICTED if high < 0 else ClaimVerdict.UNDECIDED


def _trials_text(count: int) -> str:
    return "this trial" if count == 1 else f"these {count} trials"


def _seeds_text(count: int) -> str:
    return count_text(count, "seed")

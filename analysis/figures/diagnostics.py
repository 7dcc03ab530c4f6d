"""What a trial may leave of its insides, as artifacts of its MLflow run, and how it is read.

Four files of named arrays (``numpy.savez_compressed``), each optional. Shape suffixes: E recorded
epochs, K ranks, B bins, N images or samples, H and W pixels, C classes.

``diagnostics/soft_targets.npz``, for Figs. 2 and 3. The largest targets are measured on one fixed
batch of training samples or over the epoch's training batches, which `source` says, the histograms
on the fixed batch:

- `epochs_E`: int, the epochs that were recorded, counted from 1, rising;
- `top_targets_EK`: the mean over mixed inputs (over all where none is mixed) of the K largest
  entries of the training target (Eq. 10), the largest first, K = 5, or C if that is less;
- `target_edges` (B + 1) and `target_counts_EB`: histogram over [0, 1] of the training target's
  entries, of the batch's originals and of mixtures of it;
- `global_edges` (B + 1) and `global_counts_EB`: likewise of the global soft label's entries
  (Eq. 9); left out where there is no global label. Its bins may be finer and cover only what is
  possible: with 10 classes its entries lie in [.04, .24].
- `source`: text, `batch` or `epoch`.

``diagnostics/cam.npz``, for Fig. 7. The same test images for all trials of a study:

- `images_NHWC`: uint8, as they look before normalisation;
- `cam_NHW`: the class activation map of the true class (Zhou et al. 2016), in [0, 1] per image,
  resized to the image;
- `labels_N`, `predictions_N`: int;
- `class_names_C`: text; may be left out.

``diagnostics/embedding.npz``, for Fig. 8:

- `epochs_E`: int;
- `points_EN2`: the 2-D bottleneck of the same N original training samples at each epoch;
- `labels_N`: int, the class of each sample;
- `class_names_C`: text; may be left out;
- `train_error_E`: the training error in percent at each epoch; may be left out.

``diagnostics/predictions.npz``, of all test images in the order of the data set:

- `log_p_NC`: float16, the logarithms of the class probabilities at the trial's end;
- `predictions_N`, `labels_N`: int;
- `class_names_C`: text; may be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.record.names import (
    ACTIVATION_MAPS_FILE,
    DIAGNOSTICS,
    EMBEDDING_FILE,
    PREDICTIONS_FILE,
    SOFT_TARGETS_FILE,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BadArtifactError(ValueError):
    """A file of diagnostics does not hold what this module's docstring says."""


@dataclass(frozen=True)
class SoftTargets:
    """The training targets of one trial, epoch by epoch."""

    PATH: ClassVar[str] = SOFT_TARGETS_FILE
    SETTING: ClassVar[str] = f"{DIAGNOSTICS}.soft_targets"
    """The setting of a trial that asks for the file."""

    epochs_E: Ints
    top_targets_EK: Floats
    target_edges: Floats
    target_counts_EB: Floats
    global_edges: Floats | None
    global_counts_EB: Floats | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            BadArtifactError: if an array is missing or of another shape.
        """
        arrays = _read_arrays(path)
        epochs = arrays.take_integers("epochs_E")
        edges, counts = _check_histogram(arrays, "target", len(epochs))
        held = arrays.has("global_counts_EB")
        global_edges, global_counts = (
            _check_histogram(arrays, "global", len(epochs)) if held else (None, None)
        )
        return cls(
            epochs_E=epochs,
            top_targets_EK=arrays.take("top_targets_EK", ndim=2, length=len(epochs)),
            target_edges=edges,
            target_counts_EB=counts,
            global_edges=global_edges,
            global_counts_EB=global_counts,
        )


@dataclass(frozen=True)
class ActivationMaps:
    """Class activation maps of one trial."""

    PATH: ClassVar[str] = ACTIVATION_MAPS_FILE
    SETTING: ClassVar[str] = f"{DIAGNOSTICS}.cam"

    images_NHWC: NDArray[np.uint8]
    cam_NHW: Floats
    labels_N: Ints
    predictions_N: Ints
    class_names_C: list[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            BadArtifactError: if an array is missing or of another shape.
        """
        arrays = _read_arrays(path)
        images = arrays.take("images_NHWC", ndim=4)
        labels = arrays.take_integers("labels_N", length=len(images))
        return cls(
            images_NHWC=images.astype(np.uint8),
            cam_NHW=arrays.take("cam_NHW", ndim=3, length=len(images)),
            labels_N=labels,
            predictions_N=arrays.take_integers("predictions_N", length=len(images)),
            class_names_C=arrays.class_names(labels),
        )


@dataclass(frozen=True)
class EmbeddingRecord:
    """The 2-D bottleneck of one trial's training samples, epoch by epoch."""

    PATH: ClassVar[str] = EMBEDDING_FILE
    SETTING: ClassVar[str] = f"{DIAGNOSTICS}.embedding_epochs"

    epochs_E: Ints
    points_EN2: Floats
    labels_N: Ints
    class_names_C: list[str]
    train_error_E: Floats | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            BadArtifactError: if an array is missing or of another shape.
        """
        arrays = _read_arrays(path)
        epochs = arrays.take_integers("epochs_E")
        points = arrays.take("points_EN2", ndim=3, length=len(epochs))
        labels = arrays.take_integers("labels_N", length=points.shape[1])
        errors = arrays.has("train_error_E")
        return cls(
            epochs_E=epochs,
            points_EN2=points,
            labels_N=labels,
            class_names_C=arrays.class_names(labels),
            train_error_E=arrays.take("train_error_E", ndim=1) if errors else None,
        )


@dataclass(frozen=True)
class PredictionRecord:
    """What one trial's network says of each test image at its end."""

    PATH: ClassVar[str] = PREDICTIONS_FILE

    log_p_NC: Floats
    predictions_N: Ints
    labels_N: Ints
    class_names_C: list[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            BadArtifactError: if an array is missing or of another shape.
        """
        arrays = _read_arrays(path)
        log_p = arrays.take("log_p_NC", ndim=2)
        labels = arrays.take_integers("labels_N", length=len(log_p))
        return cls(
            log_p_NC=log_p.astype(np.float64),
            predictions_N=arrays.take_integers("predictions_N", length=len(log_p)),
            labels_N=labels,
            class_names_C=arrays.class_names(labels),
        )

    @property
    def error(self) -> float:
        """The share of images whose class is not the one predicted, in percent."""
        return 100 * float((self.predictions_N != self.labels_N).mean())


class _ArrayFile:
    """The arrays of one file, with errors that name the file and the array."""

    def __init__(self, path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._path = path
        self._arrays = arrays

    def has(self, name: str) -> bool:
        return name in self._arrays

    def take(self, name: str, *, ndim: int, length: int | None = None) -> NDArray[Any]:
        if name not in self._arrays:
            raise BadArtifactError(f"{self._path} has no array `{name}`")
        array: NDArray[Any] = self._arrays[name]
        if array.ndim != ndim or (length is not None and len(array) != length):
            wanted = f"{ndim} dimensions" + (f", the first {length}" if length is not None else "")
            raise BadArtifactError(f"`{name}` must have {wanted}, but its shape is {array.shape}")
        return array

    def take_integers(self, name: str, *, length: int | None = None) -> Ints:
        return self.take(name, ndim=1, length=length).astype(np.int64)

    def class_names(self, labels_N: Ints) -> list[str]:
        if self.has("class_names_C"):
            return [str(name) for name in self.take("class_names_C", ndim=1)]
        return [f"class {label}" for label in range(int(labels_N.max(initial=0)) + 1)]


def _read_arrays(path: Path) -> _ArrayFile:
    try:
        with np.load(path, allow_pickle=False) as held:
            return _ArrayFile(path, {name: held[name] for name in held.files})
    except (OSError, ValueError) as error:
        raise BadArtifactError(f"{path} is not a file of named arrays: {error}") from error


def _check_histogram(arrays: _ArrayFile, kind: str, epochs: int) -> tuple[Floats, Floats]:
    counts = arrays.take(f"{kind}_counts_EB", ndim=2, length=epochs).astype(np.float64)
    edges = arrays.take(f"{kind}_edges", ndim=1, length=counts.shape[1] + 1)
    return edges.astype(np.float64), counts

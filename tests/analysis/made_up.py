"""Made-up diagnostics in the format of `analysis.diagnostics`."""

from pathlib import Path

import numpy as np


def soft_targets(path: Path, *, global_label: bool = True) -> None:
    rng = np.random.default_rng(0)
    epochs = np.arange(1, 41)
    top = np.sort(rng.dirichlet([6, 2, 1, 0.6, 0.4], size=40), axis=1)[:, ::-1]
    edges = np.linspace(0, 1, 41)
    targets = [np.histogram(rng.beta(2 + e / 10, 3, 500), edges)[0] for e in epochs]
    arrays = {
        "epochs_E": epochs,
        "top_targets_EK": top,
        "target_edges": edges,
        "target_counts_EB": np.array(targets),
        "source": np.array("batch"),
    }
    if global_label:
        fine = np.linspace(0, 0.24, 49)
        labels = [np.histogram(rng.normal(0.1 + e / 500, 0.02, 500), fine)[0] for e in epochs]
        arrays |= {"global_edges": fine, "global_counts_EB": np.array(labels)}
    np.savez_compressed(path, **arrays)


def activation_maps(path: Path, *, shift: int = 0) -> None:
    rng = np.random.default_rng(1)
    yy, xx = np.mgrid[:32, :32]
    images = (rng.random((4, 32, 32, 3)) * 60 + 120 * (yy[None, ..., None] > 12)).astype(np.uint8)
    cam = np.exp(-((yy - 16 - shift) ** 2 + (xx - 14) ** 2) / 80)
    np.savez_compressed(
        path,
        images_NHWC=images,
        cam_NHW=np.repeat(cam[None], 4, axis=0),
        labels_N=np.array([0, 0, 1, 1]),
        predictions_N=np.array([0, 1, 1, 1]),
        class_names_C=np.array(["bird", "frog"]),
    )


def embedding(path: Path) -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], 60)
    centres = np.array([[-1, -1], [1, -1], [0, 1]])[labels]
    spread = [0.9, 0.5, 0.3, 0.1]
    points = [np.tanh(centres * (1.2 - s) + rng.normal(0, s, (180, 2))) for s in spread]
    np.savez_compressed(
        path,
        epochs_E=np.array([100, 400, 700, 1000]),
        points_EN2=np.array(points),
        labels_N=labels,
        class_names_C=np.array(["cat", "dog", "deer"]),
        train_error_E=np.array([20.0, 0.0, 0.0, 0.0]),
    )


ALL = {
    "diagnostics/soft_targets.npz": soft_targets,
    "diagnostics/cam.npz": activation_maps,
    "diagnostics/embedding.npz": embedding,
}

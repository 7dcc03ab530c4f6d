"""A study as one writes it with Ray Tune alone: a grid, its stock MLflow callback, a plain loop.

    python -m tests.benchmarks.plain_tune FOLDER [--epochs N] [--seeds N]

The same network, images, batches and epochs as the quick scale of `search_spaces/beta.yaml`, with
mixup in PyTorch's usual loop: a DataLoader, one error of each split an epoch, one thread a trial.
What it takes is the baseline of `tests.benchmarks.waits`.
"""

import argparse
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from trainables import datasets, networks
from trainables.configuration import parse_configuration

ALPHAS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0]
BATCH, LEARNING_RATE, MOMENTUM = 32, 0.02, 0.9
EXPERIMENT = "plain"


def train(config: dict[str, Any]) -> None:
    """Train one trial and report each epoch."""
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    settings = parse_configuration(
        {
            "dataset": {"name": "digits", "validation": 0.2},
            "network": {"name": "lenet"},
            "regularizer": {"name": "mixup"},
        }
    ).dataset
    splits = datasets.load(settings, Path(config["data"]))
    network = networks.build(
        "lenet",
        num_classes=splits.num_classes,
        in_channels=splits.in_channels,
        image_size=splits.image_size,
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    beta = torch.distributions.Beta(config["alpha"], config["alpha"])
    loader = DataLoader(
        TensorDataset(_scaled(splits.train.images_NCHW), splits.train.labels_N),
        batch_size=BATCH,
        shuffle=True,
    )
    for _ in range(config["epochs"]):
        for images_NCHW, labels_N in loader:
            lam, other_N = float(beta.sample()), torch.randperm(len(labels_N))
            logits_NC = network(lam * images_NCHW + (1 - lam) * images_NCHW[other_N])
            loss = lam * cross_entropy(logits_NC, labels_N)
            loss = loss + (1 - lam) * cross_entropy(logits_NC, labels_N[other_N])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
        tune.report({f"{name}_error": _error(network, split) for name, split in named.items()})


def _scaled(bytes_NCHW: Tensor) -> Tensor:
    return bytes_NCHW.float() / 255


@torch.no_grad()
def _error(network: networks.Network, split: datasets.Images) -> float:
    """Return the error of a network on a split, in percent."""
    loader = DataLoader(TensorDataset(_scaled(split.images_NCHW), split.labels_N), batch_size=100)
    wrong = sum(
        int((network(images_NCHW).argmax(1) != labels_N).sum()) for images_NCHW, labels_N in loader
    )
    return 100 * wrong / len(split.labels_N)


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plain_tune")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20, metavar="N")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    options = parser.parse_args()
    folder = options.folder.absolute()
    ray.init(address="local", log_to_driver=False)
    space = {
        "alpha": tune.grid_search(ALPHAS),
        "seed": tune.grid_search([*range(options.seeds)]),
        "epochs": options.epochs,
        "data": str(folder),
    }
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{folder / 'plain.db'}", experiment_name=EXPERIMENT
    )
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        run_config=tune.RunConfig(
            name=EXPERIMENT, storage_path=str(folder), callbacks=[callback], verbose=0
        ),
    ).fit()
    if results.errors:
        raise RuntimeError(f"{len(results.errors)} trials failed: {results.errors[0]}")


if __name__ == "__main__":
    main()

"""How near the fast solver of PuzzleMix's mask comes to the least energy, and how fast.

    python -m tests.benchmarks.labelling > tests/benchmarks/results/labelling.md

The problems are those of training: images of scikit-learn's digits, enlarged to 32x32 pixels, with
the saliency that a LeNet has for them at its start and after an epoch or so, over ten values of λ.
"""

import platform
import statistics
import time
from collections.abc import Callable, Iterator

import scipy
import sklearn.datasets
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import networks
from trainables.mixing.labelling import GridEnergy, belief_propagation, exact_labelling
from trainables.mixing.puzzlemix import mask_energy
from trainables.networks import Network

IMAGES = 100
BLOCKS = (2, 4, 8, 16)
LAMBDAS = torch.linspace(0.05, 0.95, 10).tolist()


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("# PuzzleMix's mask: message passing against the exact minimum cut\n")
    print(
        f"2026-11-23; Python {platform.python_version()}, torch {torch.__version__}, "
        f"SciPy {scipy.__version__}; one thread of a 2-core CPU shared with other work, so the "
        "times are rough.\n"
    )
    print(
        f"{2 * len(LAMBDAS)} batches of {IMAGES} pairs of digits for each row: saliency of a LeNet "
        f"untrained and briefly trained, λ from {LAMBDAS[0]:.2f} to {LAMBDAS[-1]:.2f}.\n"
    )
    print(
        "| blocks | mean energy above the least, % | largest of a pair, % | difference of the "
        "mask's mean, mean (largest) | equal labels, % | exact, ms per 100 | fast, ms per 100 |"
    )
    print("|---|---|---|---|---|---|---|")
    batches = list(saliency_batches())
    for blocks in BLOCKS:
        print(row(blocks, batches))


def row(blocks: int, batches: list[tuple[Tensor, Tensor, Tensor]]) -> str:
    """Return the table's line for one number of blocks."""
    energies = [mask_energy(*batch, lam, blocks=blocks) for batch in batches for lam in LAMBDAS]
    best, exact_ms = solve(exact_labelling, energies)
    fast, fast_ms = solve(belief_propagation, energies)
    least, reached = (
        torch.cat([energy.of(labels) for energy, labels in zip(energies, solution, strict=True)])
        for solution in (best, fast)
    )
    best_NRC, fast_NRC = torch.cat(best), torch.cat(fast)
    gap_N = (best_NRC - fast_NRC).float().mean(dim=(1, 2)).abs() / 2
    above = 100 * (reached.sum() / least.sum() - 1)
    largest = 100 * (reached / least - 1).max()
    equal = 100 * (best_NRC == fast_NRC).float().mean()
    return (
        f"| {blocks}x{blocks} | {above:.4f} | {largest:.2f} | {gap_N.mean():.4f} "
        f"({gap_N.max():.3f}) | {equal:.2f} | {exact_ms:.1f} | {fast_ms:.1f} |"
    )


def solve(
    solver: Callable[[GridEnergy], Tensor], energies: list[GridEnergy]
) -> tuple[list[Tensor], float]:
    """Return the labels of each batch, and the median milliseconds per batch."""
    labels, milliseconds = [], []
    for energy in energies:
        start = time.process_time()
        labels.append(solver(energy))
        milliseconds.append(1000 * (time.process_time() - start))
    return labels, statistics.median(milliseconds)


def saliency_batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield images, permutation and saliency, of an untrained network and of a trained one."""
    images_NCHW, labels_N = digits()
    torch.manual_seed(0)
    network = networks.build("lenet", num_classes=10, in_channels=1)
    permutation_N = torch.randperm(IMAGES)
    for steps in (0, 50):
        train(network, images_NCHW, labels_N, steps=steps)
        batch_NCHW = images_NCHW[:IMAGES].clone().requires_grad_()
        loss = F.cross_entropy(network(batch_NCHW), labels_N[:IMAGES])
        (gradient_NCHW,) = torch.autograd.grad(loss, batch_NCHW)
        yield batch_NCHW.detach(), permutation_N, gradient_NCHW.square().mean(dim=1).sqrt()


def digits() -> tuple[Tensor, Tensor]:
    """Return all digits as images_NCHW of 32x32 pixels and labels_N."""
    data = sklearn.datasets.load_digits()
    images_NHW = torch.from_numpy(data.images).float() / 16
    images_NCHW = F.interpolate(images_NHW.unsqueeze(1), size=32, mode="bilinear")
    return images_NCHW, torch.from_numpy(data.target)


def train(network: Network, images_NCHW: Tensor, labels_N: Tensor, *, steps: int) -> None:
    """Train by plain gradient descent with momentum, 64 random images a step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(steps):
        chosen_B = torch.randint(len(labels_N), (64,))
        optimizer.zero_grad()
        F.cross_entropy(network(images_NCHW[chosen_B]), labels_N[chosen_B]).backward()
        optimizer.step()


if __name__ == "__main__":
    main()

"""What the trainer is measured against: the loops that people write on public libraries.

Baseline A follows mixup-cifar10, the paper's source (github.com/facebookresearch/mixup-cifar10), on
today's PyTorch: PIL transforms in the workers of a DataLoader, float32, the loss and the hits read
at every step, evaluation in batches of 100. Baseline B is what a careful user makes of it today:
torchvision's v2 transforms on tensors, bfloat16, channels_last, as many workers as go fastest,
nothing read before the epoch's end. Baseline C is B fed by the loader of cifar10-airbench
(github.com/KellerJordan/cifar10-airbench), which augments whole epochs on the GPU.
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import v2

from tests.benchmarks.timing import warm_up
from trainables.datasets import Images, Splits
from trainables.networks import Network
from trainables.recipe import TrainingSettings


@dataclass(frozen=True)
class Style:
    """How a baseline works."""

    pil: bool
    """PIL images and the first transforms, or tensors and the second."""
    bf16: bool
    """With channels_last."""
    reads_each_step: bool
    evaluation_batch: int
    workers: int


A = Style(pil=True, bf16=False, reads_each_step=True, evaluation_batch=100, workers=0)
B = Style(pil=False, bf16=True, reads_each_step=False, evaluation_batch=1000, workers=0)
C = B
"""But for its training images."""


class Baseline:
    """Trains a network, epoch by epoch or, to time it, for some steps."""

    def __init__(
        self, style: Style, splits: Splits, network: Network, recipe: TrainingSettings
    ) -> None:
        self.style = style
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe = recipe
        layout = torch.channels_last if style.bf16 else torch.contiguous_format
        self.network = network.to(self.device, memory_format=layout)
        self.layout = layout
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        self.train = self._loader(splits.train, _augmenting(splits, style.pil), recipe.batch_size)
        self.test = self._loader(splits.test, _plain(splits, style.pil), style.evaluation_batch)
        self.epoch = 0
        self._batches = self._endless()

    def _loader(
        self, images: Images, transform: Callable[[Any], Tensor], batch: int
    ) -> DataLoader[tuple[Tensor, int]]:
        return DataLoader(
            Photographs(images, transform, pil=self.style.pil),
            batch_size=batch,
            shuffle=batch == self.recipe.batch_size,
            num_workers=self.style.workers,
            persistent_workers=self.style.workers > 0,  # so that a window holds no restart
            pin_memory=self.device.type == "cuda",
        )

    def train_epoch(self) -> None:
        """Train for one epoch at its learning rate."""
        self.epoch += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.epoch)
        self.network.train()
        for images_NCHW, labels_N in self.train:
            self._step(images_NCHW, labels_N)

    def rate(self, steps: int) -> float:
        """Train for some steps and return images per second."""
        self.network.train()
        for _ in range(warm_up(steps)):
            self._step(*next(self._batches))
        started, images = time.perf_counter(), 0
        for _ in range(steps):
            images_NCHW, labels_N = next(self._batches)
            self._step(images_NCHW, labels_N)
            images += len(labels_N)
        self._wait()
        return images / (time.perf_counter() - started)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.train

    def _step(self, images_NCHW: Tensor, labels_N: Tensor) -> None:
        images_NCHW, labels_N = self._place(images_NCHW), labels_N.to(self.device)
        with self._autocast():
            logits_NC = self.network(images_NCHW)
            loss = self.criterion(logits_NC, labels_N)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.style.reads_each_step:
            loss.item()
            logits_NC.argmax(1).eq(labels_N).sum().item()

    def _place(self, images_NCHW: Tensor) -> Tensor:
        return images_NCHW.to(self.device, non_blocking=True).contiguous(memory_format=self.layout)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.style.bf16)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def error(self) -> float:
        """Return the test error in percent."""
        self.network.eval()
        wrong = 0
        for images_NCHW, labels_N in self.test:
            with self._autocast():
                logits_NC = self.network(self._place(images_NCHW))
            wrong += int((logits_NC.argmax(1).cpu() != labels_N).sum())
        return 100 * wrong / len(self.test.dataset)  # type: ignore[arg-type]  # a data set of known size

    def close(self) -> None:
        """End the workers now: those forked later would inherit what belongs to these."""
        del self.train, self.test, self._batches
        gc.collect()

    def evaluation_rate(self) -> float:
        """Evaluate on the test images and return images per second."""
        started = time.perf_counter()
        self.error()
        return len(self.test.dataset) / (time.perf_counter() - started)  # type: ignore[arg-type]  # a data set of known size


class Photographs(Dataset[tuple[Tensor, int]]):
    """Images one by one, as a DataLoader asks for them."""

    def __init__(self, images: Images, transform: Callable[[Any], Tensor], *, pil: bool) -> None:
        self.images_NCHW = images.images_NCHW
        self.pixels_NHWC = images.images_NCHW.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()
        self.labels = images.labels_N.tolist()
        self.transform = transform
        self.pil = pil

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.pixels_NHWC[index]) if self.pil else self.images_NCHW[index]
        return self.transform(image), self.labels[index]


def _augmenting(splits: Splits, pil: bool) -> Callable[[Any], Tensor]:
    library = transforms if pil else v2
    chosen: list[Callable[[Any], Any]] = []
    if splits.padding:
        chosen.append(library.RandomCrop(splits.image_size, padding=splits.padding))
    if splits.flip:
        chosen.append(library.RandomHorizontalFlip())
    return transforms.Compose([*chosen, _plain(splits, pil)])


def _plain(splits: Splits, pil: bool) -> Callable[[Any], Tensor]:
    if pil:
        return transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(splits.mean, splits.std)]
        )
    return v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(splits.mean, splits.std)]
    )


def baseline_a(splits: Splits, network: Network, recipe: TrainingSettings) -> Baseline:
    """Return baseline A with a worker for each core."""
    return Baseline(replace(A, workers=_cores()), splits, network, recipe)


def baseline_b(
    splits: Splits, network: Callable[[], Network], recipe: TrainingSettings, *, steps: int
) -> Baseline:
    """Return baseline B with as many workers, from none to one for each core, as go fastest."""
    candidates = [
        Baseline(replace(B, workers=workers), splits, network(), recipe)
        for workers in sorted({0, 1, _cores() // 2, _cores()})
    ]
    fastest = max(candidates, key=lambda candidate: candidate.rate(steps))
    for candidate in candidates:
        if candidate is not fastest:
            candidate.close()
    return fastest


def baseline_c(splits: Splits, network: Network, recipe: TrainingSettings) -> Baseline:
    """Return baseline C, for images of 3x32x32.

    Raises:
        ImportError: if `airbench` is not installed.
    """
    from airbench import CifarLoader

    loop = Baseline(C, splits, network, recipe)
    images = {
        "images": splits.train.images_NCHW.permute(0, 2, 3, 1),
        "labels": splits.train.labels_N,
        "classes": [],
    }
    with tempfile.TemporaryDirectory(prefix="airbench-") as folder:
        torch.save(images, f"{folder}/train.pt")  # as it leaves them after its own download
        loop.train = CifarLoader(
            folder,
            batch_size=recipe.batch_size,
            aug={"flip": True, "translate": 4},
            gpu=loop.device,
        )
    return loop


def _cores() -> int:
    return len(os.sched_getaffinity(0))

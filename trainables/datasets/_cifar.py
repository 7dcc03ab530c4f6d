"""What CIFAR-10 and CIFAR-100 share: pickled batches. Krizhevsky 2009."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainables.datasets._files import FileSource, check_sums, provide_files
from trainables.datasets._images import Images

if TYPE_CHECKING:
    from torchvision import datasets as torchvision_datasets


def read_batches(
    kind: "type[torchvision_datasets.CIFAR10]", root: Path
) -> tuple[Images, Images, tuple[str, ...]]:
    """Return the training images, the test images and the names of the classes.

    Raises:
        DatasetError: naming the file that is missing or damaged.
    """
    source = _batch_source(kind)
    provide_files(source, root)
    try:
        train, test = kind(root, train=True), kind(root, train=False)
    except RuntimeError:  # torchvision compares the checksums, but does not name the file
        check_sums(source, root)
        raise
    return _batch_images(train), _batch_images(test), tuple(train.classes)


def _batch_source(kind: "type[torchvision_datasets.CIFAR10]") -> FileSource:
    batches = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    md5 = {f"{kind.base_folder}/{name}": value for name, value in batches}
    return FileSource(
        needed=tuple(md5),
        offered=(kind.filename,),
        url=kind.url,
        md5=md5 | {kind.filename: kind.tgz_md5},
        download=lambda root: kind(root, download=True),
    )


def _batch_images(part: "torchvision_datasets.CIFAR10") -> Images:
    images_NHWC = torch.from_numpy(part.data)
    return Images(images_NHWC.permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))

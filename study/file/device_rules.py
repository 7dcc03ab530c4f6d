"""What trials ask of a GPU, and what becomes of it: shares of one, precisions that only one has."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the type alone: a wrong setting is told before torch is loaded
    from trainables.configuration import Configuration

ONE_GPU = (
    "a trial trains on one GPU at most: several would split each mini-batch, and with it the "
    "statistics of BatchNorm and what is mixed with what, so it would be another trial; more GPUs "
    "train more trials side by side"
)


def check_gpu_share(share: float) -> float:
    """Return a trial's share of a GPU if it is one.

    Raises:
        ValueError: for more than one GPU.
    """
    if share > 1:
        raise ValueError(f"must be from 0 to 1, but got `{share:g}`: {ONE_GPU}")
    return share


def device_problems(
    gpus: float | str, configurations: "Iterable[Configuration]"
) -> Iterator[tuple[str, str]]:
    """Yield path and rule of what no device of the study can compute.

    Args:
        gpus: the setting `resources.gpus`.
        configurations: of the study.
    """
    tensor_float = any(each.training.precision == "tf32" for each in configurations)
    if tensor_float and gpus == 0:
        yield (
            "resources.gpus",
            "must be above 0 with `training.precision: tf32`, which only GPUs compute; on a CPU "
            "use `fp32` or `auto`",
        )

"""How a trial is trained: SGD with momentum, by the recipes of the codes that the paper refers to.

`section_3_1` is mixup-cifar10's, taken literally: the rate falls after epochs 100 and 150, however
many follow. `section_3_1_scaled` is the other reading: that code's own run has 200 epochs, so the
rate falls after half and three quarters of them.

`section_3_2` is PuzzleMix's for 600 epochs, whose code lowers the rate *before* its epochs 350 and
500 on CIFAR-100, 300 and 450 on Tiny-ImageNet, counted from 0. The paper "kept all the settings in
the codes", so this recipe reaches the other parts of a configuration too: the crop's padding and
the normalisation, the networks and the loss. The code knows CIFAR-10, CIFAR-100 and Tiny-ImageNet
alone: what the paper did with MNIST, Fashion-MNIST and SVHN can't be known. Here they have the
padding of its CIFAR recipe, and else their own defaults.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Lt
from pydantic import Strict, model_validator
from pydantic_core import ArgsKwargs

from trainables.settings import Count, Exempt, Flag, Index, NonNegative, Positive, settings

Precision = Literal["fp32", "tf32", "bf16"]
PrecisionSetting = Literal["fp32", "tf32", "bf16", "auto"]
CompileSetting = Flag | Literal["auto"]
RecipeName = Literal["section_3_1", "section_3_1_scaled", "section_3_2"]
EPOCHS = 400
"""The paper's, in Section 3.1."""
PUZZLEMIX_TRAINING = {
    "epochs": 600,
    "batch_size": 100,
    "learning_rate": 0.2,
    "nesterov": True,
    "milestones": [349, 499],
}
PUZZLEMIX_DATASETS: dict[str, dict[str, Any]] = {
    "cifar10": {
        "mean": [level / 255 for level in (125.3, 123.0, 113.9)],
        "std": [level / 255 for level in (63.0, 62.1, 66.7)],
    },
    "cifar100": {
        "mean": [level / 255 for level in (129.3, 124.1, 112.4)],
        "std": [level / 255 for level in (68.2, 65.4, 70.4)],
    },
    "tiny_imagenet": {"padding": 4, "mean": [0.5] * 3, "std": [0.5] * 3},
}


def recipe_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the recipe that `given` names says of `training` itself.

    Args:
        given: the settings that are given; their number of epochs scales milestones.
    """
    match given.get("recipe"):
        case "section_3_1_scaled":
            epochs = given.get("epochs", EPOCHS)
            if not isinstance(epochs, int):
                return {}  # it is refused for what it is
            return {"milestones": [epochs // 2, epochs * 3 // 4]}
        case "section_3_2":
            return dict(PUZZLEMIX_TRAINING)
        case _:
            return {}


def recipe_parts(recipe: object, dataset: object) -> dict[str, dict[str, Any]]:
    """Return what a recipe says of the parts of a configuration, `training` among them.

    A part that has no setting of that name is not concerned.

    Args:
        recipe: its name.
        dataset: the name of the data set.
    """
    if recipe != "section_3_2":
        return {}
    tiny = dataset == "tiny_imagenet"
    return {
        "training": {"milestones": [299, 449]} if tiny else {},
        "dataset": {"padding": 2, **PUZZLEMIX_DATASETS.get(str(dataset), {})},
        "network": {"variant": "puzzlemix", **({"stem_stride": 2} if tiny else {})},
        "regularizer": {"loss": "binary_cross_entropy"},
    }


PACE = Exempt("cost", "a step takes the same time at every learning rate")
RATE = Exempt("step", "the update reads the learning rate anew at each step")


def _with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**recipe_training(given), **given}


@settings
class TrainingSettings:
    """SGD; the defaults are the paper's Section 3.1."""

    recipe: Annotated[
        RecipeName,
        Exempt("cost", "it acts through the settings that it fills in"),
        Exempt("step", "it acts through the settings that it fills in"),
    ] = "section_3_1"
    """Which of the paper's recipes holds for the settings that are not given: `section_3_1`, the
    same with milestones that scale with the epochs (`section_3_1_scaled`), or `section_3_2`, which
    speaks of data set, network and loss too."""
    epochs: Annotated[
        Count,
        Exempt("cost", "the cost is that of one epoch"),
        Exempt("step", "a step is the same in every epoch"),
    ] = EPOCHS
    """Passes over the training images."""
    batch_size: Count = 128
    """Images per step; the last, smaller batch of an epoch is kept."""
    learning_rate: Annotated[Positive, PACE, RATE] = 0.1
    """At the start; see `schedule`."""
    momentum: Annotated[
        float,
        Strict(),
        Ge(0),
        Lt(1),
        Exempt("cost", "only without momentum there is no buffer of it", but_zero=True),
    ] = 0.9
    """In [0, 1)."""
    nesterov: Flag = False
    """Nesterov's momentum."""
    weight_decay: Annotated[
        NonNegative, Exempt("cost", "only a decay of 0 is left out of the update", but_zero=True)
    ] = 1e-4
    """L2 penalty on all parameters, the regularizer's own included."""
    schedule: Annotated[Literal["steps", "cosine"], PACE, RATE] = "steps"
    """`steps` divides the learning rate by 10 at each milestone; `cosine` lowers it to 0."""
    milestones: Annotated[tuple[Index, ...], PACE, RATE] = (100, 150)
    """As mixup-cifar10 counts: the rate falls after the epoch with this number counted from 0, so
    that [100, 150] trains 101 epochs at the full rate, 50 at a tenth, the rest at a hundredth."""
    precision: Annotated[
        PrecisionSetting,
        Exempt("step", "the precision that the device chose is compared in its place"),
    ] = "fp32"
    """Of the forward and backward pass; parameters and statistics stay in fp32. `tf32` rounds what
    is multiplied to TensorFloat-32, on a GPU from Ampere on; `fp32` does not. `auto` is bf16 on a
    device with instructions for it, else fp32; a trial's tag `precision` says which it was."""
    graphs: Flag = True
    """Whether a GPU's training steps are recorded as CUDA graphs, which makes them faster and
    changes no bit. `false` is for a GPU on which `lamix-study doctor` finds that it does."""
    compile: Annotated[
        CompileSetting,
        Exempt("step", "whether the trial is compiled is compared in its place"),
    ] = False
    """Whether the training passes run as `torch.compile` makes them, which takes a while once for
    each node and shape. It rounds otherwise: a trial compiled is another trial. `auto` compiles
    where that is faster, as a node measures once for each network, precision and shape of batch,
    and never in trainings of less than two minutes; a trial's tag `compiled` says what it was."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_recipe(cls, given: Any) -> Any:
        if isinstance(given, ArgsKwargs):
            return ArgsKwargs(given.args, _with_recipe(given.kwargs or {}))
        return _with_recipe(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _refuse_ignored_settings(self) -> Self:
        recipe = recipe_training({"recipe": self.recipe, "epochs": self.epochs})
        steps = recipe.get("milestones", (100, 150))
        if self.schedule == "cosine" and self.milestones != tuple(steps):
            raise ValueError("`milestones` is ignored with `schedule: cosine`; leave it out")
        if self.nesterov and self.momentum == 0:
            raise ValueError("`nesterov` needs a `momentum` above 0")
        return self

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2
        passed = sum(epoch - 1 > milestone for milestone in self.milestones)
        return self.learning_rate * 0.1**passed

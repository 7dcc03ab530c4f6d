"""Which diagnostics a trial records, and which settings decide what each file of them holds."""

from collections.abc import Mapping
from typing import Self

from pydantic import model_validator

from trainables import networks
from trainables.datasets import DatasetError
from trainables.recipe import TrainingSettings
from trainables.settings import Count, Flag, Index, settings

SOFT_TARGETS = "soft_targets.npz"
ACTIVATION_MAPS = "cam.npz"
EMBEDDING = "embedding.npz"
PREDICTIONS = "predictions.npz"
WEIGHTS = "weights.pt"
"""A file for ``torch.load(…, weights_only=True)``: state dictionaries by part of the trial."""


@settings
class DiagnosticsSettings:
    """What a trial records beside its metrics; by default nothing.

    They change no metric. A trial on record that differs in them alone is trained again only where
    it lacks a file that is asked for. Only a trial that is trained to its end leaves them.
    """

    soft_targets: Flag = False
    """Whether to record, epoch by epoch, the five largest entries of the training targets and how
    the entries of targets and global labels are distributed (Figs. 2 and 3)."""
    cam: Flag = False
    """Whether to record, at the end, class activation maps of test images (Fig. 7)."""
    cam_classes: tuple[Index, ...] | None = None
    """Class indices of those images (Fig. 7: bird and frog, 2 and 6 of CIFAR-10); null means
    all."""
    images: Count = 64
    """Training images in the fixed batch of `soft_targets`, and test images of `cam`."""
    embedding_epochs: tuple[Count, ...] = ()
    """Epochs, counted from 1, after which to record the 2-D bottleneck of training images (Fig. 8:
    100, 400, 700, 1000); needs a network that has one."""
    embedding_classes: tuple[Index, ...] | None = None
    """Class indices of those images (Fig. 8: cat, dog and deer, 3, 5, 4 of CIFAR-10); null means
    all."""
    embedding_images: Count = 500
    """The most images of each class."""
    predictions: Flag = False
    """Whether to keep, of each test image, the class predicted and all log-probabilities."""
    weights: Flag = False
    """Whether to keep the trained weights of the network and of the regularizer."""

    @model_validator(mode="after")
    def _refuse_ignored_settings(self) -> Self:
        if self.images != 64 and not (self.soft_targets or self.cam):
            raise ValueError("`images` is ignored without `soft_targets` or `cam`; leave it out")
        if self.cam_classes is not None and not self.cam:
            raise ValueError("`cam_classes` is ignored without `cam`; leave it out")
        if not self.embedding_epochs:
            for name, default in (("embedding_classes", None), ("embedding_images", 500)):
                if getattr(self, name) != default:
                    raise ValueError(f"`{name}` is ignored without `embedding_epochs`")
        return self

    @property
    def files(self) -> Mapping[str, tuple[object, ...]]:
        """The files that the trial leaves: name → the settings that decide what the file holds."""
        embedded = (self.embedding_epochs, self.embedding_classes, self.embedding_images)
        held: dict[str, tuple[object, ...]] = {}
        if self.soft_targets:
            held[SOFT_TARGETS] = (self.images,)
        if self.cam:
            held[ACTIVATION_MAPS] = (self.images, self.cam_classes)
        if self.embedding_epochs:
            held[EMBEDDING] = embedded
        if self.predictions:
            held[PREDICTIONS] = ()
        if self.weights:
            held[WEIGHTS] = ()
        return held

    def missing_from(self, others: "DiagnosticsSettings") -> tuple[str, ...]:
        """Return the files that a trial with other diagnostics does not leave as it should here."""
        theirs = others.files
        return tuple(
            name for name, decided_by in self.files.items() if theirs.get(name) != decided_by
        )

    def check(self, network: networks.AnySettings, training: TrainingSettings) -> None:
        """Check that the trial can give what is asked for.

        Raises:
            ValueError: if the network has no 2-D bottleneck, or an epoch is never reached.
        """
        if not self.embedding_epochs:
            return
        able = networks.names_with_embedding()
        if network.name not in able:
            raise ValueError(
                f"`diagnostics.embedding_epochs` needs a 2-D bottleneck, which {network.name} does "
                f"not have; networks with one: {', '.join(able)}"
            )
        if max(self.embedding_epochs) > training.epochs:
            raise ValueError(
                f"`diagnostics.embedding_epochs` must be at most `training.epochs`, but got "
                f"{max(self.embedding_epochs)} with epochs: {training.epochs}"
            )

    def check_classes(self, num_classes: int) -> None:
        """Check the class indices against the data.

        Raises:
            DatasetError: if there is no such class.
        """
        for name in ("cam_classes", "embedding_classes"):
            classes = getattr(self, name) or ()
            if max(classes, default=0) >= num_classes:
                raise DatasetError(
                    f"`diagnostics.{name}` must be in [0, {num_classes}), the data's classes, "
                    f"but got {max(classes)}"
                )

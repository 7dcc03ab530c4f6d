"""How an input pair is mixed: the paper's ψ (Eq. 3). Functions of tensors, with no state."""

from trainables.mixing.cutmix import box_mask, cutmix, cutmix_box
from trainables.mixing.mixup import mixup
from trainables.mixing.puzzlemix import puzzlemix

__all__ = ["box_mask", "cutmix", "cutmix_box", "mixup", "puzzlemix"]

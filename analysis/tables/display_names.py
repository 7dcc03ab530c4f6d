"""How names and numbers are written for readers: one spelling for tables, figures and reports."""

import math
from typing import Any

import numpy as np

from analysis.record.names import ALPHA, BETA, SMOOTHING
from trainables.metrics import description_of

WORDS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "svhn": "SVHN",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "tiny_imagenet": "Tiny-ImageNet",
    "preact_resnet18": "PreAct ResNet-18",
    "resnet50": "ResNet-50",
    "lenet": "LeNet",
    "wide_resnet28_10": "WideResNet-28-10",
    "densenet121": "DenseNet-121",
    "vanilla": "Vanilla",
    "mixup": "Mixup",
    "cutmix": "CutMix",
    "puzzlemix": "PuzzleMix",
    "manifold_mixup": "Manifold Mixup",
    "mixup_cutmix": "Mixup or CutMix",
    "resizemix": "ResizeMix",
    "fmix": "FMix",
    "saliencymix": "SaliencyMix",
    "confidence_penalty": "confidence penalty",
    "online_label_smoothing": "online label smoothing",
    "self_distillation": "self-distillation",
    "lamix": "LaMix",
    "lamix_puzzlemix": "LaMix over PuzzleMix",
}
"""What a component is called in prose; a name that is not here speaks for itself."""


SYMBOLS = {
    BETA: "β",
    SMOOTHING: "ε",
    ALPHA: "α",
}
"""What the papers call a setting."""
AXES = {
    BETA: f"β, share of the local label ({BETA})",
    SMOOTHING: f"ε of label smoothing ({SMOOTHING})",
    ALPHA: f"α of λ ~ Beta(α, α) ({ALPHA})",
}
"""What stands along an axis for a setting whose name alone says little."""


def axis_name(name: str) -> str:
    """Return what stands along an axis for a setting or a metric, with its unit."""
    return AXES.get(name, with_unit(name))


def display_name(name: str) -> str:
    """Return what a reader is to see for a name of the record: of a component or a metric."""
    return WORDS.get(name) or description_of(name).label


def with_unit(name: str) -> str:
    """Return what a metric is called, with its unit where it has one."""
    unit = description_of(name).unit
    return f"{display_name(name)} ({unit})" if unit else display_name(name)


def with_symbols(text: str) -> str:
    """Return the text with the papers' symbols in place of the names of settings."""
    for name, symbol in SYMBOLS.items():
        text = text.replace(name, symbol)
    return text


def with_capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def number_text(value: float, digits: int = 2) -> str:
    """Return a measured number with two decimals; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def setting_value_text(value: Any) -> str:
    """Return a setting's value: numbers with up to four significant digits, lists in brackets."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(setting_value_text(item) for item in value) + "]"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int | float | np.integer) and float(value).is_integer():
        return str(int(value)) if abs(int(value)) < 1_000_000 else f"{value:.4g}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return display_name(str(value))

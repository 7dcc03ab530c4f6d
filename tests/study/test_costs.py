"""What a study file says of its cost is what arithmetic says: no header outlives its study."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from study.file import points
from study.file.resolved import ResolvedStudy, load_study
from trainables.configuration import Configuration

ROOT = Path(__file__).resolve().parents[2] / "search_spaces"
FLOPS = 0.25 * 800e12
"""A quarter of what an H100 does in bf16, each second."""
GIGA = {  # a training step's floating point operations an image of 32x32, 2 for a multiply-add
    "preact_resnet18": 3.33,
    "preact_resnet18_bottleneck2d": 3.33,
    "resnet50": 7.78,
    "wide_resnet28_10": 31.5,
    "densenet121": 5.33,
    "lenet": 0.0032,
}
IMAGES = {
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "svhn": (73_257, 26_032),
    "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000),
    "tiny_imagenet": (100_000, 10_000),
}
NARROW_RATE = 860.0
"""Images a second that one busy core trains PreAct ResNet-18 of width 4 on, evaluation counted as a
third: 480 images and 200 test images, 8 epochs, took 6.3 to 6.7 s of a core that others shared."""
STARTING = 60.0
"""Seconds for Ray, the processes of trials and the end of a launch."""
STATED = re.compile(r"(?P<scale>\w+) .*?: (?P<hours>[\d.]+) GPU-hours")


def puzzle_share(settings: Any) -> float:
    """Return PuzzleMix's own work in training steps: a forward pass, a backward one at the input.

    With a clean loss the gradients of the weights come to it, which are as much again twice.
    """
    return 4 / 3 if settings is not None and settings.clean_weight else 2 / 3


def step_share(regularizer: Any) -> float:
    """Return the work of a regularizer's step in plain ones."""
    if regularizer.name == "puzzlemix":
        return 1 + puzzle_share(regularizer)
    if regularizer.name == "self_distillation":
        return 4 / 3
    if regularizer.name != "lamix":
        return 1.0
    puzzle = puzzle_share(regularizer.puzzlemix) if regularizer.mixing == "puzzlemix" else 0.0
    if not regularizer.original_batches:
        return 1 + puzzle
    return {"even_odd": 1 + puzzle / 2, "coin_flip": 1 + puzzle, "both": 2 + puzzle}[
        regularizer.alternation
    ]


def trial_flops(configuration: Configuration) -> float:
    """Return the work of training, and of evaluating each epoch on a tenth of it and the test."""
    dataset, network = configuration.dataset, configuration.network
    images, test = IMAGES[dataset.name]
    size = (dataset.image_size / 32 / getattr(network, "stem_stride", 1)) ** 2
    held_out = images * dataset.validation
    trained = images - held_out
    evaluated = max(1000, trained / 10) + held_out + test
    work = trained * step_share(configuration.regularizer) + evaluated / 3
    return work * GIGA[network.name] * 1e9 * size * configuration.training.epochs


def narrow_seconds(configuration: Configuration) -> float:
    """Return how long one core trains the narrow network of the quick readings."""
    dataset = configuration.dataset
    trained, tested = dataset.train_images, dataset.test_images
    assert trained and tested and configuration.network.name == "preact_resnet18"
    passes = trained * step_share(configuration.regularizer) + (trained + tested) / 3
    return passes * configuration.training.epochs / NARROW_RATE


def gpu_hours(study: ResolvedStudy) -> float:
    if study.search.sampler == "grid":
        found = [study.configuration(point) for point in points.grid_points(study.space)]
    else:  # all alike in cost
        found = study.extremes()[:1] * study.configurations
    return len(study.search.seed_list) * sum(map(trial_flops, found)) / FLOPS / 3600


def header_of(file: Path) -> str:
    """Return the comment that opens a file, as one line."""
    lines = file.read_text().partition("\n\n")[0].splitlines()
    return " ".join(line.lstrip("# ").strip() for line in lines)


def stated_hours(file: Path) -> dict[str, str]:
    parts = re.split(r" (?=(?:quick|fashion|search|day|paper) {2,})", header_of(file))
    found = (STATED.match(part) for part in parts)
    return {match["scale"]: match["hours"] for match in found if match}


FILES = [*sorted(ROOT.glob("*.yaml")), *sorted((ROOT / "paper").glob("*.yaml"))]
EVIDENCE = sorted((ROOT / "evidence").glob("images_*.yaml"))


def stated() -> Iterator[Any]:
    for file in FILES:
        for scale, hours in stated_hours(file).items():
            yield pytest.param(file, scale, hours, id=f"{file.stem}-{scale}")


@pytest.mark.parametrize(("file", "scale", "hours"), list(stated()))
def test_a_stated_cost_is_that_of_arithmetic(file: Path, scale: str, hours: str) -> None:
    cost = gpu_hours(load_study(file, scale=scale))
    assert hours == (f"{cost:.2g}" if cost < 10 else f"{cost:.0f}")


@pytest.mark.parametrize("file", FILES + EVIDENCE, ids=lambda file: file.stem)
def test_a_header_tells_question_expectation_and_cost(file: Path) -> None:
    for title in ("Question", "Paper", "Expect", "Cost"):
        assert re.search(rf"(^| ){title} ", header_of(file)), title


@pytest.mark.parametrize("file", EVIDENCE, ids=lambda file: file.stem)
def test_a_header_without_scales_states_the_size_of_its_study(file: Path) -> None:
    study = load_study(file)
    found, seeds = len(list(points.grid_points(study.space))), len(study.search.seed_list)
    epochs = study.extremes()[0].training.epochs
    assert f"{found} configurations x {seeds} seeds x {epochs} epochs" in header_of(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_header_tells_the_cost_of_every_scale(file: Path) -> None:
    header = header_of(file)
    scales = yaml.safe_load(file.read_text())["scales"]
    told = [*stated_hours(file), *re.findall(r"(quick|fashion) {2,}", header)]
    assert sorted(told) == sorted(scales)
    assert "GPU-hours from arithmetic" in header


def test_a_days_scale_fits_a_day() -> None:
    days = [file for file in FILES if "day" in yaml.safe_load(file.read_text())["scales"]]
    assert {file.stem for file in days} == {
        *("table1", "table3", "table7", "table8", "fig4_beta", "fig6_smoothing", "readings")
    }
    assert sum(gpu_hours(load_study(file, scale="day")) for file in days) < 24


def test_the_quick_readings_fit_the_minutes_that_their_header_states() -> None:
    study = load_study(ROOT / "paper/readings.yaml", scale="quick")
    found = [study.configuration(point) for point in points.grid_points(study.space)]
    assert len(found) == len(study.search.seed_list) * 88
    seconds = sum(map(narrow_seconds, found)) / 2  # on two cores
    assert seconds + STARTING < 8 * 60
    assert "at most 8 minutes on 2 CPU cores" in header_of(ROOT / "paper/readings.yaml")


def test_one_loss_trains_all_of_a_comparison() -> None:
    for file in FILES:
        for scale in yaml.safe_load(file.read_text())["scales"]:
            study = load_study(file, scale=scale)
            losses: dict[tuple[str, float], set[str]] = {}
            for configuration in study.extremes():
                key = (configuration.training.recipe, configuration.training.learning_rate)
                losses.setdefault(key, set()).add(configuration.regularizer.loss)
            assert all(len(found) == 1 for found in losses.values()), (file.name, scale, losses)


def test_no_study_trains_the_adversarial_variant_of_puzzlemix() -> None:
    for file in FILES:
        for configuration in load_study(file, scale="paper").extremes():
            regularizer = configuration.regularizer
            settings = getattr(regularizer, "puzzlemix", None) or regularizer
            assert getattr(settings, "adversarial_probability", 0) == 0, file.name

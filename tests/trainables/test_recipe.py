"""What the named recipes say of each part of a configuration, and what they leave alone."""

import pytest
import torch

from tests.trainables.test_keys import PLAIN, keyed
from trainables import datasets
from trainables.configuration import Configuration, as_dict, parse_configuration


def resolved(recipe: str, dataset: str = "cifar100", **parts: dict) -> dict:
    training = {"recipe": recipe, **parts.pop("training", {})}
    written = {
        "dataset": {"name": dataset, **parts.pop("images", {})},
        "network": {"name": "preact_resnet18"},
        "regularizer": {"name": "vanilla"},
        "training": training,
        **parts,
    }
    return as_dict(parse_configuration(written))


def test_section_3_2_has_the_settings_of_puzzlemixs_code() -> None:
    found = resolved("section_3_2")
    assert found["dataset"]["padding"] == 2 and found["dataset"]["flip"]
    assert found["dataset"]["mean"] == pytest.approx((129.3 / 255, 124.1 / 255, 112.4 / 255))
    assert found["dataset"]["std"] == pytest.approx((68.2 / 255, 65.4 / 255, 70.4 / 255))
    assert found["network"]["variant"] == "puzzlemix" and found["network"]["stem_stride"] == 1
    assert found["regularizer"]["loss"] == "binary_cross_entropy"
    assert found["training"]["milestones"] == (349, 499)


def test_section_3_2_on_tiny_imagenet_has_that_codes_other_settings() -> None:
    found = resolved("section_3_2", "tiny_imagenet", network={"name": "resnet50"})
    assert found["dataset"]["padding"] == 4 and found["dataset"]["mean"] == (0.5, 0.5, 0.5)
    assert found["network"]["variant"] == "puzzlemix" and found["network"]["stem_stride"] == 2
    assert found["training"]["milestones"] == (299, 449)
    cosine = resolved("section_3_2", "tiny_imagenet", training={"schedule": "cosine"})
    assert cosine["training"]["milestones"] == (349, 499)  # ignored, and not refused


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "svhn", "digits"])
def test_what_puzzlemixs_code_does_not_know_keeps_its_own_normalisation_and_flip(dataset) -> None:
    found, plain = resolved("section_3_2", dataset), resolved("section_3_1", dataset)
    assert found["dataset"].pop("padding") == 2 and plain["dataset"].pop("padding") == 4
    assert found["dataset"] == plain["dataset"]


def test_what_is_written_is_stronger_than_the_recipe() -> None:
    found = resolved(
        "section_3_2",
        images={"padding": 3},
        network={"name": "preact_resnet18", "variant": "he2016"},
        regularizer={"name": "mixup", "loss": "cross_entropy"},
        training={"learning_rate": 0.3},
    )
    assert found["dataset"]["padding"] == 3 and found["network"]["variant"] == "he2016"
    assert found["regularizer"]["loss"] == "cross_entropy"
    assert found["training"]["learning_rate"] == 0.3 and found["training"]["batch_size"] == 100


def test_a_network_without_variants_is_left_alone() -> None:
    assert resolved("section_3_2", network={"name": "lenet"})["network"] == {"name": "lenet"}


def test_a_resolved_configuration_resolves_to_itself() -> None:
    for recipe in ("section_3_1", "section_3_1_scaled", "section_3_2"):
        found = resolved(recipe, "tiny_imagenet")
        assert as_dict(parse_configuration(found)) == found


@pytest.mark.parametrize(
    ("epochs", "milestones"), [(400, (200, 300)), (2000, (1000, 1500)), (60, (30, 45))]
)
def test_scaled_milestones_lie_at_half_and_three_quarters(epochs, milestones) -> None:
    training = resolved("section_3_1_scaled", training={"epochs": epochs})["training"]
    assert training["milestones"] == milestones
    cosine = {"epochs": epochs, "schedule": "cosine"}
    assert resolved("section_3_1_scaled", training=cosine)["training"]["schedule"] == "cosine"


def test_the_default_recipe_says_nothing_of_the_other_parts() -> None:
    assert keyed(training={"recipe": "section_3_1"}) == keyed()
    assert as_dict(parse_configuration({**PLAIN, "training": {"recipe": "section_3_1"}})) == (
        as_dict(parse_configuration(PLAIN))
    )


def test_parts_that_are_built_already_are_not_changed() -> None:
    built = parse_configuration(PLAIN)
    again = Configuration(
        dataset=built.dataset, network=built.network, regularizer=built.regularizer
    )
    assert again == built


@pytest.mark.parametrize(("dataset", "stride"), [("tiny_imagenet", 2), ("cifar10", 1)])
def test_an_automatic_stride_is_resolved_and_shares_the_key_of_the_number(dataset, stride) -> None:
    written = {"name": "resnet50", "stem_stride": "auto"}
    found = resolved("section_3_1", dataset, network=written)
    assert found["network"]["stem_stride"] == stride


MEASURED = ("image_folder", "torchvision")
"""Their normalisation is measured on the images, unless it is given."""


@pytest.mark.parametrize("dataset", [name for name in datasets.names() if name not in MEASURED])
def test_a_data_set_shows_its_augmentation_and_normalisation(dataset) -> None:
    shown = resolved("section_3_1", dataset)["dataset"]
    assert {"padding", "flip", "mean", "std"} <= set(shown)
    assert None not in (shown["mean"], shown["std"])
    assert len(shown["mean"]) == len(shown["std"]) in (1, 3)


def test_digits_are_cropped_and_normalised_as_the_settings_say(tmp_path) -> None:
    settings = parse_configuration(
        {**PLAIN, "dataset": {"name": "digits", "padding": 1, "flip": True, "mean": [0.5]}}
    ).dataset
    splits = datasets.load(settings, tmp_path)
    assert (splits.padding, splits.flip, splits.mean) == (1, True, (0.5,))
    assert torch.equal(torch.tensor(splits.std), torch.tensor((0.324,)))

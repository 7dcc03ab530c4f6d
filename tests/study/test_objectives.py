import itertools

import numpy as np
import pytest
from PIL import Image

from study.launching.objectives import check_objectives
from trainables.datasets import DatasetError
from trainables.datasets.image_folder import Settings


def test_an_objective_of_many_classes_is_refused_where_the_data_has_few(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    for split, name, number in itertools.product(("train", "test"), "abc", range(4)):
        folder = tmp_path / "few" / split / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels + 20 * number).save(folder / f"{number}.png")
    few = Settings(path="few", image_size=8)
    check_objectives(["validation_loss", "epoch_seconds"], few, tmp_path)
    with pytest.raises(DatasetError, match="validation_top5_error needs 6 classes or more, but"):
        check_objectives(["validation_top5_error"], few, tmp_path)

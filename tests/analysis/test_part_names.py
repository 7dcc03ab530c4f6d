"""What the parts of an ablation are called, and what its design is said to compare."""

import pytest

from analysis.statistics.effects import design_points
from analysis.tables.part_effects import effect_grid
from analysis.tables.part_words import parts_sentence
from tests.analysis.test_part_words import (
    BATCHES,
    BETA,
    FACTORIAL,
    LABEL,
    WITH,
    WITHOUT,
    frame_of,
    label_helps,
    resolved_of,
)

HALF = {**WITH, BETA: 0.5}
HALF_WITHOUT = {**WITHOUT, BETA: 1.0}


def settings_of_design(design, start, to):
    return [
        {path: (to if point[path] else start)[path] for path in to}
        for point in design_points(list(to), design)
    ]


def text_of_fraction(error):
    settings = settings_of_design("fraction", HALF_WITHOUT, HALF)
    resolved = resolved_of("fraction", start=HALF_WITHOUT, to=HALF)
    return parts_sentence(frame_of(error, settings), resolved)


def sign_of(setting, path):
    return 1 if setting[path] == HALF[path] else -1


def test_in_a_fraction_it_is_the_sum_of_an_effect_and_its_aliases_that_is_small():
    text = text_of_fraction(
        lambda s: 20 - 2 * sign_of(s, BATCHES) * sign_of(s, BETA) + 2 * sign_of(s, LABEL)
    )
    assert "each of the 3, summed with its aliases, is smaller than 0.0" in text
    assert text.endswith("Effects that cancel in such a sum stay unseen.")


def test_an_effect_of_a_fraction_is_told_with_its_aliases():
    text = text_of_fraction(lambda s: 20 + 2 * sign_of(s, BATCHES))
    beta = "regularizer.beta = 0.5 in place of 1"
    assert (
        "(that is batches of original images plus the interaction of the global label and "
        f"{beta}, which the fraction does not tell apart)"
    ) in text
    assert (
        f"none of: the global label plus the interaction of batches of original images and {beta};"
    ) in text
    assert text.endswith("Effects that cancel in such a sum stay unseen.")


def test_of_effects_some_of_which_have_aliases_it_is_said_which_are_sums():
    four = {f"regularizer.{letter}": True for letter in "abcd"}
    none = dict.fromkeys(four, False)
    resolved = resolved_of("fraction", start=none, to=four)
    settings = settings_of_design("fraction", none, four)
    text = parts_sentence(frame_of(lambda s: 20.0, settings), resolved)
    assert "each of the 7, summed with its aliases where there are any, is smaller" in text
    both = ("regularizer.a", "regularizer.b")
    text = parts_sentence(frame_of(lambda s: 20.0 - (s[both[0]] == s[both[1]]), settings), resolved)
    assert "The interaction of a and b is −1.0" in text
    assert "(that is the interaction of a and b plus the interaction of c and d, which" in text
    assert "with the other" not in text


MIXED_START = {BATCHES: False, LABEL: "learned"}
MIXED_TO = {BATCHES: True, LABEL: "none"}


@pytest.mark.parametrize(
    ("design", "start", "to", "said"),
    [
        ("one_out", WITH, WITHOUT, "each part alone against none"),
        ("one_in", WITH, WITHOUT, "each part against all parts"),
        ("path", WITH, WITHOUT, "each part taken away after those before it"),
        ("one_in", WITHOUT, WITH, "each part alone against none"),
        ("one_out", MIXED_START, MIXED_TO, "each part as under `from` against all as under `to`"),
        ("one_in", MIXED_START, MIXED_TO, "each part as under `to` against all as under `from`"),
        ("path", MIXED_START, MIXED_TO, "each part turned from `from` to `to` after those before"),
    ],
)
def test_what_is_compared_follows_from_which_side_has_the_parts(design, start, to, said):
    frame = frame_of(label_helps, settings_of_design(design, start, to))
    resolved = resolved_of(design, start=start, to=to)
    text = parts_sentence(frame, resolved)
    assert text.startswith("Without the global label the test error (last epoch) rises by 0.8")
    assert f"; {said}" in text
    note = " ".join(effect_grid(frame, resolved).notes)
    assert f"{said[0].upper()}{said[1:]}" in note


@pytest.mark.parametrize(
    ("start", "to"), [(WITHOUT, WITH), (WITH, WITHOUT), (MIXED_START, MIXED_TO)]
)
def test_the_sign_of_an_interaction_does_not_depend_on_which_side_a_part_is_written(start, to):
    frame = frame_of(lambda s: 20 + 2 * (s[LABEL] == "none" and not s[BATCHES]), FACTORIAL)
    text = parts_sentence(frame, resolved_of("factorial", start=start, to=to))
    _, _, told = text.partition("the global label is ")
    assert told.startswith("1.00 points [1.00, 1.00]") or told.startswith("1.00 points [0.99")
    assert "(each lowers the error less, or raises it more, with the other)" in told


def test_of_a_part_with_alternatives_each_is_named():
    frame = frame_of(label_helps, [{LABEL: value} for value in ("learned", "none", "uniform")])
    resolved = resolved_of("one_out", start={LABEL: ["none", "uniform"]}, to={LABEL: "learned"})
    assert parts_sentence(frame, resolved).endswith("label = learned in place of uniform.")
    frame = frame_of(
        lambda s: 20 + 2 * (s[BETA] > 0.6), [{BETA: value} for value in (0.5, 0.3, 0.7)]
    )
    resolved = resolved_of("one_out", start={BETA: [0.3, 0.7]}, to={BETA: 0.5})
    assert parts_sentence(frame, resolved).endswith(
        "none of: regularizer.beta = 0.5 in place of 0.3."
    )

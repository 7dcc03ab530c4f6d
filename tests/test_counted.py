"""Counted nouns agree with their number, wherever the program says them."""

import ast

import pytest

from analysis.counted import agreeing, count_text
from tests import source_tree

NOUNS = {
    "attempts", "cells", "classes", "configurations", "CPUs", "epochs", "failures", "files",
    "GPUs", "hours", "images", "minutes", "nodes", "pairs", "records", "results", "runs", "seeds",
    "studies", "trials", "values",
}  # fmt: skip
NEVER_ONE = {
    ("analysis/paper/claim_words.py", "seeds"),  # `MOST_SEEDS`, and looks at several
    ("analysis/paper/diagnosed_claims.py", "trials"),
    ("analysis/paper/findings.py", "seeds"),  # a range, whose end is above its beginning
    ("analysis/report_page/checks.py", "epochs"),  # of the paper
    ("analysis/report_page/headline.py", "configurations"),
    ("analysis/report_page/headline.py", "seeds"),
    ("analysis/statistics/best_set.py", "values"),
    ("analysis/statistics/looks.py", "seeds"),  # what is told to a programmer, here and below
    ("analysis/statistics/race_batch.py", "configurations"),
    ("analysis/statistics/sensitivity.py", "values"),
    ("analysis/statistics/sobol.py", "configurations"),
    ("analysis/tables/paired.py", "seeds"),  # several looks
    ("study/execution/usable_nodes.py", "nodes"),
    ("study/file/includes.py", "files"),  # constants, here and below
    ("study/file/rules.py", "trials"),
    ("study/file/settings.py", "hours"),
    ("study/file/yaml_reader.py", "values"),
    ("study/launching/code_review.py", "epochs"),
    ("study/launching/display.py", "seeds"),
    ("study/launching/display.py", "trials"),  # an hour
    ("study/launching/estimate_words.py", "trials"),
    ("study/launching/more_seeds.py", "seeds"),
    ("study/launching/objectives.py", "classes"),
    ("study/record/trial_runs.py", "runs"),
    ("study/scheduling/gpu_shares.py", "trials"),
    ("study/scheduling/nodes.py", "images"),  # a rate
    ("study/scheduling/trial_watch.py", "trials"),
    ("study/stop.py", "runs"),  # the verb
    ("trainables/datasets/_stand_in.py", "classes"),
    ("trainables/datasets/_stand_in.py", "images"),
    ("trainables/devices.py", "GPUs"),
}
"""Where the number is above one whenever the words are said: file and noun."""


def plurals(tree: ast.AST) -> list[tuple[int, str]]:
    """Return where a plural stands right behind a number that is filled in."""
    found = []
    for text in ast.walk(tree):
        if not isinstance(text, ast.JoinedStr):
            continue
        for filled, after in zip(text.values, text.values[1:], strict=False):
            if isinstance(filled, ast.FormattedValue) and isinstance(after, ast.Constant):
                words = str(after.value).split(" ")
                noun = words[1].strip(".,;:)") if len(words) > 1 and not words[0] else ""
                if noun in NOUNS:
                    found.append((text.lineno, noun))
    return found


@pytest.mark.parametrize("module", source_tree.modules(), ids=lambda module: module.path)
def test_no_plural_is_written_behind_a_number_that_may_be_one(module):
    wrong = [
        f"{module.path}:{line} {noun}: use analysis.counted"
        for line, noun in plurals(module.tree)
        if (module.path, noun) not in NEVER_ONE
    ]
    assert wrong == []


def test_one_is_singular_and_all_else_is_plural():
    assert [count_text(n, "trial") for n in (0, 1, 2, 1000)] == [
        "0 trials", "1 trial", "2 trials", "1,000 trials",
    ]  # fmt: skip
    assert [count_text(n, "hour") for n in (0.5, 1.0, 1.5)] == ["0.5 hours", "1 hour", "1.5 hours"]
    assert count_text(2, "study", "studies") == "2 studies"
    assert (agreeing(1, "is", "are"), agreeing(0, "is", "are")) == ("is", "are")

"""The pytest plug-in: own modules that it is told of are known to the tests."""

from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest

from tests.own_components import NOISE
from trainables import plugins

pytest_plugins = ["pytester"]

TESTS = """
from trainables import plugins

def test_known():
    assert "own_noise" in plugins.component_names("trainables.regularizers")
"""


@pytest.fixture(autouse=True)
def known_before() -> Iterator[None]:
    before = plugins.known_set()
    yield
    plugins.know_only(before)


def run(pytester: pytest.Pytester, methods: str) -> pytest.RunResult:
    pytester.makepyfile(methods=methods, test_own=TESTS)
    pytester.makeini("[pytest]\nlamix_plugins = ./methods.py\n")
    # Where the project is installed, pytest finds the plug-in by its entry point.
    installed = any(one.name == "lamix_study" for one in entry_points(group="pytest11"))
    named = () if installed else ("-p", "lamix_study.pytest_plugin")
    return pytester.runpytest_inprocess(*named, "-p", "no:cacheprovider")


def test_the_components_of_a_file_are_known_to_the_tests(pytester: pytest.Pytester) -> None:
    run(pytester, NOISE).assert_outcomes(passed=1)


def test_a_wrong_file_ends_the_session_in_words(pytester: pytest.Pytester) -> None:
    told = run(pytester, NOISE.replace("@settings\n", ""))
    assert told.ret == pytest.ExitCode.USAGE_ERROR
    told.stderr.fnmatch_lines(
        ["*lamix_plugins: *methods.py:12: class Settings: needs the decorat*"]
    )

"""The pytest plug-in: the contracts' assertions show their values, and own modules are known.

It stands beside `lamix_study.testing`, which loads torch: every run of pytest loads a plug-in.
"""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("lamix_study.testing")

OPTION = "lamix_plugins"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting that names own modules, for components that no installed package declares."""
    parser.addini(OPTION, "own modules or files, as a study file's key `plugins`", "linelist", [])


def pytest_configure(config: pytest.Config) -> None:
    """Let the components of the named modules be known to all tests.

    Raises:
        pytest.UsageError: if one of them is wrong.
    """
    names: list[str] = config.getini(OPTION)
    if not names:
        return
    # Late: torch takes seconds, which tests of other things need not wait for.
    from study.file.own_plugins import find_plugin
    from trainables import plugins
    from trainables.own_modules import OwnComponentError

    try:
        modules = [find_plugin(name, Path(config.rootpath)) for name in names]
        plugins.know_only(plugins.set_with(modules, beside=plugins.installed_set()))
    except OwnComponentError as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from error

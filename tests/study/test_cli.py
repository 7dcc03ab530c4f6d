"""The one command in front of all others."""

import pytest

from study import cli


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["lunch"], ["--beta"]])
def test_what_is_no_command_is_bad_input(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage: lamix-study" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("lamix-study ")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_is_that_of_its_module(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    assert f"python -m {cli.COMMANDS[name].module}" in capsys.readouterr().out


def test_a_mistake_has_the_status_of_the_command(capsys):
    assert cli.main(["launch", "no-such-study-at-all.yaml"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert cli.main(["plan", "betta"]) == 2
    assert "did you mean" in capsys.readouterr().err

"""The one command in front of all others."""

import importlib
import os
import subprocess
import sys

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


@pytest.mark.parametrize("module", sorted({each.module for each in cli.COMMANDS.values()}))
def test_the_end_of_a_command_does_not_wait_for_the_collector(module):
    program = f"""
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))
from {module} import main
main(["--help"])
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stderr) > 1000


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_is_that_of_its_module(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: lamix-study {name} ") and "python -m" not in said
    module = cli.COMMANDS[name].module
    with pytest.raises(SystemExit):
        importlib.import_module(module).main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m {module} ")


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("name", ["", *cli.COMMANDS])
def test_help_fits_the_terminal_and_has_no_marks_of_its_source(name, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        cli.main([name, "--help"] if name else ["--help"])
    said = capsys.readouterr().out
    usage, _, rest = said.partition("\n\n")
    breakable = [line for line in rest.splitlines() if len(line.split()) > 1 and "--" not in line]
    assert max(map(len, breakable)) <= columns and max(map(len, rest.splitlines())) <= 80
    assert max(map(len, usage.splitlines())) <= 80  # argparse sets it in two columns
    assert "`" not in said and "::" not in said and ":func:" not in said


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["lst"], "list"),
        (["launch", "beta", "--sacle", "paper"], "--scale"),
        (["launch", "beta", "--code=chek"], "check"),
        (["list", "--jsn"], "--json"),
        (["report", "beta", "--tset=last"], "--test"),
        (["doctor", "--only", "gpuu"], "gpu"),
        (["site", "x", "--hlep"], "--help"),
        (["launch", "beta", "-plan"], "--plan"),
        (["lsit"], "list"),
        (["list", "--jsno"], "--json"),
        (["launch", "beta", "-st"], "--set"),
    ],
)
def test_a_misspelt_word_is_told_with_the_nearest_right_one(arguments, meant, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert f"; did you mean `{meant}`?\n" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--zzzzzz", "-x", "-xy", "--foo", "--x", "-"])
@pytest.mark.parametrize("command", ["list", "launch"])
def test_a_word_that_is_like_none_is_told_without_a_guess(command, flag, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "beta", flag])
    assert "did you mean" not in capsys.readouterr().err


def test_a_setting_without_a_value_is_told_how_it_is_written(capsys):
    with pytest.raises(SystemExit):
        cli.main(["launch", "beta", "--set", "search.seeds", "5"])
    assert "write PATH=VALUE, as in search.seeds=5" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
@pytest.mark.parametrize("arguments", [["--help"], ["--no-such-flag"]])
def test_help_and_a_wrong_flag_are_answered_within_a_third_of_a_second(name, arguments):
    command = [sys.executable, "-m", "study.cli", name, *arguments]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    after = os.times()
    assert done.returncode == (0 if arguments == ["--help"] else 2), done.stderr
    spent = after.children_user - before.children_user
    assert spent + after.children_system - before.children_system < 0.3


def test_commands_to_go_on_with_are_those_of_the_door_that_was_used(monkeypatch, tmp_path):
    from analysis.command_line import CommandDoor, entered_through, speaker
    from study.launching.shell_commands import shell_command

    door = CommandDoor("lamix-study", "launch", {"analysis.report": "report"})
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with entered_through(door):  # no script is there: the command must work as it stands
        assert shell_command("analysis.report", ["a b"]).endswith("-m analysis.report 'a b'")
        for name in ("python", "lamix-study"):
            (tmp_path / name).write_text("")
            (tmp_path / name).chmod(0o755)
        assert shell_command("analysis.report", ["a b"]) == "lamix-study report 'a b'"
        assert speaker("analysis.report") == "lamix-study report"
    assert shell_command("analysis.report", ["a b"]) == "python -m analysis.report 'a b'"
    assert speaker("analysis.report") == "analysis.report"


def test_a_mistake_has_the_status_of_the_command(capsys):
    assert cli.main(["launch", "no-such-study-at-all.yaml"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert cli.main(["plan", "betta"]) == 2
    assert "did you mean" in capsys.readouterr().err

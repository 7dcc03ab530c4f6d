"""Completion by a shell: the shells themselves are asked, where they are installed."""

import shutil
import subprocess
import sys

import pytest

from study import cli, completion

BASH = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
_shtab_lamix_study lamix-study "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
printf "%s\\n" "${{COMPREPLY[@]}}"
"""
QUESTIONS = [
    ("lamix-study la", {"launch"}),
    ("lamix-study launch smo", {"smoothing"}),
    ("lamix-study launch mi", {"mine.yaml"}),
    ("lamix-study plan beta --b", {"--budget"}),
    ("lamix-study launch beta --code k", {"keep"}),
    ("lamix-study launch beta --scale p", {"paper"}),
    ("lamix-study compare beta met", {"methods"}),
    ("lamix-study launch --data im", {"images"}),
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for name in ("mine.yaml", "mine.txt"):
        (folder / name).touch()
    (folder / "images").mkdir()
    for shell in completion.SHELLS:
        (folder / shell).write_text(completion.completion_script(shell))
    return folder


def asked(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {line.split("\t")[0].strip("/") for line in done.stdout.splitlines() if line}


@pytest.mark.parametrize(("line", "offered"), QUESTIONS)
def test_bash_completes_commands_flags_and_studies(scripts, line, offered):
    text = BASH.format(script=scripts / "bash", words=line)
    assert asked(["bash", "--norc", "-O", "progcomp", "-c", text], scripts) == offered


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
@pytest.mark.parametrize(("line", "offered"), QUESTIONS)
def test_fish_completes_commands_flags_and_studies(scripts, line, offered):
    text = f"source {scripts / 'fish'}; complete -C '{line}'"
    assert asked(["fish", "--no-config", "-c", text], scripts) == offered


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_can_read_its_script(scripts, shell):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", scripts / shell], check=True, timeout=60)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_knows_every_command_and_shipped_study(scripts, shell):
    text = (scripts / shell).read_text()
    assert all(name in text for name in (*cli.COMMANDS, "beta", "table8", "--budget", "--address"))


def test_no_command_pays_for_completion():
    code = "import study.launch, study.cli, sys; sys.exit('shtab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

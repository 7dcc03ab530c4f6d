"""What commands print reaches any terminal, harms none, and outlives its reader."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from analysis.console import PlainConsole
from analysis.terminal import LastingStream, plain_text
from tests import source_tree

ESCAPES = "red \x1b[31m bell \a back \b c1 \x9b31m turned \u202e return \r"


def printed(*things: object, terminal: bool = False) -> str:
    output = io.StringIO()
    console = PlainConsole(output, force_terminal=terminal, width=200)
    console.print(*things)
    return output.getvalue()


def test_control_characters_are_written_out_and_lines_stay():
    assert plain_text("a\x1b[31mb\r\nc\td\x9b\u202e") == "a\\x1b[31mb\\x0d\nc\td\\x9b\\u202e"
    assert plain_text("β ± · 名") == "β ± · 名"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("kind", ["text", "Text", "cell"])
def test_no_escape_sequence_of_data_reaches_a_terminal(kind, terminal):
    table = Table(box=None)
    table.add_column("x")
    table.add_row(ESCAPES)
    shown = printed(
        {"text": ESCAPES, "Text": Text.assemble(("dim", "dim"), ESCAPES), "cell": table}[kind],
        terminal=terminal,
    )
    assert "\x1b[31m" not in shown and "\\x1b[31m" in shown
    assert not set(shown) & set("\a\b\r\x9b\u202e")


@pytest.mark.parametrize("kind", ["text", "cell"])
def test_brackets_and_colons_of_data_are_no_markup(kind):
    table = Table(box=None)
    table.add_column("x")
    table.add_row("[/red] [Errno 28] :smile: [bold]x")
    text = {"text": "[/red] [Errno 28] :smile: [bold]x", "cell": table}[kind]
    assert "[/red] [Errno 28] :smile: [bold]x" in printed(text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_that_lacks_a_character_gets_another(encoding):
    raw = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(raw, encoding=encoding))
    PlainConsole(stream, width=200).print("5.0 ± 0.1 · β → 名 \udc80")
    shown = raw.getvalue().decode(encoding)
    assert shown.startswith({"ascii": "5.0 +- 0.1 - beta -> ?"}.get(encoding, "5.0 ± 0.1 · "))


def test_output_whose_reader_is_gone_goes_to_the_log(tmp_path):
    read, write = os.pipe()
    stream = LastingStream(os.fdopen(write, "w"))
    stream.keep_in(tmp_path / "log")
    print("read", file=stream, flush=True)
    assert os.read(read, 100) == b"read\n"
    os.close(read)
    print("lost", file=stream, flush=True)
    print("kept", file=stream, flush=True)
    stream.stream.close()
    assert stream.log.read_text() == "lost\nkept\n"


def test_output_is_kept_in_the_log_that_is_named_after_the_reader_has_gone(tmp_path):
    read, write = os.pipe()
    stream = LastingStream(os.fdopen(write, "w"))
    os.close(read)
    print("nowhere", file=stream, flush=True)
    stream.keep_in(tmp_path / "log")
    print("kept", file=stream, flush=True)
    stream.stream.close()
    assert stream.log.read_text() == "kept\n"


def test_a_pipe_gets_each_line_as_it_is_printed():
    program = """
import time
from analysis.terminal import guards_output
@guards_output
def command():
    print("first")
    time.sleep(60)
command()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"first\n"
        process.kill()


@pytest.mark.parametrize("module", ["study.launch", "study.list", "analysis.report"])
def test_help_for_a_reader_who_is_gone_ends_without_a_word(module):
    command = f"{sys.executable} -m {module} --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_every_console_is_a_plain_one():
    others = [
        module.path
        for module in source_tree.modules()
        if "rich" in {line.target.partition(".")[0] for line in module.imports}
        and module.path != "analysis/console.py"
        and " Console("
        in Path(source_tree.ROOT / module.path).read_text().replace("PlainConsole(", "")
    ]
    assert others == []

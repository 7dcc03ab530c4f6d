"""What commands print reaches any terminal, harms none, and outlives its reader."""

import io
import json
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from analysis.console import PlainConsole, print_prose
from analysis.json_documents import named_document, print_document
from analysis.terminal import LastingStream, cut_text, padded, plain_text, wrapped
from study.launching.next_commands import command_lines
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


def test_a_document_is_the_same_json_whatever_the_terminal_lacks(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", LastingStream(io.TextIOWrapper(raw, encoding="ascii")))
    document = named_document("x", {"message": "no study “β” … 名"})
    print_document(document)
    sys.stdout.flush()
    assert json.loads(raw.getvalue()) == document


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


PATH = "/a/path/that/is/longer/than/any/line/of/the/terminal/of/this/test/and/has/no/blanks"
PROSE = f"Each sentence keeps its words whole, at {PATH}."


def test_prose_is_wrapped_at_whole_words_and_a_long_path_keeps_a_line_for_itself():
    lines = wrapped(f"  {PROSE}", 30).split("\n")
    assert " ".join(lines).split() == PROSE.split()
    assert all(len(line) <= 30 for line in lines if "/" not in line)
    assert all(line.startswith("  ") for line in lines)
    assert wrapped(PROSE, None) == PROSE
    labelled = wrapped("label     one two three four", 24, hanging=10)
    assert labelled == "label     one two three\n          four"


@pytest.mark.parametrize("columns", ["", "50", "80"])
def test_a_pipe_gets_whole_lines_unless_columns_says_how_wide_it_is(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    output = io.StringIO()
    print_prose(PlainConsole(output), f"{PROSE} {PROSE}")
    lines = output.getvalue().splitlines()
    assert len(lines) == 1 if not columns else all(
        len(line) <= int(columns) or line.startswith("/") for line in lines
    )  # fmt: skip


@pytest.mark.parametrize("columns", [50, 80])
def test_a_terminal_gets_lines_that_it_holds(columns):
    program = f"""
import sys
from analysis.console import PlainConsole, print_prose
from analysis.terminal import print_error
print_prose(PlainConsole(), {PROSE!r} * 2)
print_error({PROSE!r} * 2)
"""
    keeper, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # how Linux says that the terminal is closed
            while part := os.read(keeper, 4096):
                shown += part
    os.close(keeper)
    assert process.returncode == 0
    lines = shown.decode().splitlines()
    assert len(lines) > 4
    assert all(len(line) <= columns or line.startswith("/") for line in lines)


def test_commands_are_never_broken_and_a_purpose_stands_above_where_there_is_no_room():
    commands = [("run --with 'a b'", "what it brings"), ("x" * 45, "and this")]
    assert command_lines(commands, None)[2:] == [
        f"  {'run --with' + chr(32) + chr(39) + 'a b' + chr(39):<45}  # what it brings",
        f"  {'x' * 45}  # and this",
    ]
    narrow = command_lines(commands, 20)
    assert narrow[2:4] == ["  # what it brings", "  run --with 'a b'"]
    assert f"  {'x' * 45}" in narrow


WIDE = [
    "β 名前の付いた研究は三つの設定と二つの種で訓練される 🇩🇪 done",
    "the folder /数据/实验/结果 holds 👩‍💻👩‍💻 emoji, e\u0301e\u0301e\u0301 letters",
    "  设定 " + "混合" * 40,
]


@pytest.mark.parametrize("width", [20, 33, 50])
@pytest.mark.parametrize("text", WIDE)
def test_lines_of_wide_characters_fit_and_lose_none(text, width):
    lines = wrapped(text, width, hanging=2).splitlines()
    assert max(map(cell_len, lines)) <= max(width, cell_len("/数据/实验/结果"))
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_path_of_wide_characters_is_never_broken():
    path = "/" + "数据" * 20
    assert path in wrapped(f"see {path} for it", 30).splitlines()


def test_latin_words_within_chinese_stay_whole_and_lines_fit():
    text = "使用CIFAR数据集和ResNet模型训练并比较LaMix与Mixup的结果👩‍💻" * 2
    lines = wrapped(text, 40).splitlines()
    assert "".join(lines) == text and max(map(cell_len, lines)) <= 40
    for word in ("CIFAR", "ResNet", "LaMix", "Mixup", "👩‍💻"):
        assert sum(line.count(word) for line in lines) == 2


def test_no_line_ends_at_a_no_break_space():
    assert wrapped("it takes 12\u00a0min", 12).splitlines() == ["it takes", "12\u00a0min"]


def test_texts_are_cut_and_padded_by_the_columns_they_take():
    assert cut_text("混合混合", 8) == "混合混合"
    assert [cut_text("混合混合", n) for n in (7, 6, 5)] == ["混合混…", "混合…", "混合…"]
    assert padded("混合", 6) == "混合  " and padded("混合", 6, right=True) == "  混合"

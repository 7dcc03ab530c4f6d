"""A word when a launch is over: sent, bounded in time, and without a trace of its address."""

import json
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from study.file.notify_targets import hide_targets, shown_target, with_hidden_targets
from study.file.reading import read_study
from study.file.resolved import load_study
from study.launching.exit_status import DONE
from study.launching.notifying import send_words, tell_end, watch_news
from tests.study.launching import STUDY, environment
from tests.study.sample import refusal, study_data
from tests.study.services import wait_for
from tests.study.test_reconcile import Lab

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_RAY = (
    "import sys; from tests.benchmarks.in_process import launch_in_process; "
    "sys.exit(launch_in_process(sys.argv[1:]))"
)
SECRET, TOKEN = "hush" * 3, "sesame" * 2
"""Not as they stand here: what is uncommitted of this file goes on record too."""


class WordServer:
    """Takes what apprise's `json://` posts."""

    def __init__(self):
        words = self.words = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                words.append(json.loads(body))
                self.send_response(500 if "refuse" in self.path else 200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, path=TOKEN):
        return f"json://ada:{SECRET}@127.0.0.1:{self.server.server_port}/{path}"


@pytest.fixture
def server():
    server = WordServer()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def written(tmp_path):
    def written(notify, **root):
        file = tmp_path / "sample.yaml"
        data = {**study_data(), "notify": notify, **root}
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        return file

    return written


def test_a_word_reaches_every_address(server):
    assert send_words([server.address(), server.address("b")], "beta, quick: done", "all") == []
    assert [word["title"] for word in server.words] == ["beta, quick: done"] * 2
    assert server.words[0]["message"] == "all"


def test_an_address_may_be_a_variable_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("WORD_TO", server.address())
    assert send_words(["${WORD_TO}"], "t", "b") == [] and len(server.words) == 1


def test_what_cannot_be_sent_is_named_and_harms_nothing(server, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"json://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.delenv("WORD_TO", raising=False)
    lost = [closed, server.address("refuse"), "${WORD_TO}", "nosuch://x"]
    assert send_words([*lost, server.address()], "t", "b") == lost


def test_an_address_that_hangs_is_not_waited_for():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = f"json://127.0.0.1:{silent.getsockname()[1]}"
        assert send_words([hanging], "t", "b", seconds=0.2) == [hanging]


@pytest.mark.parametrize("target", [f"slack://{SECRET}/b/c", f"mailto://a:{SECRET}@b.c", SECRET])
def test_an_address_is_shown_by_its_scheme_alone(target):
    assert SECRET not in shown_target(target)


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ([f"nosuch://{SECRET}"], "notify[0]: apprise knows no such address, nosuch://***"),
        ([f"{SECRET}"], "notify[0]: apprise knows no such address, (hidden)"),
        ({"json": SECRET}, "notify: must be an address of apprise, such as mailto://…"),
        ([["json://x"], SECRET], "notify: must be an address of apprise, such as mailto://…"),
        (["json://${NO_SUCH_NAME}"], "the variable NO_SUCH_NAME of the environment is not set"),
    ],
)
def test_an_address_to_which_nothing_can_be_sent_is_refused_unseen(written, notify, said):
    text = refusal(written(notify))
    assert said in text and SECRET not in text


def test_no_flag_sets_an_address(written):
    said = refusal(written([]), overrides=(f"notify=[json://{SECRET}]",))
    assert "a flag is seen by all users of a machine" in said and SECRET not in said


def test_the_addresses_of_all_scales_are_hidden_in_the_text_that_goes_on_record(written):
    address = f"json://ada:{SECRET}@host/{TOKEN}"
    file = written(address, scales={"quick": {}, "paper": {"notify": [f"{address}2", "${W}"]}})
    read = read_study(file)
    assert SECRET not in read.written and TOKEN not in read.written
    assert "notify: json://***" in read.written and "- ${W}" in read.written
    study = load_study(file)
    assert study.notify == (address,)
    assert SECRET not in study.written and SECRET not in yaml.safe_dump(study.as_dict())


def test_the_changes_that_go_on_record_hide_the_addresses():
    target = f"json://a:{SECRET}@host"
    assert hide_targets(f"+notify: [{target}/b, {target}]", [target, f"{target}/b"]) == (
        "+notify: [json://***, json://***]"
    )


@pytest.mark.parametrize(
    "text",
    [
        f'notify: "json://ada:{SECRET}\\u0040host"\n',
        f"notify:\n- 'json://{SECRET}\n  x'\n",
        f"notify: [{SECRET}]\n",
    ],
)
def test_an_address_that_yaml_escapes_or_folds_is_hidden_too(text):
    hidden = with_hidden_targets(f"study: a\n{text}")
    assert SECRET not in hidden and yaml.safe_load(hidden)["study"] == "a"


def launch_of(scheduler, server, said):
    study = SimpleNamespace(name="sample", scale="quick", notify=(server.address(),))
    return SimpleNamespace(study=study, scheduler=scheduler, say=said.append)


@pytest.fixture
def lab(make, storage):
    return Lab(make, storage)


def test_a_race_that_decides_is_told_while_it_runs_and_at_the_end(lab, server):
    scheduler = lab.launch(sampler="grid", space={"regularizer.beta": [0.2, 0.4, 0.6]},
                           seeds={"looks": [3, 5]})  # fmt: skip
    said = []
    launch = launch_of(scheduler, server, said)
    with watch_news(launch, said.append):
        lab.finish(lambda t: 10.0 + 5 * t.number + 0.1 * t.seed + 0.01 * (t.seed * t.number % 3))
        wait_for(lambda: server.words, seconds=20)
    assert server.words[0]["message"] == "The race has decided: best."
    tell_end(launch, DONE)
    assert server.words[-1]["title"] == "sample, quick: done"
    assert "race over: best" in server.words[-1]["message"]
    assert said == []


@pytest.mark.timeout(600)
def test_a_launch_sends_word_of_its_end_and_keeps_its_address_to_itself(tmp_path, server):
    study = yaml.safe_load(STUDY)
    study["trial"]["training"]["epochs"] = 1
    study["search"] = {"sampler": "grid", "seeds": 1, "space": {"regularizer.beta": [0.3]}}
    study["notify"] = [server.address(), f"json://127.0.0.1:9/{SECRET}"]
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(study))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, "small.yaml"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (word,) = server.words
    assert word["title"] == "small, quick: done"
    assert "1 of 1 trial" in word["message"]
    assert "The notification by json://*** could not be sent." in done.stdout
    assert SECRET not in done.stdout
    file.unlink()
    holders = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"json://***" in path.read_bytes() for path in holders)  # the file as written
    for path in holders:
        content = path.read_bytes()
        assert SECRET.encode() not in content and TOKEN.encode() not in content, path

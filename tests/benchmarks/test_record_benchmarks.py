"""What the benchmarks of the record would find: each kind of fault, and a link's delay."""

import http.server
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import requests

from tests.benchmarks import soak, two_drivers
from tests.benchmarks.slow_link import slow_link

SAID = ["", "study.yaml: process 11 on here holds this study since noon"]


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_a_link_delays_each_request_and_lets_requests_travel_side_by_side(server):
    with slow_link(server.server_address[1], 0.3) as link:
        address = f"http://127.0.0.1:{link.port}/a?b=c"
        with requests.Session() as session:
            assert session.get(address).text == "ok"  # with the connection's own round trip
            started = time.monotonic()
            assert session.get(address).text == "ok"
            assert time.monotonic() - started >= 0.3
        threads = [threading.Thread(target=requests.get, args=(address,)) for _ in range(10)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 10 * 0.6
        assert [request for _, request in link.requests] == ["GET /a"] * 12


@pytest.mark.parametrize(
    ("statuses", "said", "faults"),
    [
        ([0, 2], SAID, 0),
        ([0, 0], ["", "Nothing to do: every trial of the study is done."], 0),
        ([0, 0], ["", ""], 1),
        ([2, 2], SAID, 2),  # nobody has run it, and the first does not say who holds it
        ([0, 2], ["", "no word"], 1),
        ([0, 1], ["", "Traceback"], 2),
        ([0, -9], ["", ""], 1),
    ],
)
def test_two_drivers_must_end_as_they_should(statuses, said, faults):
    assert len(two_drivers.status_faults(statuses, said, [11, 12])) == faults


def test_each_way_in_which_a_record_of_two_drivers_may_differ_is_found():
    def content(value):
        return {"metrics": {"train_loss": value}, "status": "FINISHED"}

    alone = {"studies": ["FINISHED"], "trials": [["a", content(1)], ["b", content(2)]]}
    assert two_drivers.record_faults(alone, alone) == []
    for record, fault in (
        ({**alone, "studies": ["FINISHED"] * 2}, "runs of the study: ['FINISHED', 'FINISHED']"),
        ({**alone, "studies": ["RUNNING"]}, "runs of the study: ['RUNNING']"),
        ({**alone, "trials": alone["trials"][:1]}, "no run of trial b"),
        ({**alone, "trials": [*alone["trials"], ["b", content(2)]]}, "2 runs of trial b"),
        ({**alone, "trials": [*alone["trials"], ["c", content(2)]]}, "trial c is not planned"),
        (
            {**alone, "trials": [["a", content(1)], ["b", content(3)]]},
            "trial b differs: ['metrics']",
        ),
    ):
        assert two_drivers.record_faults(record, alone) == [fault]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", two_drivers.STORES)
def test_two_drivers_at_once_leave_one_record(store):
    if store == "postgresql" and (missing := two_drivers.Postgres.missing()):
        pytest.skip(missing)
    # A process of its own: its launches write to files of theirs, which pytest would take away.
    program = [sys.executable, "-m", "tests.benchmarks.two_drivers", "--rounds", "2"]
    found = subprocess.run([*program, "--stores", store], check=False, capture_output=True)
    assert found.returncode == 0, found.stdout.decode()


def run_of(key, status="FINISHED", outcome="completed"):
    tags = {"trial_key": key, "outcome": outcome}
    return SimpleNamespace(data=SimpleNamespace(tags=tags), info=SimpleNamespace(status=status))


@pytest.fixture
def soaked(tmp_path):
    """A folder and a database as a soak leaves them, with the metrics of an undisturbed study."""
    (tmp_path / "checkpoints").mkdir()
    database = tmp_path / "server.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE tags (run_uuid, key, value)")
        connection.execute("CREATE TABLE metrics (run_uuid, key, step, value, is_nan)")
        for run, key in (("1", "a"), ("2", "b")):
            connection.execute("INSERT INTO tags VALUES (?, 'trial_key', ?)", (run, key))
            for name in ("train_loss", "epoch_seconds"):
                connection.execute("INSERT INTO metrics VALUES (?, ?, 1, .1, 0)", (run, name))
    connection.close()
    trials, studies = [run_of("a"), run_of("b")], [run_of("")]
    folder = SimpleNamespace(
        runs=lambda role="trial": trials if role == "trial" else studies,
        state=lambda: tmp_path,
        trials=trials,
        studies=studies,
    )
    return folder, database


def test_a_soak_compares_all_metrics_but_costs(soaked):
    folder, database = soaked
    expected = soak.read_metrics(database)
    assert expected == {
        (key, "train_loss"): [(1, (0.1).hex())] for key in ("a", "b")
    }  # not the seconds
    assert soak.faults_of(folder, database, expected) == []
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE metrics SET value = .1000000000000001 WHERE run_uuid = '2'")
    connection.close()
    assert soak.faults_of(folder, database, expected) == ["train_loss of trial b differs"]


def test_each_fault_that_a_soak_may_leave_is_found(soaked):
    folder, database = soaked
    expected = soak.read_metrics(database)
    folder.trials.append(run_of("b", status="RUNNING"))
    folder.studies.append(run_of("", status="KILLED"))
    (database.parent / "checkpoints" / "left").touch()
    del folder.trials[0]
    assert soak.faults_of(folder, database, expected) == [
        "2 runs of trial b",
        "no run of trial a",
        "runs of the study: ['FINISHED', 'KILLED']",
        "trial b: ('RUNNING', 'completed')",
        "checkpoint left is left",
    ]

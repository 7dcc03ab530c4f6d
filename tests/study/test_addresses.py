"""Addresses of Ray clusters, actors on other nodes, and where their checkpoints lie."""

import pytest

from study.execution import addresses
from study.execution.addresses import refuse_address
from study.execution.failure_signs import change_in, other_versions_in
from study.state import StateFolder
from tests.study.services import free_port
from trainables.node_checks import OtherVersionsError, code_versions, refuse_other_versions
from trainables.storage import location_below


def test_a_cluster_that_is_gone_is_told_from_what_ray_has_noted_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    refuse_address("auto")  # nothing is noted: Ray itself looks
    note = tmp_path / "ray/ray_current_cluster"
    note.parent.mkdir()
    note.write_text(f"127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match="does not answer.*ray start --head.*ray_current_cluster"):
        refuse_address("auto")
    note.write_text("nonsense")
    with pytest.raises(OSError, match="nonsense, does not answer"):
        refuse_address("auto")


def test_a_cluster_that_hangs_is_given_up_soon(tmp_path, monkeypatch):
    import socket

    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(addresses, "ANSWER_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray/ray_current_cluster").write_text(f"127.0.0.1:{port}")
        with pytest.raises(OSError, match="does not answer"):
            refuse_address("auto")
        for each in waiting:
            each.close()


def test_an_actor_refuses_to_train_by_other_versions_than_the_drivers():
    refuse_other_versions({}, "node")
    refuse_other_versions(code_versions(), "node")
    wanted = {**code_versions(), "torch": "0.1", "more": "1"}
    with pytest.raises(OtherVersionsError) as raised:
        refuse_other_versions(wanted, "abc123")
    failure = f"Traceback …\n{type(raised.value).__name__}: {raised.value}\n"
    node, different = other_versions_in(failure)
    assert node == "abc123"
    assert different.endswith("there, 0.1 here; more is missing there, 1 here")
    assert other_versions_in("ValueError: torch") == ("", "")
    assert change_in(failure) == ""


def test_the_query_of_a_stores_address_stays_at_its_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = "s3://bucket/path?endpoint_override=http://127.0.0.1:9000"
    folder = StateFolder.open(store, "beta", "quick")
    end = "?endpoint_override=http://127.0.0.1:9000"
    assert folder.checkpoints == f"s3://bucket/path/beta/quick/checkpoints{end}"
    assert folder.scratch == f"s3://bucket/path/beta/quick/tune{end}"
    assert location_below("s3://bucket/", "a") == "s3://bucket/a"
    assert location_below("/what?/is", "a") == "/what?/is/a"

import math
import socket
import threading

import pytest

from study.execution.cluster import RayCluster
from study.scheduling.nodes import (
    ClusterNode,
    StragglerDetector,
    describe_nodes,
    node_faults,
    part_taken,
    room_for,
)
from study.state import StateFolder
from study.trials import cost_class
from trainables.checkpoints import open_checkpoints
from trainables.configuration import parse_configuration
from trainables.node_checks import NodeSight, code_versions

BIG = ClusterNode("abcdef0123", "big", cpus=8, gpus=2)
SMALL = ClusterNode("fedcba9876", "small", cpus=2, gpus=0)


@pytest.mark.parametrize(
    ("cpus", "gpus", "rooms"), [(1, 0, 10), (3, 0, 2), (1, 0.25, 8), (2, 0.25, 4), (1, 1, 2)]
)
def test_a_trial_takes_its_share_of_one_node(cpus, gpus, rooms):
    assert room_for([BIG, SMALL], cpus, gpus) == rooms


def test_a_share_of_a_gpu_lies_on_one_gpu():
    four = ClusterNode("", "here", cpus=64, gpus=4)
    assert four.room(1, 0.4) == 8  # two on each: what two GPUs have left is no share
    assert four.room(1, 0.25) == 16 and four.room(1, 1) == 4


def test_thirds_of_a_gpu_are_three():
    assert ClusterNode("", "here", cpus=16, gpus=1).room(1, 1 / 3) == 3


@pytest.mark.parametrize(
    ("gpus", "share", "room"),
    [(4, 0.4, 8), (4, 0.6, 4), (2, 1 / 3, 6), (8, 0.3, 24), (1, 1, 1), (0, 0.5, 0), (3, 0.001, 64)],
)
def test_a_trial_has_its_share_of_a_single_gpu(gpus, share, room):
    assert ClusterNode("", "here", cpus=64, gpus=gpus).room(1, share) == room


def test_trials_of_unequal_shares_take_their_parts_of_all_places():
    assert part_taken([BIG, SMALL], [(1, 0.25)] * 8) == 1
    assert part_taken([BIG, SMALL], [(1, 0.25)] * 4 + [(1, 1)]) == 1  # 4 of 8 and 1 of 2
    assert part_taken([BIG, SMALL], [(1, 0.25)] * 5 + [(1, 1)]) > 1
    assert part_taken([BIG], [(1, 0.25)] * 2 + [(4, 0.5)]) == 0.75  # 2 of 8 and 1 of 2
    assert part_taken([BIG], []) == 0
    assert part_taken([SMALL], [(1, 1)]) == math.inf


def test_a_gpu_shares_the_cpus_of_its_node():
    assert BIG.beside_gpu(1) == 4
    assert BIG.beside_gpu(1.5) == 2
    assert BIG.beside_gpu(8) == 1  # one has to do


def test_nodes_are_described_by_size_and_room():
    said = describe_nodes([SMALL, BIG, SMALL], 1, 0)
    assert said == "3: 2 x 2 CPUs, 1 x 8 CPUs, 2 GPUs; room for 12 trials of 1 CPU each"
    assert (
        describe_nodes([BIG], 4, 0.5)
        == "8 CPUs, 2 GPUs; room for 2 trials of 4 CPUs, 0.5 GPUs each"
    )
    assert describe_nodes([BIG], 1, 1, 0.25) == (
        "8 CPUs, 2 GPUs; room for 2 trials of 1 CPU, 1 GPU each "
        "or 8 trials of 1 CPU, 0.25 GPUs each"
    )


def sight(**changed) -> NodeSight:
    settled = {"fingerprints": ("feed",), "missing": (), "checkpoints": ""}
    return NodeSight(**{"versions": code_versions(), **settled, **changed})


def test_a_node_that_sees_what_the_driver_sees_has_no_fault():
    assert node_faults(sight(), code_versions(), ["feed"]) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"versions": {**code_versions(), "torch": "1.0"}}, "torch is 1.0 there"),
        ({"versions": {}}, "trainables is missing there"),
        ({"fingerprints": ("beef",)}, "data sets are not those of this machine"),
        ({"fingerprints": (), "missing": ("mnist: no file",)}, "is missing: mnist: no file"),
        ({"checkpoints": "is another folder there than here"}, "--state DIR_OR_URI"),
    ],
)
def test_each_fault_of_a_node_is_named(changed, said):
    assert any(said in fault for fault in node_faults(sight(**changed), code_versions(), ["feed"]))


def test_checkpoints_may_lie_in_a_store_and_the_drivers_own_files_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = StateFolder.open(f"file://{tmp_path}/store/", "small", "quick")
    assert state.folder == tmp_path / "state/small/quick"
    assert state.checkpoints == f"file://{tmp_path}/store/small/quick/checkpoints"
    checkpoints = open_checkpoints(state.checkpoints)
    checkpoints.save("key", {"epoch": 3})
    assert (tmp_path / "store/small/quick/checkpoints/key.pt").exists()
    assert checkpoints.load("key") == {"epoch": 3}


def test_a_node_at_less_than_half_the_pace_of_the_others_is_named_once():
    stragglers = StragglerDetector()
    for _ in range(5):
        assert stragglers.note_speed("a", "lenet", 100) == ""
    said = [
        stragglers.note_speed("b", kind, speed)
        for kind, speed in [("lenet", 40)] * 6 + [("resnet", 1)]
    ]
    assert [text for text in said if text] == [
        "Node b is slow: 40 images per second, the others 100."
    ]


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        ({"regularizer": {"name": "lamix"}},
         {"regularizer": {"name": "lamix", "mixing": "puzzlemix"}}),
        ({"dataset": {"name": "digits", "train_images": 200}},
         {"dataset": {"name": "digits", "train_images": 600}}),
    ],
)  # fmt: skip
def test_a_node_that_trains_what_costs_more_is_not_called_slow(cheap, dear):
    base = {"dataset": {"name": "digits"}, "network": {"name": "lenet"},
            "regularizer": {"name": "vanilla"}}  # fmt: skip
    stragglers = StragglerDetector()
    for _ in range(5):
        for node, changes, speed in (("node-a", cheap, 1511), ("node-b", dear, 597)):
            kind = cost_class(parse_configuration({**base, **changes}))
            assert stragglers.note_speed(node, kind, speed) == ""


def test_a_head_that_falls_silent_is_noticed_and_one_that_answers_is_none(monkeypatch):
    monkeypatch.setattr("study.execution.cluster.HEAD_SECONDS", 1.5)
    lost = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        cluster = RayCluster(existing=True, head=address, dashboard=None, token=False)
        with cluster.watched(lost.set):
            assert not lost.wait(3)
            head.close()
            assert lost.wait(10)

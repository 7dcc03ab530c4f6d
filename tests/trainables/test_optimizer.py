"""The optimiser of a trial: torch's SGD, bit by bit, without torch's compiler."""

import copy
import inspect
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

from trainables.devices import be_deterministic
from trainables.optimizer import EagerSgd

RECIPES = [
    {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    {"momentum": 0.9},
    {"weight_decay": 1e-4},
    {"momentum": 0.9, "dampening": 0.1, "maximize": True},
]
TRAIN = """
import sys
import torch
from trainables.devices import be_deterministic
from trainables.networks import build
from trainables.optimizer import EagerSgd
be_deterministic()
network = build("lenet", num_classes=10)
optimizer = EagerSgd(network.parameters(), lr=0.1, momentum=0.9, fused=True)
for _ in range(2):
    optimizer.zero_grad()
    network(torch.rand(4, 3, 32, 32)).sum().backward()
    optimizer.step()
optimizer.state_dict()
print(*(name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules))
"""


@pytest.fixture(autouse=True)
def free_of_mode():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_and_state_are_those_of_torchs_own_optimiser_bit_by_bit(recipe):
    ours = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    theirs = copy.deepcopy(ours)
    optimizers = [
        EagerSgd(ours.parameters(), lr=0.1, fused=True, **recipe),
        torch.optim.SGD(theirs.parameters(), lr=0.1, fused=True, **recipe),
    ]
    for _ in range(3):
        images = torch.rand(4, 5)
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            optimizer.step()
    for here, there in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(here, there)
    check_equal_states(*optimizers)


def check_equal_states(one, other):
    here, there = one.state_dict(), other.state_dict()
    assert here["param_groups"] == there["param_groups"]
    assert here["state"].keys() == there["state"].keys()
    for index, state in here["state"].items():
        for name, value in state.items():
            theirs_too = there["state"][index][name]
            assert value is theirs_too is None or torch.equal(value, theirs_too)


def trained(kind, network, recipe, *, steps, saved=None):
    """Train a network by closures, from a saved state if there is one; return what is left."""
    optimizer = kind(network.parameters(), lr=0.1, **recipe)
    if saved is not None:
        optimizer.load_state_dict(saved)
    drawn = torch.Generator().manual_seed(steps)

    def loss_anew(images):
        optimizer.zero_grad()
        loss = network(images).square().sum()
        loss.backward()
        return loss

    losses = [
        optimizer.step(partial(loss_anew, torch.rand(4, 5, generator=drawn))) for _ in range(steps)
    ]
    return optimizer, [loss.item() for loss in losses]


@pytest.mark.parametrize("kinds", [(EagerSgd, torch.optim.SGD), (torch.optim.SGD, EagerSgd)])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_saved_state_goes_on_in_either_optimiser_as_in_torchs_own(recipe, kinds):
    first, second = kinds
    ours = nn.Linear(5, 3)
    theirs = copy.deepcopy(ours)
    begun, losses = trained(first, ours, recipe, steps=3)
    plain, expected = trained(torch.optim.SGD, theirs, recipe, steps=3)
    assert losses == expected and all(loss > 0 for loss in losses)
    done, losses = trained(second, ours, recipe, steps=2, saved=begun.state_dict())
    plain, expected = trained(torch.optim.SGD, theirs, recipe, steps=2, saved=plain.state_dict())
    assert losses == expected
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
    check_equal_states(done, plain)


def test_hooks_of_a_step_are_called():
    optimizer, called = EagerSgd([nn.Parameter(torch.ones(2))], lr=0.1), []
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.step()
    assert called == ["before", "after"]


def test_steps_that_are_to_be_differentiated_are_refused_in_words():
    with pytest.raises(ValueError, match=r"`differentiable` must be False.*torch\.optim\.SGD"):
        EagerSgd([nn.Parameter(torch.ones(2))], lr=0.1, differentiable=True)
    group = {"params": [nn.Parameter(torch.ones(2))], "differentiable": True}
    with pytest.raises(ValueError, match="`differentiable` must be False"):
        EagerSgd([group], lr=0.1)
    with pytest.raises(ValueError, match="`differentiable` must be False"):
        EagerSgd([nn.Parameter(torch.ones(3))], lr=0.1).add_param_group(group)


def test_settings_are_taken_by_position_as_by_torchs_own():
    settings = [
        kind([nn.Parameter(torch.ones(2))], 0.1, 0.9, 0.0, 1e-4, True).defaults
        for kind in (EagerSgd, torch.optim.SGD)
    ]
    assert settings[0] == settings[1] and settings[0]["momentum"] == 0.9


def test_further_parameters_are_taken():
    optimizer = EagerSgd([nn.Parameter(torch.ones(2))], lr=0.1)
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1]


def test_a_step_leaves_the_gradient_mode_as_it_was():
    optimizer = EagerSgd([nn.Parameter(torch.ones(2))], lr=0.1)
    optimizer.step()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", ["add_param_group", "state_dict", "step", "zero_grad"])
def test_torch_marks_its_methods_by_decorators_that_tell_what_is_below(method):
    marked = getattr(torch.optim.SGD, method)
    assert inspect.unwrap(marked) is not marked


def test_a_process_trains_without_the_compiler():
    command = [sys.executable, "-c", TRAIN]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_trials_process_is_deterministic():
    be_deterministic()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()

"""The private names of other packages that this project uses: a change of theirs is seen here.

Each has a guard where it is used: without the name the project works on, with less comfort. What
has no guard is imported by a public name, or its module says what takes its place.
"""

import inspect
import re
from pathlib import Path

import optuna
import pytest
import ray
import torch
from optuna.trial import create_trial
from ray._private import services
from ray.tune.execution import tune_controller
from ray.tune.experiment import Trial as TuneTrial

from study.execution import local_ray, tune_adapters
from study.search import samplers
from tests import source_tree

KNOWN = {
    "study/execution/local_ray.py": {"ray._private"},
    "study/execution/cluster.py": {"ray._private"},
    "trainables/trainable.py": {"ray._raylet"},
    "trainables/randomness.py": {"torch._standard_gamma"},
    "trainables/networks/_compilation.py": {"torch._dynamo", "torch._functorch"},
    "trainables/cuda_graphs.py": {"torch._C"},
    "study/search/optuna_study.py": {"_optuna._study_id", "trial._trial_id"},
}
"""By file; whoever adds one adds a test of it below."""
PRIVATE = re.compile(r"\b(?:ray|torch|optuna)\._(?!_)\w+|_optuna\._study_id|\btrial\._trial_id")


def test_no_other_private_name_is_used():
    found = {}
    for module in source_tree.modules():
        names = set(PRIVATE.findall((Path(source_tree.ROOT) / module.path).read_text()))
        if names:
            found[module.path] = names
    assert found == KNOWN


def test_ray_starts_its_processes_by_the_class_that_is_shielded():
    assert issubclass(local_ray.ShieldedProcess, getattr(services, local_ray.STARTER))
    assert f"{local_ray.STARTER}(" in inspect.getsource(services.start_ray_process)


def test_without_that_class_ray_starts_all_the_same(monkeypatch):
    monkeypatch.delattr(services, local_ray.STARTER)
    with local_ray.shielded_processes():
        assert not hasattr(services, local_ray.STARTER)


def test_ray_names_its_processes(monkeypatch):
    from trainables import trainable

    assert callable(ray._raylet.setproctitle)
    monkeypatch.delattr(ray._raylet, "setproctitle")
    trainable._set_process_title("a title")  # and nothing happens


def test_ray_tune_keeps_the_handle_of_a_trials_actor(monkeypatch):
    assert ".set_ray_actor(ray_actor)" in inspect.getsource(tune_controller.TuneController)
    assert "temporary_state.ray_actor = " in inspect.getsource(TuneTrial.set_ray_actor)
    killed = []
    monkeypatch.setattr(ray, "kill", killed.append)
    trial = type("T", (), {"temporary_state": type("S", (), {"ray_actor": "handle"})()})()
    tune_adapters.end_process(trial)
    trial.temporary_state = object()
    tune_adapters.end_process(trial)
    assert killed == ["handle"]


def test_nsga2_notes_generations_under_the_name_that_is_kept():
    assert optuna.samplers.NSGAIISampler._get_generation_key() == "NSGAIISampler:generation"
    assert samplers.GENERATION_ATTRIBUTE == "NSGAIISampler:generation"


def test_optuna_numbers_studies_and_trials_for_its_storage():
    study = optuna.create_study()
    study.add_trial(create_trial(value=1.0))
    assert study._storage.get_trial_id_from_study_id_trial_number(study._study_id, 0) == (
        study.get_trials()[0]._trial_id
    )


@pytest.mark.parametrize("name", ["_cuda_endAllocateToPool", "_cuda_releasePool"])
def test_torch_gives_a_pool_of_memory_back(name):
    if torch.version.cuda is None:
        pytest.skip("this torch is for CPUs")
    assert callable(getattr(torch._C, name))


def test_torch_draws_from_a_gamma_distribution_by_a_generator():
    generator = torch.Generator().manual_seed(0)
    drawn = torch._standard_gamma(torch.ones(3), generator=generator)
    assert drawn.shape == (3,) and bool((drawn > 0).all())


def test_torch_compiles_as_it_is_told():
    from torch._dynamo import config as tracing
    from torch._functorch import config as differentiation

    assert hasattr(tracing, "recompile_limit") and hasattr(tracing, "accumulated_recompile_limit")
    assert hasattr(differentiation, "donated_buffer")

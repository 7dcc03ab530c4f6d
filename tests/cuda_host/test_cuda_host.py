"""What a GPU would be asked for, refused and told, seen without one: see `runtime.c`.

Kernels do nothing here, so nothing is said of results. `make test-cuda-host` runs these tests.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from lamix_study.testing.contract import title
from tests.study.launching import Folder
from tests.trainables.test_regularizers import SETTINGS
from trainables import compile_choice, probe
from trainables.configuration import parse_configuration
from trainables.cuda_graphs import STEPS_BEFORE_RECORDING
from trainables.devices import DeviceError, be_deterministic, first_gpu, open_device
from trainables.failures import error_cause
from trainables.memory import CONTEXT_MEGABYTES, taken_megabytes
from trainables.networks import _compilation
from trainables.precision import chosen_precision
from trainables.training import Trainer
from trainables.training_step import StepCache

pytestmark = [
    pytest.mark.cuda_host,
    pytest.mark.skipif(
        "libcudahost" not in os.environ.get("LD_PRELOAD", ""), reason="see make test-cuda-host"
    ),
]
CARD = torch.device("cuda", 0)
MEGABYTE = 2**20
WITHOUT_FOURIER = [each for each in SETTINGS if each["name"] not in ("fmix", "saliencymix")]
"""Regularizers that do not ask cuFFT, which does not work here."""


class Counts(ctypes.Structure):
    """As in `runtime.c`."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("launches", "graph_launches", "synchronisations", "allocations", "captures")
    ]


def counts() -> dict[str, int]:
    library = ctypes.CDLL(None)
    library.cuda_host_counts.restype = ctypes.POINTER(Counts)
    found = library.cuda_host_counts().contents
    return {name: getattr(found, name) for name, _ in Counts._fields_}


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_trial() -> Iterator[None]:
    be_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


def configuration(regularizer: dict, network: str = "lenet", **training: object) -> dict:
    return {
        "dataset": {"name": "digits", "validation": 0.1, "train_images": 300, "test_images": 40},
        "network": {"name": network, **({} if network == "lenet" else {"width": 4})},
        "regularizer": regularizer,
        "training": {"epochs": 3, "batch_size": 16, "milestones": [1], **training},
    }


def trained(config: dict, **options) -> Trainer:
    trainer = Trainer(config, **options)
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def run(program: str, **environment: str) -> str:
    """Return what a program prints, run as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Recording


def assert_recorded(trainer: Trainer) -> None:
    assert trainer.notice == ""
    recordings = trainer.step.recordings
    if trainer.regularizer.waits_for_device:
        assert recordings is None
        return
    often = {v for v, n in recordings.computed.items() if n > STEPS_BEFORE_RECORDING}
    assert often and recordings.replays.keys() == often


def test_what_is_measured_for_compile_auto_is_no_part_of_the_trial(monkeypatch, tmp_path):
    monkeypatch.setenv("LAMIX_STUDY_CACHE", str(tmp_path))
    # There is no compiler for this card: both contenders are computed alike.
    monkeypatch.setattr(_compilation, "compiled_run", lambda: _compilation.run_stages)
    monkeypatch.setattr(compile_choice, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(compile_choice, "FEWEST_STEPS", 1)
    monkeypatch.setattr(compile_choice, "COMPILER_SECONDS", 1e9)

    def peak_with(setting: bool | str) -> float:
        trainer = trained(configuration({"name": "manifold_mixup"}, compile=setting))
        assert not trainer.compiled
        assert_recorded(trainer)
        return trainer.step.memory.megabytes()

    peak_with(False)  # what libraries keep of a card is there from here on
    peaks = [peak_with(setting) for setting in (False, "auto")]
    assert len(list((tmp_path / "compile").rglob("*.json"))) == 1
    assert peaks[1] == pytest.approx(peaks[0], rel=0.01)


@pytest.mark.parametrize("settings", WITHOUT_FOURIER, ids=title)
def test_every_regularizer_records_without_a_fault(settings):
    assert_recorded(trained(configuration(settings, precision="bf16")))


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("network", ["lenet", "preact_resnet18"])
@pytest.mark.parametrize(
    "settings",
    [{"name": "vanilla"}, {"name": "lamix"}, {"name": "lamix", "mixing": "puzzlemix"}],
    ids=title,
)
def test_every_precision_of_a_network_records_without_a_fault(settings, network, precision):
    trainer = trained(configuration(settings, network, precision=precision, epochs=2))
    assert_recorded(trainer)
    assert trainer.precision == precision


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("network", ["lenet", "preact_resnet18", "wide_resnet28_10", "resnet50"])
@pytest.mark.parametrize("settings", WITHOUT_FOURIER, ids=title)
def test_all_combinations_record_without_a_fault(settings, network, precision):
    assert_recorded(trained(configuration(settings, network, precision=precision, epochs=2)))


def test_a_replayed_step_is_one_launch_of_a_graph_and_waits_for_nothing():
    trainer = trained(configuration({"name": "vanilla"}, "preact_resnet18", epochs=1))
    batch = trainer.images.epoch(0, 2).batch(0)
    torch.cuda.synchronize()
    before = counts()
    for step in range(10):
        trainer.step(*batch, step=step)
    after = counts()
    assert after["graph_launches"] - before["graph_launches"] == 10
    assert after["synchronisations"] == before["synchronisations"]
    assert after["launches"] - before["launches"] <= 10 * 4  # the inputs are copied to their place


def test_without_graphs_no_step_is_recorded():
    before = counts()["captures"]
    trainer = trained(configuration({"name": "vanilla"}, graphs=False, epochs=1))
    assert trainer.step.recordings is None and counts()["captures"] == before


def test_a_step_that_waits_for_the_device_goes_on_unrecorded_and_says_so(monkeypatch):
    trainer = Trainer(configuration({"name": "vanilla"}))
    loss_of = trainer.regularizer.loss_of

    def waiting(network, batch):
        torch.cuda.synchronize()
        return loss_of(network, batch)

    monkeypatch.setattr(trainer.regularizer, "loss_of", waiting)
    trainer.train_epoch()
    assert "cannot be recorded as a CUDA graph" in trainer.notice
    torch.cuda.empty_cache()  # raises while the allocator believes in a capture


@pytest.mark.parametrize("name", ["_cuda_endAllocateToPool", "_cuda_releasePool"])
def test_a_trial_goes_on_unrecorded_without_torchs_private_names(name):
    program = (
        "import torch\n"
        "from tests.cuda_host.test_cuda_host import configuration\n"
        "from trainables.training import Trainer\n"
        f"del torch._C.{name}\n"
        "trainer = Trainer(configuration({'name': 'vanilla'}, epochs=1))\n"
        "loss_of = trainer.regularizer.loss_of\n"
        "def waiting(*args):\n"
        "    torch.cuda.synchronize()\n"
        "    return loss_of(*args)\n"
        "trainer.regularizer.loss_of = waiting\n"
        "trainer.train_epoch()\n"
        "print(trainer.notice)"
    )
    assert "cannot be recorded as a CUDA graph" in run(program)


def test_memory_that_runs_out_while_recording_is_told_as_that(monkeypatch):
    trainer = Trainer(configuration({"name": "vanilla"}))
    loss_of = trainer.regularizer.loss_of

    def greedy(network, batch):
        if torch.cuda.is_current_stream_capturing():
            torch.empty(2**40, dtype=torch.uint8, device="cuda")
        return loss_of(network, batch)

    monkeypatch.setattr(trainer.regularizer, "loss_of", greedy)
    with pytest.raises(torch.OutOfMemoryError, match="while a step was recorded") as failed:
        trainer.train_epoch()
    assert error_cause(failed.value) == "gpu_memory"


# Devices and precisions


def test_a_numbered_gpu_may_be_the_first_that_a_process_asks_cuda_for():
    plain = configuration({"name": "vanilla"}, epochs=1)
    program = (
        "from trainables.training import Trainer\n"
        f"trainer = Trainer({plain!r}, device='cuda:0')\n"
        "assert trainer.train_epoch() is not None\n"
        "print(trainer.device, trainer.step.recordings is not None)"
    )
    assert run(program) == "cuda:0 True"


def test_a_gpu_by_its_number_and_by_its_kind_is_one_device():
    warmth = StepCache()
    config = configuration({"name": "vanilla"}, epochs=1)
    first = trained(config, device="cuda", warmth=warmth)
    assert trained(config, device="cuda:0", warmth=warmth).step is first.step
    with pytest.raises(DeviceError, match="no device cuda:3: PyTorch finds 1 GPU here"):
        open_device("cuda:3")


@pytest.mark.parametrize(("precision", "told"), [("fp32", "ieee"), ("tf32", "tf32")])
def test_pytorch_is_told_how_a_gpu_multiplies_fp32(precision, told):
    trained(configuration({"name": "vanilla"}, precision=precision, epochs=1))
    assert torch.backends.cudnn.conv.fp32_precision == told
    assert torch.backends.cuda.matmul.fp32_precision == told


def test_the_precision_of_a_gpu_follows_its_capability():
    assert chosen_precision("auto", CARD) == "bf16"
    program = (
        "import torch; from trainables.precision import *\n"
        "card = torch.device('cuda', 0)\n"
        "try: chosen_precision('tf32', card)\n"
        "except PrecisionError as error: print(chosen_precision('auto', card), '|', error)"
    )
    said = run(program, CUDA_HOST_CAPABILITY="75")
    assert said.startswith("fp32 | ") and "needs a GPU of compute capability 8.0" in said


# Memory


def test_words_of_pytorch_and_of_cublas_for_a_lack_of_memory_are_known():
    with pytest.raises(torch.OutOfMemoryError) as failed:
        torch.empty(2**40, dtype=torch.uint8, device="cuda")
    assert error_cause(failed.value) == "gpu_memory"
    program = (
        "import torch; from trainables.failures import error_cause\n"
        "try: torch.ones(2, 2, device='cuda') @ torch.ones(2, 2, device='cuda')\n"
        "except RuntimeError as error: print(error_cause(error), '|', error)"
    )
    said = run(program, CUDA_HOST_NO_BLAS="1")
    assert said.startswith("gpu_memory | ") and "CUBLAS_STATUS_ALLOC_FAILED" in said


def test_a_share_is_a_cap():
    program = (
        "import torch; from trainables.memory import keep_within\n"
        "keep_within(0.25)\n"
        f"torch.empty({1400 * MEGABYTE}, dtype=torch.uint8, device='cuda')\n"
        "try: torch.empty(3 * 2**30, dtype=torch.uint8, device='cuda')\n"
        "except torch.OutOfMemoryError: print('refused')"
    )
    assert run(program, CUDA_HOST_MEMORY_MB="8192") == "refused"


def test_a_library_that_does_without_the_memory_it_was_refused_is_noticed():
    trainer = Trainer(configuration({"name": "vanilla"}))
    assert trainer.notice == ""
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2**40, dtype=torch.uint8, device="cuda")
    assert "cuDNN then takes another algorithm" in trainer.notice
    assert Trainer(configuration({"name": "vanilla"})).notice == ""


@pytest.fixture
def neighbour() -> Iterator[int]:
    """Hold memory of the GPU in another process; yield how many megabytes."""
    program = (
        "import sys, torch\n"
        f"held = torch.empty({5000 * MEGABYTE}, dtype=torch.uint8, device='cuda')\n"
        "print('holds', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holds\n"
    yield 5000
    process.communicate()


def test_memory_of_others_is_not_counted_as_the_trials(neighbour):
    free, total = torch.cuda.mem_get_info()
    assert (total - free) / MEGABYTE > neighbour
    held = torch.cuda.max_memory_reserved() / MEGABYTE
    assert taken_megabytes(CARD) == pytest.approx(held + CONTEXT_MEGABYTES)
    assert taken_megabytes(CARD) < neighbour


def test_a_probe_is_warm_and_counts_its_own_memory(neighbour, monkeypatch, tmp_path):
    monkeypatch.setattr(probe, "SECONDS", 0.2)
    trainers = []

    def remember(*args, **options):
        trainers.append(Trainer(*args, **options))
        return trainers[-1]

    monkeypatch.setattr(probe, "Trainer", remember)
    puzzled = configuration({"name": "lamix", "mixing": "puzzlemix"})
    found = probe.probe_trial(parse_configuration(puzzled), data=tmp_path, device="cuda")
    assert len(trainers[0].step.recordings.replays) == 5
    assert CONTEXT_MEGABYTES < found.taken_mb < neighbour


def test_a_gpu_is_described_with_what_its_figures_hold_for():
    card = first_gpu()
    assert (card.name, card.memory_mb, card.mps) == ("no GPU (CUDA on the host)", 80_000, False)


# Programs


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_doctors_checks_run_to_their_end(monkeypatch, tmp_path):
    from study.doctoring import checks, gpu
    from study.doctoring.machine import DoctorOptions

    monkeypatch.setattr(gpu, "MATRIX", 256)
    monkeypatch.setattr(gpu, "SIDE_BY_SIDE", (1,))
    monkeypatch.setattr(gpu, "_regularizer_names", lambda: ["vanilla", "lamix", "cutmix"])
    options = DoctorOptions(tmp_path, str(tmp_path))
    said = {
        finding.name: finding
        for name in gpu.GPU_CHECKS
        for finding in checks._found_by(name, options)
    }
    assert said.keys() == gpu.GPU_CHECKS.keys()
    assert "products of matrices are wrong" in said["gpu"].said  # it computes nothing
    assert said["cap"].state == "ok"
    assert "not recorded" not in said["recorded"].said
    assert "report" not in said["beside"].remedy + said["bf16"].remedy  # no check broke off
    assert [row[0] for row in said["throughput"].table] == ["side by side", "1"]


def test_the_doctor_fails_on_a_gpu_that_computes_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "study.doctor", "--only", "gpu", "--only", "cap", "--json"],
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["schema"] == 1 and not told["well"]
    assert [each["state"] for each in told["findings"]] == ["failed", "ok"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_benchmark_runs_to_its_end_and_keeps_no_figures(tmp_path):
    out = tmp_path / "results.md"
    program = (
        "import sys\n"
        "from tests.benchmarks import gpu\n"
        "gpu.STEPS = {'preact_resnet18': 3, 'lenet': 3}\n"
        "gpu.BASELINE_STEPS, gpu.SIDE_BY_SIDE, gpu.MOST, gpu.MATRIX = 2, (1, 2), 2, 256\n"
        "in_turns = gpu.in_turns\n"
        "gpu.in_turns = lambda measures, *, repeats: in_turns(measures, repeats=1)\n"
        f"sys.argv = ['gpu', '--short', '--out', {str(out)!r}]\n"
        "gpu.main()"
    )
    said = run(program)  # a process that has loaded nothing yet, as the command's own
    assert said.startswith("This GPU computes nothing")
    assert "## The cap of memory" in said and "asked for beyond its share, refused" in said
    assert not out.exists()


# Studies


STUDY = """
study: small
question: Do trials share a GPU?
trial:
  dataset: {name: digits, validation: 0.2, train_images: 120, test_images: 30}
  network: {name: lenet}
  regularizer: {name: vanilla}
  training: {epochs: 1, batch_size: 20, milestones: []}
search:
  sampler: grid
  seeds: 1
  space: {training.learning_rate: [0.05]}
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("share", "memory_mb", "refused"), [("0.5", "80000", 0), ("0.25", "800", 1)]
)
def test_a_study_trains_on_a_share_of_the_gpu_and_on_a_larger_one_where_memory_ran_out(
    tmp_path, monkeypatch, share, memory_mb, refused
):
    monkeypatch.setenv("CUDA_HOST_MEMORY_MB", memory_mb)
    folder = Folder(tmp_path, STUDY)
    output = folder.launch("--set", f"resources.gpus={share}")
    log = (folder.state("full") / "log.txt").read_text()
    assert log.count("torch.OutOfMemoryError: CUDA out of memory") == refused
    assert output.count("0.25 of a GPU's memory does not suffice") == refused
    (trial,) = folder.runs()
    told = {name: trial.data.tags[name] for name in ("device", "precision", "outcome")}
    assert told == {
        "device": "no GPU (CUDA on the host)",
        "precision": "fp32",
        "outcome": "completed",
    }

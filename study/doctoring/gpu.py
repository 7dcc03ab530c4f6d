"""What a GPU must do for the documentation to be true of it, and how fast it is.

Each proof trains small networks on scikit-learn's digits, for seconds. Where there is no GPU each
says that it was skipped.
"""

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

import torch

from study.doctoring.findings import Finding
from study.doctoring.machine import DoctorOptions
from study.scratch import lend_scratch
from trainables import probe, regularizers
from trainables.checkpoints import open_checkpoints
from trainables.configuration import parse_configuration
from trainables.devices import be_deterministic, device_name, first_gpu
from trainables.failures import error_cause
from trainables.memory import keep_within
from trainables.metrics import COSTS
from trainables.plugins import settings_classes
from trainables.precision import computing_in
from trainables.recipe import Precision
from trainables.training import Trainer

NO_GPU = "PyTorch finds no GPU here"
BF16_BOUND = 0.05
"""How far logits in bf16 may lie from those in fp32, as a share of the largest."""
MATRIX = 4096
PRODUCTS = 10
SIDE_BY_SIDE = (1, 2, 4)
CAP = 0.25
IMAGES = 160
MIXTURES: tuple[dict[str, Any], ...] = ({"name": "lamix", "mixing": "puzzlemix"},)
"""Regularizers that are tried beside each one at its defaults."""
GRAPHS_REMEDY = "`training.graphs: false` computes each operation by itself; please report this"
SHARE_REMEDY = "`resources.gpus: 1` gives each trial a GPU of its own"


def check_gpu(options: DoctorOptions) -> Iterator[Finding]:
    """Yield what GPU there is, and its rate of matrix products by precision."""
    card = first_gpu()
    if card is None:
        yield Finding("gpu", "skipped", f"{NO_GPU}: trials train on CPUs with `resources.gpus: 0`")
        return
    device = torch.device("cuda")
    said = (
        f"{torch.cuda.device_count()} x {card.name}, {card.memory_mb:,.0f} MB, driver "
        f"{card.driver or 'unknown'}, CUDA {torch.version.cuda}, MPS {'on' if card.mps else 'off'}"
    )
    table = [("precision", "TFLOP/s")]
    for precision in ("fp32", "tf32", "bf16"):
        table.append((precision, f"{product_rate(precision, device) / 1e12:.1f}"))
    ones = torch.ones(MATRIX, MATRIX, device=device)
    if bool((ones @ ones == MATRIX).all()):
        yield Finding("gpu", "ok", said, table=tuple(table))
    else:
        remedy = "its driver and PyTorch's CUDA do not fit together: `nvidia-smi` says which"
        yield Finding("gpu", "failed", f"{said}; products of matrices are wrong", remedy)


def product_rate(precision: Precision, device: torch.device) -> float:
    """Return the rate of matrix products, in FLOP/s."""
    one, other = torch.randn(2, MATRIX, MATRIX, device=device)
    if precision == "bf16":
        one, other = one.bfloat16(), other.bfloat16()
    with computing_in("tf32" if precision == "tf32" else "fp32", device):
        one @ other
        _wait(device)
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            one @ other
        _wait(device)
    return PRODUCTS * 2 * MATRIX**3 / (time.perf_counter() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def small_trial(regularizer: dict[str, Any], *, device: str = "cuda", **training: Any) -> Trainer:
    """Return a trial of two epochs, at its start."""
    configuration = {
        "dataset": {
            "name": "digits",
            "validation": 0.1,
            "train_images": IMAGES,
            "test_images": 40,
        },
        "network": {"name": "preact_resnet18", "width": 16},
        "regularizer": regularizer,
        "training": {
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.05,
            "milestones": [0],
            **training,
        },
    }
    return Trainer(configuration, device=device)


def trained_digest(trainer: Trainer) -> str:
    """Train to the end; return a hash of weights, momentum and all metrics but those of cost."""
    while not trainer.finished:
        trainer.train_epoch()
    digest = hashlib.blake2b(digest_size=8)
    for epoch in trainer.history:
        digest.update(repr([(k, v) for k, v in asdict(epoch).items() if k not in COSTS]).encode())
    states = (trainer.network.state_dict(), trainer.regularizer.state_dict())
    tensors = [tensor for state in states for tensor in state.values()]
    for tensor in (*tensors, *trainer.step.momentum):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def digest_of(regularizer: dict[str, Any], device: str, share: float | None = None) -> str:
    """Return the digest of a small trial, trained as a trial is; for a process of its own."""
    be_deterministic()
    if share is not None and device == "cuda":
        keep_within(share)
    return trained_digest(small_trial(regularizer, device=device))


def check_recorded(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield whether recorded steps compute what unrecorded ones do, for each regularizer."""
    tried, wrong, without = 0, [], []
    for settings in (*({"name": name} for name in _regularizer_names()), *MIXTURES):
        title = "+".join(settings.values())
        tried += 1
        try:
            recorded = small_trial(settings, device=device)
            plain = trained_digest(small_trial(settings, device=device, graphs=False))
            if trained_digest(recorded) != plain:
                wrong.append(title)
        except Exception as error:  # one that fails says nothing of the others
            wrong.append(f"{title} ({str(error).partition(chr(10))[0]})")
            continue
        if recorded.step.recordings is None or not recorded.step.recordings.replays:
            without.append(title)
    bare = f" (not recorded: {', '.join(without)})" if without else ""
    if wrong:
        said = f"recorded steps compute otherwise with {', '.join(wrong)}{bare}"
        yield Finding("recorded", "failed", said, GRAPHS_REMEDY)
    else:
        said = f"recorded steps equal computed ones bit by bit, {tried} regularizers{bare}"
        yield Finding("recorded", "ok", said)


def _regularizer_names() -> Iterator[str]:
    yield from settings_classes(regularizers.__name__)


def check_beside(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield whether two trials on one GPU compute what each does alone."""
    settings = ({"name": "lamix"}, {"name": "mixup"})
    alone = [digest_of(each, device) for each in settings]
    with _processes(2) as pool:
        futures = [pool.submit(digest_of, each, device, 0.45) for each in settings]
        beside = [future.result() for future in futures]
    if alone == beside:
        yield Finding("beside", "ok", "two trials side by side equal each alone, bit by bit")
    else:
        said = "two trials side by side compute otherwise than each alone"
        yield Finding("beside", "failed", said, SHARE_REMEDY)


def check_cap(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield whether a process with a share of the GPU is refused more than that."""
    with _processes(1) as pool:
        answer = pool.submit(ask_beyond, CAP).result()
    if answer == "refused":
        yield Finding("cap", "ok", f"a trial with {CAP:g} of the GPU is refused half of it")
    else:
        yield Finding(
            "cap", "failed", f"half of the GPU, with {CAP:g} of it: {answer}", SHARE_REMEDY
        )


def ask_beyond(share: float) -> str:
    """Ask for half of the GPU's memory with a smaller share, and return what comes of it."""
    keep_within(share)
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        torch.empty(total // 2, dtype=torch.uint8, device="cuda")
    except RuntimeError as error:
        return "refused" if error_cause(error) == "gpu_memory" else str(error)
    return "given"


def check_resume(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield whether a trial that goes on from its checkpoint equals one that ran through."""
    settings = {"name": "lamix"}
    whole = trained_digest(small_trial(settings, device=device))
    before = small_trial(settings, device=device)
    steps = iter(range(len(before.images) // 2))
    before.train_epoch(pause=lambda: next(steps, None) is None)
    with lend_scratch("doctor") as folder:
        store = open_checkpoints(folder)
        store.save("doctor", before.state_dict())
        after = small_trial(settings, device=device)
        after.load_state_dict(store.load("doctor") or {})
    if trained_digest(after) == whole:
        yield Finding("resume", "ok", "a trial resumed in mid-epoch equals one that ran through")
    else:
        yield Finding(
            "resume",
            "failed",
            "a trial that was resumed computes otherwise than one that ran through",
            f"{GRAPHS_REMEDY}; train trials that were cut off anew: `--code retrain`",
        )


def check_bf16(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield how far logits in bf16 are from those in fp32."""
    distance = bf16_distance(device)
    said = f"logits differ by {distance:.2%} of the largest; the bound is {BF16_BOUND:.0%}"
    if distance <= BF16_BOUND:
        yield Finding("bf16", "ok", said)
    else:
        yield Finding("bf16", "failed", said, "`training.precision: fp32` (or `tf32`) does without")


def bf16_distance(device: str) -> float:
    """Return the largest difference of logits in bf16 and fp32, as a share of the largest."""
    logits = {}
    for precision in ("fp32", "bf16"):
        trainer = small_trial({"name": "vanilla"}, device=device, precision=precision)
        trainer.network.eval()
        images = trainer.evaluated["test"].images_NCHW
        with torch.inference_mode():
            logits[precision] = trainer._logits(images).double()
    difference = (logits["bf16"] - logits["fp32"]).abs().max()
    return float(difference / logits["fp32"].abs().max())


def check_throughput(options: DoctorOptions, device: str = "cuda") -> Iterator[Finding]:
    """Yield what trials do alone and side by side."""
    configuration = parse_configuration(
        {
            "dataset": {"name": "digits"},
            "network": {"name": "preact_resnet18"},
            "regularizer": {"name": "lamix"},
            "training": {"precision": "auto", "milestones": []},
        }
    )
    table = [("side by side", "images/s", "x one", "MB of one")]
    alone, images = 0.0, 1437
    for count in SIDE_BY_SIDE:
        probes = probe.side_by_side(configuration, count, data=options.data, device=device)
        if not probes:
            table.append((str(count), "no room", "", ""))
            break
        rate = sum(images / each.epoch_seconds for each in probes)
        alone = alone or rate
        most = max(each.taken_mb for each in probes)
        table.append((str(count), f"{rate:,.0f}", f"{rate / alone:.2f}", f"{most:,.0f}"))
    said = f"PreAct ResNet-18 with LaMix on digits, batches of 128, on {_device_words(device)}"
    yield Finding("throughput", "ok", said, table=tuple(table))


def _device_words(device: str) -> str:
    return device_name(torch.device(device))


def _processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))


GPU_CHECKS: dict[str, Callable[[DoctorOptions], Iterator[Finding]]] = {
    "gpu": check_gpu,
    "recorded": check_recorded,
    "beside": check_beside,
    "cap": check_cap,
    "resume": check_resume,
    "bf16": check_bf16,
    "throughput": check_throughput,
}


def run_gpu_check(name: str, options: DoctorOptions) -> Iterator[Finding]:
    """Yield what a check finds; all but the first are skipped where there is no GPU."""
    if name != "gpu" and not torch.cuda.is_available():
        yield Finding(name, "skipped", NO_GPU)
        return
    be_deterministic()
    yield from GPU_CHECKS[name](options)

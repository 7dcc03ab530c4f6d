"""Builds the CUDA runtime of `runtime.c` for the PyTorch that is installed, into a folder.

    python -m tests.cuda_host.build FOLDER

It needs gcc and nm, and PyTorch's own CUDA wheels. `FOLDER/run COMMAND` then runs a command whose
PyTorch finds a GPU. cuDNN is switched off there: it asks the driver for more than stands here; and
the scores of an evaluation are made up, for none is computed.
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import torch

HERE = Path(__file__).parent
RUNTIME = re.compile(r"(cuda[A-Z]|__cuda|cublas)")
DRIVER = re.compile(r"cu[A-Z]\w+$")
NOT_THE_DRIVER = ("cublas", "cudnn", "cufft", "curand", "cusparse", "cusolver", "cuDNN")
CONTEXT = {
    "cuCtxGetCurrent": "(void **context) { *context = (void *)8; return 0; }",
    "cuDevicePrimaryCtxRetain": "(void **context, int d) { *context = (void *)8; return 0; }",
    "cuDevicePrimaryCtxGetState": (
        "(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }"
    ),
}
"""The driver's functions that PyTorch asks something."""
CUSTOMIZED = '''"""What is done to modules as they are imported: see `PATCHES`."""

import importlib.util
import sys


def switch_off_cudnn(torch):
    torch._C._set_cudnn_enabled(False)


def make_up_scores(evaluation):
    # Numbers that kernels should have computed are leftovers, a count of images may be 0.
    scores = evaluation.SplitScores(
        error=0.0, top5_error=0.0, loss=0.0, brier=0.0, calibration_error=0.0, confidence=1.0
    )
    evaluation.scores_from = lambda *args, **named: scores


PATCHES = {"torch": switch_off_cudnn, "trainables.evaluation": make_up_scores}


class _PatchingFinder:
    def find_spec(self, name, path=None, target=None):
        patch = PATCHES.pop(name, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _PatchingFinder())
'''
RUN = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
export LD_PRELOAD="$here/libcudahost.so"
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PYTHONPATH="$here/site${PYTHONPATH:+:$PYTHONPATH}"
export CUDA_HOST_LEDGER="${CUDA_HOST_LEDGER:-$here/ledger}"
exec "$@"
"""


def build(folder: Path) -> Path:
    """Build it, and return the command under which others run."""
    if torch.version.cuda is None:
        raise SystemExit("this PyTorch is built without CUDA: there is nothing to run on the host")
    for inner in ("lib", "site"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    names = _undefined_names()
    own = set(re.findall(r"^API .*?(\w+)\(", (HERE / "runtime.c").read_text(), re.M))
    others = sorted(name for name in names if RUNTIME.match(name) and name not in own)
    (folder / "others.inc").write_text(
        "".join(f"API int {name}(void) {{ return 0; }}\n" for name in others)
    )
    driver = sorted(
        {n for n in names if DRIVER.match(n) and not n.startswith(("cuda", *NOT_THE_DRIVER))}
        | CONTEXT.keys()
    )
    (folder / "driver.c").write_text(
        "".join(f"int {name}{CONTEXT.get(name, '(void) { return 0; }')}\n" for name in driver)
    )
    major, minor = map(int, str(torch.version.cuda).split("."))
    _compile(
        HERE / "runtime.c",
        folder / "libcudahost.so",
        f"-I{folder}",
        f"-I{HERE / 'include'}",
        f"-I{_headers()}",
        f"-DCUDA_HOST_VERSION={1000 * major + 10 * minor}",
        "-lpthread",
    )
    _compile(folder / "driver.c", folder / "lib" / "libcuda.so.1", "-Wl,-soname,libcuda.so.1")
    (folder / "site" / "sitecustomize.py").write_text(CUSTOMIZED)
    command = folder / "run"
    command.write_text(RUN)
    command.chmod(0o755)
    return command


def _compile(source: Path, library: Path, *options: str) -> None:
    # Arguments are unused by design, and functions stand in for ones of other types.
    flags = ["-shared", "-fPIC", "-O1", "-w"]
    subprocess.run(["gcc", *flags, "-o", library, source, *options], check=True)


def _undefined_names() -> set[str]:
    """Return what PyTorch's libraries expect of others."""
    found: set[str] = set()
    for library in (Path(torch.__file__).parent / "lib").glob("lib*.so"):
        listed = subprocess.run(
            ["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True
        ).stdout
        found |= {line.split()[-1].split("@")[0] for line in listed.splitlines() if line.strip()}
    return found


def _headers() -> Path:
    """Return where CUDA's types are declared: in one of the wheels that PyTorch brings."""
    site = Path(sysconfig.get_paths()["purelib"])
    for pattern in ("triton/backends/nvidia/include", "nvidia/*/include"):
        for folder in site.glob(pattern):
            if (folder / "driver_types.h").exists():
                return folder
    raise FileNotFoundError(f"no driver_types.h among the wheels in {site}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).absolute()))

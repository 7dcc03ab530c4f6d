"""What the machine offers: Python, packages, CPUs, memory, disk, data sets, cache."""

import os
import platform
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

import study
from analysis.counted import count_text
from study.doctoring.findings import Finding, FindingState
from trainables import datasets
from trainables.datasets import cache_folder, digits
from trainables.plugins import settings_classes

GIGABYTE = 2**30
DISTRIBUTION = "lamix-study"
LEAST_MEMORY, GOOD_MEMORY = 2.0, 4.0
"""GiB that are free: below the first a study fails, below the second few trials run at once."""
LEAST_DISK, GOOD_DISK = 1.0, 10.0
LEAST_SHARED = 1.0
NAMED_BY_STUDIES = ("image_folder", "torchvision")
"""Data sets that mean nothing until a study file says which folder or which of many."""
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class DoctorOptions:
    """What the user has said."""

    data: Path
    """The folder of the data sets."""
    state: str
    """Where studies keep their state: a folder or a URI."""


def check_python(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether this Python is one that the project is tested with."""
    own = platform.python_version()
    wanted = _project_metadata().python
    if wanted and not Requirement(f"python{wanted}").specifier.contains(own):
        remedy = f"make a virtual environment with a Python {wanted}"
        yield Finding("python", "failed", f"{own} is outside the tested {wanted}", remedy)
    else:
        yield Finding("python", "ok", f"{own}, {platform.machine()}")


def check_packages(options: DoctorOptions) -> Iterator[Finding]:
    """Yield which packages are missing or outside their tested ranges."""
    requirements = [Requirement(text) for text in _project_metadata().dependencies]
    if not requirements:
        yield Finding("packages", "skipped", "neither installed nor beside a pyproject.toml")
        return
    faults = list(filter(None, map(_package_fault, requirements)))
    if faults:
        remedy = "`pip install -c constraints.txt -e .` installs the tested versions"
        yield Finding("packages", "failed", "; ".join(faults), remedy)
    else:
        shown = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "mlflow"))
        yield Finding("packages", "ok", f"{len(requirements)} within the tested ranges: {shown}")


def _package_fault(requirement: Requirement) -> str:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return ""
    return f"{requirement.name} {found} is outside {requirement.specifier}"


@dataclass(frozen=True)
class ProjectMetadata:
    """What the project says that it needs."""

    python: str = ""
    dependencies: tuple[str, ...] = ()


def _project_metadata() -> ProjectMetadata:
    """Read the source's pyproject.toml or, where there is none, the installed package's data."""
    try:
        text = (Path(study.__file__).parents[1] / "pyproject.toml").read_text("utf-8")
        project = tomllib.loads(text)["project"]
        return ProjectMetadata(project["requires-python"], tuple(project["dependencies"]))
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    try:
        own = [text for text in requires(DISTRIBUTION) or [] if "extra ==" not in text]
    except PackageNotFoundError:
        return ProjectMetadata()
    return ProjectMetadata("", tuple(own))


def check_cpus(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether this process may use the cores that Ray will count."""
    counted = os.cpu_count() or 1
    allowed = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else counted)
    quota = cgroup_cpus(CGROUPS)
    usable = min(allowed, quota or allowed)
    load = os.getloadavg()[0]
    said = f"{usable:g} of {counted} cores, load {load:.1f}"
    if usable < counted:
        why = "a cgroup" if quota is not None and quota <= allowed else "the process's affinity"
        yield Finding(
            "cpus",
            "warning",
            f"{said}: {why} allows no more, and a local Ray may count all",
            f"`ray start --head --num-cpus {max(1, int(usable))}`, then launch with `--address`",
        )
    elif load > counted:
        yield Finding(
            "cpus", "warning", f"{said}: others are at work", "measured costs will be too high"
        )
    else:
        yield Finding("cpus", "ok", said)


def cgroup_cpus(root: Path) -> float | None:
    """Return how many CPUs a cgroup, version 2 or 1, allows; None where it sets no bound."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def check_memory(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether the memory that is free holds some trials."""
    memory = psutil.virtual_memory()
    free = min(memory.available, _cgroup_room(CGROUPS) or memory.available) / GIGABYTE
    said = f"{free:.1f} GiB free of {memory.total / GIGABYTE:.1f}"
    remedy = "run fewer trials side by side: raise `resources.cpus`"
    yield _by_size("memory", free, LEAST_MEMORY, GOOD_MEMORY, said, remedy)


def _cgroup_room(root: Path) -> int | None:
    try:
        bound = (root / "memory.max").read_text().strip()
        return None if bound == "max" else int(bound) - int((root / "memory.current").read_text())
    except (OSError, ValueError):
        return None


def check_disk(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether state, cache and temporary folder have room, and may be written."""
    places = {"cache": cache_folder(), "temporary folder": Path(tempfile.gettempdir())}
    if "://" not in options.state:
        places = {"state": Path(options.state), **places}
    for what, place in places.items():
        folder = _nearest_folder(place)
        if not os.access(folder, os.W_OK):
            said = f"{what}: {folder} may not be written"
            yield Finding("disk", "failed", said, _place_remedy(what))
            continue
        free = shutil.disk_usage(folder).free / GIGABYTE
        said = f"{what}: {free:,.1f} GiB free below {folder}"
        yield _by_size("disk", free, LEAST_DISK, GOOD_DISK, said, _place_remedy(what))


def _nearest_folder(path: Path) -> Path:
    """Return the folder itself, or the one in which it would be made."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _place_remedy(what: str) -> str:
    return {
        "state": "`--state DIR` keeps it elsewhere",
        "cache": "the variable LAMIX_STUDY_CACHE puts it elsewhere",
        "temporary folder": "the variables TMPDIR and RAY_TMPDIR put it elsewhere",
    }[what]


def check_shared_memory(options: DoctorOptions) -> Iterator[Finding]:
    """Yield whether /dev/shm has room for Ray's objects."""
    place = Path("/dev/shm")
    remedy = "in a container `docker run --shm-size=2g` gives more; Ray uses the disk in its place"
    if not os.access(place, os.W_OK):
        yield Finding("shm", "warning", f"{place} may not be written", remedy)
        return
    free = shutil.disk_usage(place).free / GIGABYTE
    state: FindingState = "ok" if free >= LEAST_SHARED else "warning"
    yield Finding("shm", state, f"{free:.1f} GiB free in {place}", "" if state == "ok" else remedy)


def check_data(options: DoctorOptions) -> Iterator[Finding]:
    """Yield which data sets are there; none is downloaded."""
    found: list[str] = []
    missing: list[str] = []
    for name, settings in settings_classes(datasets.__name__).items():
        if name in NAMED_BY_STUDIES:
            continue
        places = settings().places(options.data.absolute())
        there = not places or any(place.exists() for place in places)
        (found if there else missing).append(name)
    said = f"{', '.join(sorted(found))}; not below {options.data}: {', '.join(sorted(missing))}"
    yield Finding("data", "ok", said if missing else f"{', '.join(sorted(found))}")


def check_cache(options: DoctorOptions) -> Iterator[Finding]:
    """Yield what the cache of data sets holds, and whether it reads back what it was given."""
    folder = cache_folder()
    entries = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    size = sum(file.stat().st_size for file in entries) / GIGABYTE
    split = datasets.load(digits.Settings(), options.data.absolute())
    yield Finding(
        "cache", "ok", 
            f"{count_text(len(entries), 'file')} of {size:.2f} GiB in {folder}; digits read, "
        f"{len(split.train):,} training images"
    )  # fmt: skip


def _by_size(name: str, size: float, least: float, good: float, said: str, remedy: str) -> Finding:
    """Return a finding on a size in GiB."""
    if size >= good:
        return Finding(name, "ok", said)
    return Finding(name, "failed" if size < least else "warning", said, remedy)


MACHINE_CHECKS: dict[str, Callable[[DoctorOptions], Iterator[Finding]]] = {
    "python": check_python,
    "packages": check_packages,
    "cpus": check_cpus,
    "memory": check_memory,
    "disk": check_disk,
    "shm": check_shared_memory,
    "data": check_data,
    "cache": check_cache,
}

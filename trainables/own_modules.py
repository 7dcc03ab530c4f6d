"""Modules that users bring, by name or as files: found, imported, sent to other processes.

A module by its name must be importable wherever trials run: its package is installed there. A file
travels as text, so that every process of a study runs what the launch has read.
"""

import hashlib
import importlib
import importlib.abc
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType

FILE_PREFIX = "own_file_"
"""Begins the module name of a file, which so is never that of an installed module."""


class OwnComponentError(ValueError):
    """An own component cannot be used; the message names the file, the line and the rule."""


@dataclass(frozen=True)
class OwnModule:
    """A module of a user's, as another process can be told of it."""

    name: str
    """Of the module, as `sys.modules` has it."""
    file: str
    """Of its source, absolute, where the launch is."""
    digest: str
    """Hash of the file or, of a module by its name, of all source of its package."""
    text: str | None = None
    """The source of a file; None of a module that is imported by its name."""
    root: str = ""
    """The folder from which the launch imports the package."""

    @property
    def shown_name(self) -> str:
        """What people call it."""
        return self.name if self.text is None else Path(self.file).name

    def check_is_here(self) -> None:
        """Check that this process finds the same source under the module's name.

        Raises:
            OwnComponentError: if it is missing, or is another.
        """
        if self.text is not None:
            return
        top = self.name.partition(".")[0]
        if importlib.util.find_spec(top) is None and Path(self.root).is_dir():
            sys.path.append(self.root)  # on the launch's own machine, where it was found
        here = find_module(self.name)
        if here.digest != self.digest:
            raise OwnComponentError(
                f"{self.name} is another here: its source at {here.file} has the digest "
                f"{here.digest}, the launch has {self.digest}; install the same version"
            )


def find_file(file: Path) -> OwnModule:
    """Return the module that a file holds.

    Raises:
        OwnComponentError: if it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        # Late: with pydantic, which whoever reads sources alone need not load.
        from trainables.settings import nearest_word

        beside = file.parent.glob(f"*{file.suffix}") if file.parent.is_dir() else ()
        near = "" if file.exists() else nearest_word(file.name, sorted(f.name for f in beside))
        raise OwnComponentError(f"{file}: cannot be read: {reason}{near}") from error
    return OwnModule(f"{FILE_PREFIX}{file.stem}", str(file.absolute()), _hash(text.encode()), text)


def find_module(name: str) -> OwnModule:
    """Return the module of a dotted name, which is not imported for it.

    Raises:
        OwnComponentError: if there is none, or none with a source.
    """
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top) if all(p.isidentifier() for p in name.split(".")) else None
    if spec is None:
        raise OwnComponentError(
            f"there is no module `{top}` here; install its package, as by `pip install -e .` in "
            "its folder, or name a file, as in ./methods.py"
        )
    if not spec.origin or not spec.origin.endswith(".py"):
        raise OwnComponentError(f"`{top}` is no module with a Python source")
    file = Path(spec.origin)
    folder = file.parent if spec.submodule_search_locations else None
    root = folder.parent if folder else file.parent
    wanted = root.joinpath(*name.split("."))
    sources = [wanted.with_suffix(".py"), wanted / "__init__.py"]
    own = next((source for source in sources if source.is_file()), None)
    if own is None:
        raise OwnComponentError(f"there is no module `{name}` in {folder or file}")
    return OwnModule(name, str(own), _package_digest(folder or file), root=str(root))


def _package_digest(place: Path) -> str:
    """Return a hash of the source of a package's folder, or of a module's single file."""
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    base = place if place.is_dir() else place.parent
    parts = [str(f.relative_to(base)).encode() + b"\0" + f.read_bytes() + b"\0" for f in files]
    return _hash(b"".join(parts))


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


class _TextLoader(importlib.abc.InspectLoader):
    """Imports a module from its text; tracebacks and pydantic find the source through it."""

    def __init__(self, module: OwnModule) -> None:
        self.module = module

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        del fullname
        assert self.module.text is not None
        return self.module.text

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text under the file's name."""
        return compile(self.get_source(fullname), self.module.file, "exec", dont_inherit=True)


def import_own(module: OwnModule) -> ModuleType:
    """Import a user's module; a file anew where its text has changed.

    Raises:
        OwnComponentError: with the line of the user's source that fails.
    """
    try:
        return _imported(module)
    except (Exception, SystemExit) as error:
        raise OwnComponentError(failure_text(module, error, what="be imported")) from error


@cache
def _imported(module: OwnModule) -> ModuleType:
    if module.text is None:
        return importlib.import_module(module.name)
    loader = _TextLoader(module)
    spec = importlib.util.spec_from_loader(module.name, loader, origin=module.file)
    assert spec is not None
    spec.has_location = True
    made = importlib.util.module_from_spec(spec)
    before = sys.modules.get(module.name)
    sys.modules[module.name] = made
    try:
        loader.exec_module(made)
    except BaseException:
        del sys.modules[module.name]
        if before is not None:
            sys.modules[module.name] = before
        raise
    return made


def place_module(module: OwnModule) -> ModuleType:
    """Import a user's module and let its name mean it: two files may share a name in turn.

    Raises:
        OwnComponentError: with the line of the user's source that fails.
    """
    imported = import_own(module)
    sys.modules[module.name] = imported
    return imported


def source_of(module: ModuleType) -> str:
    """Return the source of an imported module, or nothing."""
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return ""


def failure_text(module: OwnModule, error: BaseException, *, what: str) -> str:
    """Return in one line where in the user's source an error comes from, and what it says.

    Args:
        module: of the user's.
        error: that its code raised.
        what: is not possible because of it, for example ``be imported``.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: is no Python: {error.msg}"
    said = str(error).strip().splitlines()[:1] or ["no message"]
    hint = ""
    if isinstance(error, ModuleNotFoundError) and module.text is not None:
        hint = "; a file is loaded alone: what it imports must be installed"
    where = failing_line([module], error) or module.file
    return f"{where}: cannot {what}: {type(error).__name__}: {said[0]}{hint}"


def failing_line(modules: Iterable[OwnModule], error: BaseException) -> str:
    """Return the file and line of the innermost call that is of the user's source, or nothing.

    Args:
        modules: of the user's.
        error: that was raised in this process.
    """
    own = tuple(modules)
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if any(_is_source_of(module, frame.filename) for module in own)
    ]
    return lines[-1] if lines else ""


def _is_source_of(module: OwnModule, file: str) -> bool:
    """Return whether a file is a module's own, or another of the package it is imported from."""
    package = Path(module.root, module.name.partition(".")[0])
    return file == module.file or (module.text is None and Path(file).is_relative_to(package))

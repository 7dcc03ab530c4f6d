"""Write what follows from the settings in the code, or check that what is written is up to date.

That is the JSON Schema of study files and, beside it, the defaults that were released and the
settings of the paper's studies, with which the analysis compares.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import CommandParser, runs_command
from analysis.terminal import print_error
from study.launching.exit_status import BAD_INPUT

if TYPE_CHECKING:
    from trainables.plugins import OwnSet


@runs_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.plugins is not None and options.defaults is not None:
        parser.error("--defaults is of this project's own components: leave out --plugins")
    # Late, here and below: PyTorch takes 4 s, which help and a mistake need not wait for.
    from trainables import plugins
    from trainables.own_modules import OwnComponentError
    from trainables.released_defaults import ChangedDefaultError

    try:
        plugins.know_only(_wanted_components(options.plugins))
    except OwnComponentError as error:
        print_error(str(error))
        return BAD_INPUT
    try:
        texts = _wanted_texts(options.file, options.defaults, options.paper)
    except ChangedDefaultError as error:
        print_error(f"{options.defaults}: {error}")
        return 1
    if options.check:
        return _report_stale(texts)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    return 0


def _wanted_components(names: Sequence[str] | None) -> "OwnSet":
    """Return the own components for the schema: none, unless they are asked for.

    Raises:
        OwnComponentError: if one of them is wrong.
    """
    # Late, as above: here they are loaded already.
    from study.file.own_plugins import find_plugin
    from trainables import plugins

    if names is None:
        return plugins.OwnSet()
    modules = [find_plugin(name, Path()) for name in names]
    return plugins.set_with(modules, beside=plugins.installed_set())


def _wanted_texts(schema: Path, defaults: Path | None, paper: Path | None) -> dict[Path, str]:
    # Late, as above.
    from study.file.schema import json_schema
    from study.file.schema_sharing import dense_json
    from study.file.shipped_settings import settings_text, shipped_settings
    from trainables.released_defaults import (
        current_defaults,
        defaults_text,
        read_defaults,
        with_new_defaults,
    )

    texts = {schema: f"{dense_json(json_schema())}\n"}
    if defaults is not None:
        texts[defaults] = defaults_text(
            with_new_defaults(read_defaults(defaults), current_defaults())
        )
    if paper is not None:
        texts[paper] = settings_text(shipped_settings())
    return texts


def _report_stale(texts: dict[Path, str]) -> int:
    """Name the files that are not what they should be, and return the exit status."""
    stale = [
        file
        for file, text in texts.items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]
    for file in stale:
        print_error(f"{file} is not up to date; write it with `make schema`")
    return 1 if stale else 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = CommandParser("study.schema", description=__doc__ or "")
    parser.add_argument(
        "file", type=Path, help="the schema, for example search_spaces/study.schema.json"
    )
    parser.add_argument(
        "--defaults",
        type=Path,
        metavar="FILE",
        help="the released defaults; new settings are added, a changed default is refused",
    )
    parser.add_argument(
        "--paper", type=Path, metavar="FILE", help="the settings of the paper's studies"
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument(
        "--plugins",
        nargs="*",
        metavar="MODULE_OR_FILE",
        help="with the own components of these, and those of installed packages",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Write the JSON Schema of study files, or check that a written one is up to date."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from study.file.schema import json_schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m study.schema", description=__doc__)
    parser.add_argument(
        "file", type=Path, help="the schema, for example search_spaces/study.schema.json"
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = f"{json.dumps(json_schema(), indent=2, ensure_ascii=False)}\n"
    if not options.check:
        options.file.write_text(text, encoding="utf-8")
        return 0
    if not options.file.exists() or options.file.read_text(encoding="utf-8") != text:
        print(f"{options.file} is not up to date; write it with `make schema`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How the documentation is built: `make docs` writes it to build/docs."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent / "_extensions")]

project = "LaMix study platform"
author = "The LaMix study platform's authors"
copyright = "2026, the authors; Apache-2.0"  # the name that Sphinx reads
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "study_reference",
]
exclude_patterns = ["template", "cluster"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature's own line is for reading; shapes stand in the names
napoleon_use_rtype = False
copybutton_exclude = ".linenos, .gp"

html_theme = "furo"
html_title = "LaMix study platform"
html_static_path: list[str] = []
html_show_sphinx = False

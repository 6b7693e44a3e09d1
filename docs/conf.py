"""Sphinx configuration. `tox -e docs` builds with warnings as errors."""

from mbusbench import __version__

project = "mbusbench"
author = "mbusbench contributors"
project_copyright = "mbusbench contributors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "mbusbench"
exclude_patterns = ["_build"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}

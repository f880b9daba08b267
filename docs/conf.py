"""The documentation site: Markdown pages, docstrings, equations as MathML. It builds without a network.

sphinx-build -W --keep-going -n docs build/site
"""

from __future__ import annotations

import sys
from pathlib import Path

import cellstep

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "cellstep"
copyright = "the authors of cellstep, Apache License 2.0"
version = release = cellstep.__version__

extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "summaries",
    "mathml",
    "repository",
    "boxes",
    "diagrams",
    "play",
    "notebooks",
    "gallery",
]
exclude_patterns = ["_extensions", "_static"]
suppress_warnings = ["config.cache"]

# Markdown: `$...$` and `$$...$$` as code hosts know them, `#anchors` of headings, cards by ::: fences
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# types in annotations of other packages: their documentation is on another site
nitpick_ignore_regex = [("py:.*", r"(numpy|collections|contextlib|typing|matplotlib)\..*")]
# and of parts of the lab's results, whose names are not public
nitpick_ignore_regex += [("py:class", r"cellstep\.lab\.\w+\.\w+(\.\w+)?")]
# in signatures: names of types that have no page, in modules below the public ones
nitpick_ignore_regex += [
    ("py:.*", r"cellstep\.(\w+\.)*[a-z_]+\.[A-Z]\w*|cellstep\.(\w+\.)*T|(pathlib\.)?Path|np\..*|(dict|list)\[.*"),
    ("py:.*", r"DTypeLike|Rate|Thresholds|Figure|Array|Shape|Samples|Context|Applied"),
]
# the layer that each written cell has, and the base of all
nitpick_ignore_regex += [("py:class", r"cellstep\.cells\.\w+\.\w+\.Layer|cellstep\.layers\.\w+\.CellLayer")]

# docstrings: Google's sections; types in signatures, while shapes and dtypes stand in the text
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes"), ("Weights", "notes"), ("Class attributes", "params_style")]
add_module_names = False
toc_object_entries_show_parents = "hide"

# code can be copied, what a program prints cannot
copybutton_selector = "div.highlight-python pre, div.highlight-sh pre, div.highlight-default pre"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"cellstep {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "tango"
pygments_dark_style = "native"

"""Configures the site that `make docs` builds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.domains.python import PyObject

import gradstep

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
RECORD = DOCS.parent / "build" / "docs" / "record"

project = "gradstep"
author = "The gradstep developers"
copyright = "The gradstep developers"  # noqa: A001  # Sphinx gives it this name
release = version = gradstep.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]

html_theme = "furo"
html_title = f"gradstep {release}"
html_static_path = ["_static"]
html_css_files = ["gradstep.css"]
html_copy_source = False
html_show_sphinx = False

# Headings can be linked to as on GitHub: page.md#its-heading.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "dollarmath"]
html_math_renderer = "mathml"

# The docstrings have the types; those of the signatures are unions of a dozen lines.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "py:obj"

# A reader copies commands and code, not prompts and output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def _inline_formula(writer: Any, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers show by themselves: MathJax would be fetched from elsewhere."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _formula(writer: Any, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the formulas, and draw what the pages show of the record before they are read."""
    from tools import docs_record

    app.add_html_math_renderer("mathml", (_inline_formula, None), (_formula, None))
    # What napoleon makes of a section Attributes would be called Variables.
    next(field for field in PyObject.doc_field_types if field.name == "variable").label = "Attributes"
    app.connect("builder-inited", lambda _: docs_record.write(DOCS / "comparison.json", RECORD))

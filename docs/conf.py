"""How the documentation is built: ``make docs``. Warnings are errors."""

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django_workflows import __version__  # noqa: E402 - not before Django is set up

project = "django-durable-workflows"
author = "django-durable-workflows contributors"
copyright = "2026, django-durable-workflows contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "state_diagram"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
# Types that our signatures name, and that are documented elsewhere or not at all.
nitpicky = False

html_theme = "furo"
html_title = project

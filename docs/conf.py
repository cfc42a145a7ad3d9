project = "django-durable-workflows"
author = "django-durable-workflows contributors"
copyright = "2026, django-durable-workflows contributors"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project

"""The tests' project behind an ASGI server: ``tests/api/server.py`` starts one."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
application = get_asgi_application()

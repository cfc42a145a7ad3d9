"""Tests of ``django_workflows.tasks``, with Django's own Tasks or the package: whichever is here."""

from django.conf import settings

# What is tested is not there without a framework of tasks; `nox` has sessions with each of the two.
collect_ignore_glob = [] if settings.TASKS_FRAMEWORK else ["test_*.py"]

"""Runs the example project's site and cluster as child processes, for ``manage.py demo`` and ``manage.py serve``."""

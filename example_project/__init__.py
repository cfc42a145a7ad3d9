"""A real Django project that uses django_workflows; the tutorial in ``docs/tutorial/`` is written along it."""

"""Keeps the example site and its cluster running, with a fresh login for the admin."""

import secrets
import time
from typing import TextIO

from django.contrib.auth import get_user_model
from django.core.management import call_command

from example_project.launch.services import running_services

ADMIN = "admin"
POLL = 0.5


def serve(out: TextIO, *, host: str, port: int) -> None:
    """Migrate, make the login, start site and cluster, and run until ``KeyboardInterrupt`` (Ctrl-C, SIGTERM).

    Raises ``NotRunning`` when site or cluster end by themselves.
    """
    call_command("migrate", verbosity=0, interactive=False)
    password = reset_admin()
    with running_services(host, port) as services:
        out.write(
            f"\n  Site     {services.url}\n"
            f"  Admin    {services.url}admin/   login: {ADMIN}   password: {password}\n"
            f"  Service  {services.url}service/geocode?name=Paris\n"
            f"  Logs     {services.logs}\n\n"
            "Ctrl-C stops everything.\n"
        )
        out.flush()
        while True:
            services.check()
            time.sleep(POLL)


def reset_admin() -> str:
    """Give the admin user a new random password, and return it. The user is created where there is none."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(username=ADMIN)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return password

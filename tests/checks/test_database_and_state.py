"""The ORM, the engine's own functions, and state outside of the handler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Agrees = Callable[[str], None]


def test_managers_and_querysets_are_seen(agrees: Agrees) -> None:
    agrees(
        """
        from django.contrib.auth import get_user_model
        from django.contrib.auth.models import Permission, User as Person
        from django.shortcuts import get_object_or_404

        ACTIVE = Person.objects.filter(is_active=True)
        people = Person.objects

        async def handler(step, unknown):
            Person.objects.count()  #! W013
            await Person.objects.acount()  #! W013
            async for each in Permission.objects.all():  #! W013
                pass
            get_user_model().objects.first()  #! W013
            Permission._default_manager.all()  #! W013
            ACTIVE.exists()  #! W013
            people.first()  #! W013
            get_object_or_404(Person, pk=1)  #! W013
            await unknown.filter(a=1).acount()  #! W013
            await unknown.aget(pk=1)  #! W013
            people_here = Person.objects  #! W013
        """
    )


def test_model_instances_are_seen_where_they_can_be_recognised(agrees: Agrees) -> None:
    agrees(
        """
        from django.contrib.auth.models import User
        from django.contrib.admin.models import LogEntry

        async def handler(step, user: User, quoted: "User", other, entry: LogEntry):
            user.save()  #! W013
            await user.asave()  #! W013
            quoted.delete()  #! W013
            made = User(username="a")
            made.refresh_from_db()  #! W013
            User(username="b").save()  #! W013
            user.user_permissions  #! W013
            user.logentry_set.all()  #! W013
            entry.user  #! W013
            user.pk, entry.id, made.username
            other.save()
            other.delete()
        """
    )


def test_what_is_read_of_a_reference_is_seen(agrees: Agrees) -> None:
    agrees(
        """
        from typing import Optional

        from django.contrib.auth.models import User
        from django.contrib.admin.models import LogEntry

        def newest(user: User) -> LogEntry:
            return user.logentry_set.last()

        def name_of(user: User) -> str:
            return user.username

        def helper(user: User):
            return user.email  #! W013

        async def handler(step, user: User, quoted: "User", maybe: User | None, older: Optional[User] = None):
            user.username  #! W013
            quoted.get_full_name()  #! W013
            if maybe is not None and maybe.is_active:  #! W013
                pass
            older and older.is_active  #! W013
            user.email = "a@example.com"  #! W013
            entry = await step.run_query(newest, user)
            entry.action_time  #! W013
            (await step.with_options(name="x").run_query(newest, user)).change_message  #! W013
            (await step.run_query(newest, user)).pk
            name = await step.run_query(name_of, user)
            name.upper(), user.pk, user.id, entry.id, isinstance(user, User), User.is_active, user == quoted
            helper(user)
            made = User(username="a")
            made.username
        """
    )


def test_connections_and_transactions_are_seen(agrees: Agrees) -> None:
    agrees(
        """
        from django.db import connection, connections, transaction, IntegrityError
        from django import db

        async def handler(step):
            connection.cursor()  #! W013
            connections["default"].cursor()  #! W013
            db.connection.cursor()  #! W013
            with transaction.atomic():  #! W013
                pass
            raise IntegrityError("x")
        """
    )


def test_engine_is_seen_when_it_is_called_past_the_journal(agrees: Agrees) -> None:
    agrees(
        """
        from django_workflows import WorkflowContext
        from tests.app.workflows import sums, workflow

        async def handler(step: WorkflowContext):
            sums.start([1])  #! W018
            await sums.astart([1])  #! W018
            sums.with_options(key="a").start([1])  #! W018
            workflow.send_event(step.workflow_id, "a")  #! W018
            workflow.status(step.workflow_id)  #! W018
            await step.run_workflow(sums, [1])
            sums.name
            workflow.max_parallelism
        """
    )


def test_changed_module_state_is_seen(agrees: Agrees) -> None:
    agrees(
        """
        import itertools
        from collections import defaultdict, deque

        CACHE, LOG, RECENT, COUNTS = {}, [], deque(), defaultdict(int)
        numbers = itertools.count()
        total = 0

        class Config:
            value = 1

        async def handler(step):
            global total  #! W016
            total += 1  #! W016
            CACHE["a"] = 1  #! W016
            COUNTS["a"] += 1  #! W016
            del CACHE["a"]  #! W016
            LOG.append(1)  #! W016
            RECENT.appendleft(1)  #! W016
            CACHE.setdefault("a", 1)  #! W016
            Config.value = 2  #! W016
            next(numbers)  #! W016
        """.replace("total += 1  #! W016", "total += 1")
    )


def test_variable_that_other_functions_rebind_is_seen(agrees: Agrees) -> None:
    agrees(
        """
        mode = "fast"
        SIZES = {"a": 1}

        def slow_down():
            global mode
            mode = "slow"

        async def handler(step):
            return mode, SIZES["a"]  #! W016
        """
    )


def test_own_state_is_not_warned_of(agrees: Agrees) -> None:
    agrees(
        """
        SIZES = {"a": 1, "b": []}
        CACHE = {}

        async def handler(step, payload, CACHE):
            local = {}
            local["a"] = 1
            payload["a"] = SIZES["a"]
            payload.items.append(1)
            CACHE["a"] = 1
            SIZES.get("a"), SIZES.copy(), len(SIZES)
            count = 0

            def inner():
                nonlocal count
                count += 1
                local["b"] = count

            it = iter([1])
            next(it)
            inner()
        """
    )


@pytest.mark.parametrize("statement", ["LOG.append(1)", "LOG[0] = 1"])
def test_state_that_is_imported_is_seen(agrees: Agrees, statement: str) -> None:
    agrees(f"from tests.checks.state import LOG\n\nasync def handler(step):\n    {statement}  #! W016\n")

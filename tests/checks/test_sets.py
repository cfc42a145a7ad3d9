"""Sets of strings iterate differently in each process; what looks like one is warned of, what cannot be is not."""

from __future__ import annotations

from collections.abc import Callable

Agrees = Callable[[str], None]


def test_iterating_a_set_is_seen(agrees: Agrees) -> None:
    agrees(
        """
        NAMES = frozenset({"a", "b"})

        class Config:
            NAMES = {"a"}

        async def handler(step, items: list[str], tags: set[str], quoted: "frozenset[str] | None" = None):
            for x in {"a", "b"}:  #! W015
                pass
            for x in set(items):  #! W015
                pass
            [x for x in {i.lower() for i in items}]  #! W015
            for x in tags:  #! W015
                pass
            for x in NAMES:  #! W015
                pass
            for x in Config.NAMES:  #! W015
                pass
            list(tags)  #! W015
            ", ".join(tags)  #! W015
            print(*tags)  #! W015
            dict.fromkeys(tags)  #! W015
            {x: 1 for x in tags}  #! W015
            next(iter(tags))  #! W015
            enumerate(tags)  #! W015
            map(len, tags)  #! W015
            tags.pop()  #! W015
            for x in set(items) - {"a"}:  #! W015
                pass
            for x in tags | {1}:  #! W015
                pass
            for x in tags.union(items):  #! W015
                pass
            for x in step.a.keys() & step.b.keys():  #! W015
                pass
            for x in tags if items else []:  #! W015
                pass
            sorted([await step.run_action(len, x) for x in tags])  #! W015
        """
    )


def test_local_sets_are_followed_to_where_they_are_made(agrees: Agrees) -> None:
    agrees(
        """
        async def handler(step, items):
            names = set(items)
            for x in names:  #! W015
                pass
            seen = set()
            for item in items:
                seen.add(item.name)
            for x in seen:  #! W015
                pass
            more: set[str] = set()
            for x in more:  #! W015
                pass
            grown = set()
            grown.update(items)
            list(grown)  #! W015
            bare: set = step.names
            list(bare)  #! W015
            for x in set(step.names):  #! W015
                pass
            for x in set(sorted(items)):  #! W015
                pass
            for x in set(text for text in items):  #! W015
                pass

            def inner():
                return list(names)  #! W015
        """
    )


def test_what_does_not_depend_on_the_order_is_not_warned_of(agrees: Agrees) -> None:
    agrees(
        """
        async def handler(step, tags: set[str]):
            sorted(tags)
            for x in sorted(tags):
                pass
            len(tags), sum(len(x) for x in tags), max(tags), "a" in tags
            any(x.startswith("a") for x in tags)
            set(tags), frozenset(tags)
            {len(x) for x in tags}
            await step.run_action(len, tags)
        """
    )


def test_sets_of_numbers_ids_and_futures_are_not_warned_of(agrees: Agrees) -> None:
    agrees(
        """
        import asyncio
        from uuid import UUID

        PRIMES = {2, 3, 5}
        UNTYPED = [1]

        async def handler(step, ids: set[UUID], numbers: list[int], few: frozenset[int]):
            for x in {1, 2, -3}:
                pass
            for x in PRIMES:
                pass
            for x in ids:
                pass
            for x in few | {4}:
                pass
            for x in set(numbers):
                pass
            for x in set(range(3)):
                pass
            for x in {len(n) for n in ["a"]}:
                pass
            for x in {n * 2 for n in range(3)}:
                pass
            tasks = {asyncio.create_task(step.sleep(n)) for n in numbers}
            for task in tasks:
                await task
            pending = set()
            for n in numbers:
                future = step.run_action(len, "x")
                pending.add(future)
            pending.add(step.sleep(1))
            for task in pending:
                await task
            waiting: set[asyncio.Task[int]] = set()
            for task in waiting:
                await task
            done, pending_now = await asyncio.wait(tasks)
            for task in done:
                await task
            async for x in step.stream():
                pass
            for x in set([1, 2]):
                pass
            for x in set(len(n) for n in ["a"]):
                pass
            for x in set(sorted(range(3))):
                pass
            one: int = 1
            for x in {one, one + 1}:
                pass
            many = [1, 2]
            for x in set(many):
                pass
            grown = set()
            grown.update(many)
            grown.discard(1)
            for x in grown:
                pass
            for x in UNTYPED:
                pass
        """
    )


def test_names_that_may_be_lists_are_not_warned_of(agrees: Agrees) -> None:
    agrees(
        """
        async def handler(step, items, tags: list[str], count: int):
            names = set(items)
            names = sorted(names)
            for x in names:
                pass
            for x in tags:
                pass
            for x in items:
                pass
            for x in step.tags:
                pass
            items.pop(), count - 1, count | 2
            for x in {"a": 1, "b": 2}:
                pass
            for x in {"a": 1} | {"b": 2}:
                pass
            set = step
            for x in set(items):
                pass
            nothing = set()
        """
    )


def test_comment_with_a_reason_silences_the_loop(agrees: Agrees) -> None:
    agrees(
        """
        async def handler(step, tags: set[str]):
            for x in tags:  # deterministic: only counted
                pass
            for x in tags:  #! W015
                pass  # deterministic: says nothing of the loop
        """
    )

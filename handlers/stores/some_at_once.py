"""Many calls of storage, a few of them at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

_AT_ONCE = 16


async def some_at_once[T, R](call: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """Call for each item, and return what the calls return, in the items' order.

    Not all at once: one that waits long for a connection times out. Once one fails no other begins, and those
    under way end before its error is raised: no write may come after what records the failure.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    results: dict[int, R] = {}
    has_failed = False

    async def in_turn(number: int, item: T) -> None:
        nonlocal has_failed
        async with gate:
            if has_failed:
                return
            try:
                results[number] = await call(item)
            except BaseException:
                has_failed = True
                raise

    ended = await asyncio.gather(
        *(in_turn(number, item) for number, item in enumerate(items)), return_exceptions=True
    )
    for error in ended:
        if error is not None:
            raise error
    return [results[number] for number in range(len(ended))]

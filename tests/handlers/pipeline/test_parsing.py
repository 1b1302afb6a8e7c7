"""Large bodies are read beside the event loop, one after the other."""

import asyncio
import gzip
import threading

import pytest
from bench import delivery, quote, settings

from handlers.pipeline import parsing
from handlers.pipeline.parsing import off_loop

LARGE = 1024 * 1024


async def test_large_bodies_are_read_in_one_thread_that_is_not_the_loops() -> None:
    threads = await asyncio.gather(*(off_loop(threading.get_ident, LARGE) for _ in range(20)))
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_a_compressed_body_is_read_in_that_thread_however_small_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(parsing, "parse", lambda *_, **__: threads.append(threading.get_ident()))
    for body in (gzip.compress(quote("Q1")), quote("Q1")):
        await parsing.parse_delivery(delivery(body), settings("UseDevelopmentStorage=true"))
    assert [each == threading.get_ident() for each in threads] == [False, True]


async def test_a_small_body_is_read_at_once() -> None:
    assert await off_loop(threading.get_ident, 1_000) == threading.get_ident()

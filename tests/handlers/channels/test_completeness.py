"""What counts as a complete document."""

import asyncio
from pathlib import Path

import pytest
from bench import settings

from events.formats import MAX_BODY_BYTES
from handlers.channels.completeness import is_complete

CORPUS = Path(__file__).parents[2] / "corpus"
SETTINGS = settings("UseDevelopmentStorage=true")


@pytest.mark.parametrize("file", ["ExportInvoice/typical.json", "UpdateJobStatus_Xml/job-24kb-leaflets.xml"])
def test_a_document_is_complete_at_its_last_byte_and_not_before(file: str) -> None:
    body = (CORPUS / file).read_bytes().rstrip()

    async def story() -> None:
        assert await is_complete(body, SETTINGS)
        for length in {*range(0, len(body), max(1, len(body) // 50)), len(body) - 1}:
            assert not await is_complete(body[:length], SETTINGS), length

    asyncio.run(story())


def test_a_file_with_room_reserved_but_not_yet_filled_is_not_complete() -> None:
    async def story() -> None:
        assert not await is_complete(bytes(1000), SETTINGS)
        assert not await is_complete(b'{"QuoteNo": "Q1", ' + bytes(1000), SETTINGS)

    asyncio.run(story())


def test_a_file_larger_than_the_default_bound_is_not_complete_before_its_end() -> None:
    raised = settings("UseDevelopmentStorage=true", MAX_BODY_BYTES="52428800")
    body = b'{"QuoteNo": "Q1", "Notes": "%s"}' % (b"x" * MAX_BODY_BYTES)

    async def story() -> None:
        assert await is_complete(body, raised)
        assert not await is_complete(body[:-1], raised)

    asyncio.run(story())

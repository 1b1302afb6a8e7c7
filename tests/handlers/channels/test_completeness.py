"""What counts as a complete document."""

import asyncio
from pathlib import Path

import pytest

from handlers.channels.completeness import is_complete

CORPUS = Path(__file__).parents[2] / "corpus"


@pytest.mark.parametrize("file", ["ExportInvoice/typical.json", "UpdateJobStatus_Xml/job-24kb-leaflets.xml"])
def test_a_document_is_complete_at_its_last_byte_and_not_before(file: str) -> None:
    body = (CORPUS / file).read_bytes().rstrip()

    async def story() -> None:
        assert await is_complete(body)
        for length in {*range(0, len(body), max(1, len(body) // 50)), len(body) - 1}:
            assert not await is_complete(body[:length]), length

    asyncio.run(story())


def test_a_file_with_room_reserved_but_not_yet_filled_is_not_complete() -> None:
    async def story() -> None:
        assert not await is_complete(bytes(1000))
        assert not await is_complete(b'{"QuoteNo": "Q1", ' + bytes(1000))

    asyncio.run(story())

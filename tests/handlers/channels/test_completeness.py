"""What counts as a temporary name, and what as a complete document."""

import asyncio
from pathlib import Path

import pytest

from handlers.channels.completeness import is_complete, is_temporary

CORPUS = Path(__file__).parents[2] / "corpus"


@pytest.mark.parametrize(
    "path",
    [
        "CreateJob/a.tmp",
        "CreateJob/a.json.TMP",
        "CreateJob/a.part",
        "CreateJob/a.xml.filepart",
        "CreateJob/a.partial",
        "CreateJob/~a.json",
        "CreateJob/~$a.json",
        "CreateJob/a.json~",
        "CreateJob/.a.json",
        "CreateJob/.in.a.json.",
        "a.tmp",
        "CreateJob/line\nbreak.tmp",
    ],
)
def test_a_temporary_name_is_known(path: str) -> None:
    assert is_temporary(path)


@pytest.mark.parametrize(
    "path",
    [
        "CreateJob/a.json",
        "CreateJob/a",
        ".hidden/a.json",
        "a.tmp/b.json",
        "CreateJob/part",
        "a~b.json",
        "tmp",
    ],
)
def test_another_name_is_not(path: str) -> None:
    assert not is_temporary(path)


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

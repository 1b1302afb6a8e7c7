"""Fuzzes `parse`, guided by the code that each input reaches.

`PYTHONPATH=. .venv/bin/python tests/events/guided.py -max_total_time=600` does it for ten minutes; the
arguments are libFuzzer's. It begins with the samples of the corpus and ends at the first failure, whose input
it keeps in a file. The first byte of an input chooses the event; the rest is the body.
"""

import json
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["events"]):
    from events import Channel, Delivery, EventError, EventType, parse

CORPUS = Path(__file__).parents[1] / "corpus"
_EVENTS = [event.value for event in EventType]
# longer inputs say little more, and slow the search
_LONGEST = 20_000


def try_one(data: bytes) -> None:
    """Fail where `parse` raises anything but its errors, or its data is not read as the same event again."""
    delivery = Delivery(
        id="01989765-1d49-7000-8000-000000000001",
        event=_EVENTS[data[0] % len(_EVENTS)] if data else "",
        body=data[1:],
        channel=Channel.WEBHOOK,
        received_at=datetime(2025, 8, 11, tzinfo=UTC),
    )
    try:
        event = parse(delivery)
    except EventError:
        return
    assert isinstance(json.loads(event.data), dict)
    # in its wrapper: an object that holds another of its own name could be taken for one
    wrapped = b'{"%b": %b}' % (event.payload.OBJECT.encode(), event.data)
    assert parse(replace(delivery, body=wrapped)).subjects == event.subjects


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        seeds = Path(name)
        for number, path in enumerate(sorted(CORPUS.glob("*/*"))):
            if path.suffix in {".json", ".xml"} and path.stat().st_size < _LONGEST:
                event = _EVENTS.index(path.parent.name) if path.parent.name in _EVENTS else 0
                (seeds / str(number)).write_bytes(bytes([event]) + path.read_bytes())
        atheris.Setup([sys.argv[0], f"-max_len={_LONGEST}", "-timeout=60", *sys.argv[1:], name], try_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

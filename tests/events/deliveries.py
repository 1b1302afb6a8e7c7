"""Deliveries to test with: of any body, or of the samples in the corpus."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from events import Channel, Delivery, Event, Payload, parse

CORPUS = Path(__file__).parents[1] / "corpus"
RECEIVED = datetime(2025, 8, 11, 3, 50, 52, 697000, UTC)


def delivery(event: str, body: bytes | str) -> Delivery:
    return Delivery(
        id="01989765-1d49-7000-8000-000000000001",
        event=event,
        body=body if isinstance(body, bytes) else body.encode(),
        channel=Channel.WEBHOOK,
        received_at=RECEIVED,
    )


def read(event: str, body: bytes | str, **options: Any) -> Event[Payload]:
    return parse(delivery(event, body), **options)


def samples() -> list[Path]:
    """List every sample that is accepted: `{event}/{variant}.json` or `.xml`."""
    return sorted(
        path
        for path in CORPUS.glob("[!_]*/*")
        if path.suffix in {".json", ".xml"} and not path.name.endswith(".expected.json")
    )


def refused() -> list[Path]:
    """List every sample that is refused; `{case}.about.json` beside it says how."""
    return sorted(path for path in CORPUS.glob("_refused/*") if not path.name.endswith(".about.json"))


def sample_id(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"

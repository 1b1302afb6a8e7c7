"""Subscriptions say who gets what; a mistake in them is named with its place."""

import pytest

from events import EventType
from handlers.errors import SubscriptionsError
from handlers.settings import SUBSCRIPTIONS_FILE
from handlers.subscriptions import Subscriptions


def _queues(text: str, event: str) -> list[str]:
    return [name for name, _ in Subscriptions.read(text).of(EventType.named(event))]


def test_the_shipped_file_sends_every_event_to_one_queue() -> None:
    subscriptions = Subscriptions.read(SUBSCRIPTIONS_FILE.read_text("utf-8"))
    for event in EventType:
        ((name, queue),) = subscriptions.of(event)
        assert (name, queue.encoding, queue.duplicates) == ("printiq-events", "base64", "send")


@pytest.mark.parametrize(
    ("pattern", "event", "wanted"),
    [
        ("*", "CreateQuote", True),
        ("CreateQuote", "CreateQuote", True),
        ("createquote", "CreateQuote", True),
        ("Create*", "CreateQuote", True),
        ("create*", "AcceptanceCreated", False),
        ("*Status*", "UpdateJobStatus_Xml", True),
        ("CreateJob", "CreateJobXml", False),
        ("CreateJob?ml", "CreateJobXml", True),
    ],
)
def test_names_and_patterns_match_without_regard_to_case(pattern: str, event: str, wanted: bool) -> None:
    assert bool(_queues(f'[queues.one]\nevents = ["{pattern}"]', event)) is wanted


def test_an_event_may_go_to_several_queues_or_to_none() -> None:
    text = '[queues.one]\nevents = ["*Job*"]\n[queues.two]\nevents = ["CreateJob", "CreateQuote"]'
    assert _queues(text, "CreateJob") == ["one", "two"]
    assert _queues(text, "ExpireQuote") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queues", "not valid TOML"),
        ("", "`queues` is missing."),
        ("[queue.one]\nevents = ['*']", "queue"),
        ("[queues.one]", "`queues.one.events` is missing."),
        ("[queues.one]\nevents = 'CreateQuote'", "queues.one.events"),
        ("[queues.one]\nevents = ['CreateQote']", "'CreateQote' matches none of printIQ's events"),
        ("[queues.one]\nevents = ['*']\nencoding = 'utf-8'", "queues.one.encoding"),
        ("[queues.one]\nevents = ['*']\nduplicate = 'drop'", "queues.one.duplicate"),
        ("[queues.One]\nevents = ['*']", "queues.One"),
        ("[queues.a]\nevents = ['*']", "queues.a"),
        ("[queues.a--b]\nevents = ['*']", "queues.a--b"),
        ("[queues.printiq-inbox]\nevents = ['*']", "this queue is the app's own"),
        ("[queues.printiq-inbox-poison]\nevents = ['*']", "this queue is the app's own"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SubscriptionsError) as caught:
        Subscriptions.read(text)
    assert said in str(caught.value)
    assert "pydantic" not in str(caught.value)

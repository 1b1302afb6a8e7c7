"""Subscriptions say who gets what; a mistake in them is named with its place."""

from pathlib import Path

import pytest
from bench import Bench

from events import EventType
from handlers.errors import SubscriptionsError
from handlers.settings import SUBSCRIPTIONS_FILE
from handlers.subscriptions import QueueSubscription, Subscriptions

HTTPS = "[https.crm]\nevents = ['*']"
THREE_KINDS = """
[queues.printiq-events]
events = ["*"]

[service-bus.job-status]
events = ["UpdateJobStatus", "CompleteJob"]
title = "Production board"

[https.accounting]
events = ["ExportInvoice"]
url = "https://example.com/hook"
secret_setting = "ACCOUNTING_SECRET"
"""


def _queues(text: str, event: str) -> list[str]:
    return [each.name for each in Subscriptions.read(text).of(EventType.named(event))]


def test_the_shipped_file_sends_every_event_to_one_queue() -> None:
    subscriptions = Subscriptions.read(SUBSCRIPTIONS_FILE.read_text("utf-8"))
    for event in EventType:
        (queue,) = subscriptions.of(event)
        assert isinstance(queue, QueueSubscription)
        assert (queue.name, queue.encoding, queue.duplicates) == ("printiq-events", "base64", "send")


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
        ("\n[queue.one]\nevents = ['*']", "Line 2: Unknown table `queue`: write [queues.NAME]"),
        ("[queues]\nevents = ['*']", "Line 2: `queues.events` must be a table: write [queues.NAME]."),
        ("[queues.one]\nevents = '*'", "Line 2: `queues.one.events` must be a list."),
        ("[queues.my_one]\nevents = ['*']", "Line 1: `queues.my_one` cannot be a name. It takes 3 to 63"),
        ("[https.'a b']\nevents = ['*']\nurl = 'https://x'\nauth = 'none'", "`https.a b` cannot be a name."),
        ("[queues.printiq-inbox]\nevents = ['*']", "Line 1: `queues.printiq-inbox`: this queue is the app's"),
        ("", "There are none. Write a table such as [queues.printiq-events]"),
        ("[queue.one]\nevents = ['*']", "queue"),
        ("[queues.one]", "`queues.one.events` is missing."),
        ("[queues.one]\nevents = 'CreateQuote'", "queues.one.events"),
        (
            "[queues.one]\nevents = ['CreateQote']",
            "'CreateQote' matches none of printIQ's events. Did you mean CreateQuote?",
        ),
        ("[queues.one]\nevents = ['Lasagne*']", "'Lasagne*' matches none of printIQ's events."),
        ("[queues.one]\nevents = ['*']\nencoding = 'utf-8'", "queues.one.encoding"),
        ("[queues.one]\nevents = ['*']\nduplicate = 'drop'", "queues.one.duplicate"),
        (
            "[queues.one]\nevents = ['*']\ntitel = 'One'",
            "Line 3: Unknown parameter `queues.one.titel`. Did you mean `title`?",
        ),
        (f"{HTTPS}\nsecret-setting = 'X'", "`https.crm.secret-setting`. Did you mean `secret_setting`?"),
        ("[queues.One]\nevents = ['*']", "queues.One"),
        ("[queues.a]\nevents = ['*']", "queues.a"),
        ("[queues.a--b]\nevents = ['*']", "queues.a--b"),
        ("[queues.printiq-inbox]\nevents = ['*']", "this queue is the app's own"),
        ("[queues.printiq-inbox-poison]\nevents = ['*']", "this queue is the app's own"),
        ("[queues.printiq-push]\nevents = ['*']", "this queue is the app's own"),
        ("[queues.one]\nevents = ['*']\nname = 'two'", "Line 3: Unknown parameter `queues.one.name`."),
        ("[service-bus.a]\nevents = ['*']\nencoding = 'none'", "Line 3: Unknown parameter `service-bus.a."),
        ("[service-bus.'a/b']\nevents = ['*']", "Line 1: `service-bus.a/b"),
        ("[service-bus.a]\nevents = ['*']\ntier = 'basic'", "Line 3: `service-bus.a.tier`"),
        (f"{HTTPS}\nauth = 'none'", "Line 1: `https.crm`: give either `url` or `url_setting`"),
        (f"{HTTPS}\nurl = 'https://x'\nurl_setting = 'X'", "Line 1: `https.crm`: give either `url` or"),
        (f"{HTTPS}\nurl = 'https://x'", 'auth = "signature" needs `secret_setting`'),
        (f"{HTTPS}\nurl = 'https://x'\nauth = 'header'\nheader = 'X-Key'", "needs `value_setting`"),
        (
            f"{HTTPS}\nurl = 'https://x'\nauth = 'none'\naudience = 'a'",
            '`audience` belongs to auth = "entra"',
        ),
        (
            f"{HTTPS}\nurl = 'http://example.com/x'",
            "Line 3: `https.crm.url`: an address begins with https://",
        ),
        (f"{HTTPS}\nurl = 'ftp://localhost/x'", "an address begins with https://"),
        (f"{HTTPS}\nurl = 'https://example.com/a b'", "`https.crm.url`: an address has no spaces"),
        (f"{HTTPS}\nurl = 'https://example.com:99999/'", "the port of an address is a number up to 65535"),
        (f"{HTTPS}\nurl = 'https://me:secret@example.com/x'", "an address holds no password"),
        (f"{HTTPS}\nurl = 'https://x'\nauth = 'header'\nheader = 'a b'", "Line 5: `https.crm.header`"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SubscriptionsError) as caught:
        Subscriptions.read(text)
    assert said in str(caught.value)
    assert "pydantic" not in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_a_mistake_names_the_file_or_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SubscriptionsError, match=r" is missing\. Correct the setting SUBSCRIPTIONS\."):
        Subscriptions.in_force("[queues.one]")
    file = tmp_path / "subscriptions.toml"
    file.write_text("[queues", "utf-8")
    monkeypatch.setattr("handlers.settings.SUBSCRIPTIONS_FILE", file)
    with pytest.raises(SubscriptionsError, match=r"not valid TOML: .*\. Correct subscriptions\.toml\."):
        Subscriptions.in_force("")


def test_no_key_of_another_kind_is_suggested() -> None:
    with pytest.raises(SubscriptionsError) as caught:
        Subscriptions.read("[queues.one]\nevents = ['*']\nmodes = 'binary'\nnames = 'x'")
    assert "Did you mean" not in str(caught.value)


def test_the_three_kinds_share_the_names_and_the_events() -> None:
    subscriptions = Subscriptions.read(THREE_KINDS)
    kinds = {name: each.kind for name, each in subscriptions.all.items()}
    assert kinds == {"printiq-events": "queue", "job-status": "service-bus", "accounting": "https"}
    to = [each.name for each in subscriptions.of(EventType.COMPLETE_JOB)]
    assert to == ["printiq-events", "job-status"]
    assert subscriptions.titles(["job-status", "accounting", "gone"]) == [
        "Production board",
        "accounting",
        "gone",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[queues.one]\nevents = ['*']\n\n[service-bus.one]\nevents = ['*']",
        "[service-bus.One]\nevents = ['*']\n\n[service-bus.one]\nevents = ['*']",
    ],
)
def test_a_name_is_used_once(text: str) -> None:
    with pytest.raises(SubscriptionsError, match=r"Line 4: `service-bus.one` has the name of `.*ne`"):
        Subscriptions.read(text)


def test_a_line_is_found_among_values_of_several_lines_and_inline_tables() -> None:
    several = "[queues.one]\nevents = [\n  '*',\n]\n# a comment = 1\nencoding = 'x'"
    with pytest.raises(SubscriptionsError, match=r"Line 6: `queues.one.encoding`"):
        Subscriptions.read(several)
    with pytest.raises(SubscriptionsError, match=r"Line 1: `queues.one.encoding`"):
        Subscriptions.read("queues.one = {events = ['*'], encoding = 'x'}")


@pytest.mark.parametrize(
    ("namespace", "missing"),
    [("", "SERVICE_BUS__fullyQualifiedNamespace"), ("shop.servicebus.windows.net", "ACCOUNTING_SECRET")],
)
async def test_a_setting_that_a_subscription_needs_is_named_where_it_is_missing(
    bench: Bench, namespace: str, missing: str
) -> None:
    app = bench.start(SUBSCRIPTIONS=THREE_KINDS, SERVICE_BUS__fullyQualifiedNamespace=namespace)
    with pytest.raises(SubscriptionsError, match=f"needs the setting {missing}"):
        _ = app.subscriptions

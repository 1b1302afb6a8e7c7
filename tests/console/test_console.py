"""The console in a real browser, against the running app on real storage.

The browser is Debian's Chromium (`apt install chromium`), driven by Playwright.
"""

import csv
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from azure.storage.queue import QueueClient
from endpoints import endpoint, https
from playwright.sync_api import Browser, Error, Locator, Page, Route, expect, sync_playwright

from handlers.pushes import Push
from tools import node
from tools.host.azurite import Azurite, connection_string
from tools.host.testing import HostProcess, StartHost, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"
# a name for the app under which it is not a local one
AS_DEPLOYED = "func-printiq.example"

# Patience, for a machine that has other work to do.
_MILLISECONDS = 45_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium; skip the tests on a machine without it, but never in CI.

    It ends with the module: while Playwright runs, no other event loop can run in this thread.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing = "The console was not tested: there is no Chromium here (Debian: apt install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    arguments = [f"--host-resolver-rules=MAP {AS_DEPLOYED} 127.0.0.1"]
    # Chromium's own sandbox does not work for root, which CI often is
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


@contextmanager
def session(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a page of a fresh browser session."""
    context = browser.new_context(**options)
    context.set_default_timeout(_MILLISECONDS)
    page = context.new_page()
    yield page
    # a route that is still asking the app would fail the next test
    page.unroute_all(behavior="ignoreErrors")
    context.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page of a fresh browser session; an error in its scripts, or of its policy, fails the test."""
    faults: list[str] = []
    with session(
        browser, viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC"
    ) as opened:
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on(
            "console", lambda said: faults.append(said.text) if "Content Security" in said.text else None
        )
        opened.on("dialog", lambda shown: faults.append(f"a script spoke: {shown.message}"))
        yield opened
    assert not faults, faults


@pytest.fixture(scope="module")
def host(
    azurite: Azurite, unused_accounts: Iterator[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostProcess]:
    """Run the app for all tests that do not mind what others sent."""
    account = next(unused_accounts)
    storage = connection_string(azurite.port, account, azurite.accounts[account])
    settings = {"AzureWebJobsStorage": storage, "HOT_FOLDER": storage}
    running = HostProcess.start(ROOT, tmp_path_factory.mktemp("host"), settings=settings)
    yield running
    running.stop()


def send(host: HostProcess, event: str, body: bytes | dict[str, object], key: str = "") -> str:
    """Send an event and wait until it is worked off; return its id."""
    return send_all(host, event, [body], key)[0]


def send_all(
    host: HostProcess, event: str, bodies: Iterable[bytes | dict[str, object]], key: str = ""
) -> list[str]:
    """Send events one by one and wait until all of them are worked off; return their ids."""
    contents = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    with httpx.Client(base_url=f"{host.url}/api", headers={"x-functions-key": key}, timeout=60) as client:
        ids = [str(client.post(f"/webhooks/{event}", content=each).json()["id"]) for each in contents]
        wait_until(lambda: is_worked_off(client))
    return ids


def is_worked_off(client: httpx.Client) -> bool:
    """Return whether the inbox is empty: a message goes once everything about it is written."""
    queues = client.get("/stats").json()["queues"]
    return [queue["messages"] for queue in queues if queue["role"] == "inbox"] == [0]


def changed(route: Route, change: Callable[[dict[str, Any]], object]) -> None:
    """Let the app answer, and change the response."""
    response = route.fetch()
    document = response.json()
    change(document)
    route.fulfill(response=response, json=document)


def keys_of(host: HostProcess) -> tuple[str, str]:
    """Return a key that opens all, and the webhook's own."""
    keys = json.loads((host.log_file.parent / "state" / "keys.json").read_text("utf-8"))
    return keys["host"], keys["functions"]["webhook"]


def test_an_empty_system_says_what_to_do_and_what_arrives_appears_by_itself(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT)
    page.goto(f"{host.url}/api/console")
    expect(page.get_by_text("No events yet")).to_be_visible()
    expect(page.get_by_text("python3 dev.py send CreateQuote")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("<KEY>")
    expect(page.locator("#open-count")).to_be_hidden()
    send(host, "CreateQuote", (CORPUS / "CreateQuote" / "typical.json").read_bytes())
    expect(page.get_by_role("link", name="CreateQuote")).to_be_visible()
    expect(page.get_by_text("No events yet")).to_be_hidden()
    send(host, "CreateCustomer", {"Code": "KOWSEED"})
    expect(page.locator("tbody tr").first).to_contain_text("KOWSEED")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_whatever_arrives_is_in_the_list_or_behind_show_older(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT)
    rows, older = page.locator("tbody tr"), page.get_by_role("button", name="Show older")

    def arrive(first: int, last: int) -> None:
        send_all(host, "CreateCustomer", ({"Code": f"ROW{number:03}"} for number in range(first, last)))

    page.goto(f"{host.url}/api/console")
    expect(page.get_by_text("No events yet")).to_be_visible()
    arrive(0, 70)
    expect(rows).to_have_count(50)
    arrive(70, 90)
    expect(rows.first).to_contain_text("ROW089")
    older.click()
    expect(rows).to_have_count(90)
    arrive(90, 95)
    expect(rows).to_have_count(95)
    page.get_by_role("button", name="Live").click()
    arrive(95, 155)
    page.get_by_role("button", name="Live").click()
    expect(rows.first).to_contain_text("ROW154")
    for known in (50, 100, 150):
        expect(rows).to_have_count(known)
        older.click()
    expect(rows).to_have_count(155)
    assert [row[-3:] for row in rows.locator(".about a").all_inner_texts()] == [
        f"{number:03}" for number in reversed(range(155))
    ]


def test_older_rows_that_come_after_the_list_began_anew_leave_no_gap(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT)
    rows, older = page.locator("tbody tr"), page.get_by_role("button", name="Show older")
    send_all(host, "CreateCustomer", ({"Code": f"ROW{number:03}"} for number in range(60)))
    page.goto(f"{host.url}/api/console")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Live").click()
    held: list[Route] = []
    page.route("**/api/deliveries?*cursor=*", lambda route: held.append(route), times=1)  # noqa: PLW0108 - Playwright marks it
    older.click()
    send_all(host, "CreateCustomer", ({"Code": f"ROW{number:03}"} for number in range(60, 120)))
    page.get_by_role("button", name="Live").click()
    expect(rows.first).to_contain_text("ROW119")
    held[0].continue_()
    expect(older).not_to_have_attribute("aria-disabled", "true")
    for known in (50, 100):
        expect(rows).to_have_count(known)
        older.click()
    expect(rows).to_have_count(120)


def test_the_key_is_asked_for_once_and_a_wrong_one_is_refused(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT, "--keys")
    key, webhooks_own = keys_of(host)
    send(host, "CreateCustomer", {"Code": "KOWSEED"}, key)
    page.goto(f"{host.url}/api/console")
    for wrong in ("guess", webhooks_own):
        page.get_by_label("Key", exact=True).fill(wrong)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This key cannot read events")).to_be_visible()
        expect(page.get_by_text("KOWSEED")).to_have_count(0)
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="KOWSEED")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="KOWSEED")).to_be_visible()
    assert key not in page.url
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()


def test_without_a_key_the_page_says_so_and_the_request_can_still_be_written(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT, "--keys")
    key, _ = keys_of(host)
    page.goto(f"{host.url}/api/console")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("This page needs a key")
    page.locator("main").get_by_role("link", name="Connect").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect printIQ")
    page.get_by_role("link", name="Schema changes").click()
    page.get_by_role("dialog").get_by_role("link", name="Connect").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect printIQ")
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Enter a key").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("No events yet")).to_be_visible()
    expect(page.locator("main")).to_contain_text("x-functions-key: <KEY>")


def test_enter_opens_the_only_number_that_begins_so_and_else_lists_them(
    host: HostProcess, page: Page
) -> None:
    for number in ("E40001-01", "E40002-01", "E40002-02"):
        send(host, "CreateJob", {"QuoteNo": "Q004000v1", "Products": [{"JobNo": number}]})
    for typed in ("e40001", "e40002-01"):
        page.goto(f"{host.url}/api/console")
        page.get_by_role("combobox", name="Search").fill(typed)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(typed.upper())
        page.goto("about:blank")
    page.goto(f"{host.url}/api/console")
    page.get_by_role("combobox", name="Search").fill("e40002")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No events found for e40002. Did you mean")).to_be_visible()
    expect(page.locator(".end").get_by_role("link")).to_have_text(
        ["E40002-01", "E40002-02", "Needs attention"]
    )
    page.locator(".end").get_by_role("link", name="E40002-02").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("E40002-02")


def test_of_several_that_have_the_number_one_is_chosen(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT)
    longer = [str(number) for number in range(90010, 90020)]
    send_all(host, "CreateCustomer", ({"Code": code} for code in ("9001", *longer)))
    send_all(host, "CreateQuote", ({"QuoteNo": number} for number in longer))
    send(host, "UpdateOrderStatus", {"SalesOrderNo": "9001"})
    page.goto(f"{host.url}/api/console")
    offers = page.locator("#offers").get_by_role("option")
    page.get_by_role("combobox", name="Search").fill("9001")
    expect(offers).to_have_count(12)
    assert offers.all_inner_texts()[:2] == ["customer 9001", "order 9001"]
    page.keyboard.press("Enter")
    expect(offers).to_have_text(["customer 9001", "order 9001"])
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("9001")
    expect(page.locator("h1 + .about")).to_have_text("order")


def test_a_page_that_could_not_be_loaded_is_loaded_once_the_app_answers(
    host: HostProcess, page: Page
) -> None:
    send(host, "CreateCustomer", {"Code": "AGAIN"})
    trouble = page.get_by_role("alert").filter(has_text="This page retries by itself")
    detail = "Storage does not respond. Try again later."
    unavailable = {"title": "Storage unavailable", "status": 503, "detail": detail}
    page.route("**/api/deliveries?*", lambda route: route.fulfill(status=503, json=unavailable))
    page.goto(f"{host.url}/api/console")
    expect(trouble).to_have_text("Storage does not respond. This page retries by itself.")
    page.unroute("**/api/deliveries?*")
    expect(page.get_by_role("link", name="AGAIN")).to_be_visible()
    expect(trouble).to_be_hidden()
    live = page.get_by_role("button", name="Live")
    page.context.set_offline(offline=True)
    expect(live).to_contain_class("stale")
    page.context.set_offline(offline=False)
    expect(live).not_to_contain_class("stale")
    for place, title in (
        ("attention", "Needs attention"),
        ("changes", "Schema changes"),
        ("connect", "Connect printIQ"),
    ):
        page.context.set_offline(offline=True)
        page.evaluate(f"location.hash = '#/{place}'")
        expect(trouble).to_contain_text("The app does not respond.")
        page.context.set_offline(offline=False)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(trouble).to_be_hidden()


def test_a_delivery_is_waited_for_through_a_fault(host: HostProcess, page: Page) -> None:
    page.goto(f"{host.url}/api/console#/events/01989765-1d49-7000-8000-000000000001")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found, so far")
    page.context.set_offline(offline=True)
    trouble = page.get_by_role("alert").filter(has_text="This page retries by itself")
    expect(trouble).to_be_visible()
    page.context.set_offline(offline=False)
    expect(trouble).to_be_hidden()
    for _ in range(2):
        page.wait_for_event("response", lambda answer: "/api/deliveries/01989765" in answer.url)


def test_what_a_button_could_not_do_is_not_tried_again(host: HostProcess, page: Page) -> None:
    delivery_id = send(host, "CreateCustomer", {"Code": "BUTTON"})
    page.goto(f"{host.url}/api/console#/events/{delivery_id}")
    expect(page.locator(".payloads pre")).to_have_count(2)
    page.context.set_offline(offline=True)
    page.get_by_role("button", name="Download").first.click()
    expect(page.get_by_role("alert")).to_have_text("The app does not respond. Try again.")


def test_an_address_that_leads_nowhere_says_so(host: HostProcess, page: Page) -> None:
    page.goto(f"{host.url}/api/console#/recieved")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such page")
    page.goto(f"{host.url}/api/console#/events/J29328-01")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not a delivery id")
    page.goto(f"{host.url}/api/console#/subjects/job/J99999-99")
    expect(page.get_by_text("No events found for job J99999-99.")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.goto(f"{host.url}/api/console#/events/01989765-1d49-7000-8000-000000000001")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found, so far")


def test_a_job_is_found_by_its_number_and_shows_its_history(host: HostProcess, page: Page) -> None:
    for event in ("CreateJob", "UpdateJobStatus", "CompleteJob"):
        send(host, event, {"QuoteNo": "Q005218v2", "Products": [{"JobNo": "J29328-01"}]})
    send(host, "CreateCustomer", {"Code": "KOWSEED"})
    page.goto(f"{host.url}/api/console")
    page.get_by_role("combobox", name="Search").fill("j29328")
    page.locator("#offers").get_by_role("option", name="J29328-01").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("J29328-01")
    expect(page.locator(".timeline li")).to_have_count(3)
    expect(page.locator(".timeline li").first).to_contain_text("CompleteJob")
    expect(page.get_by_role("heading", name="Payload")).to_be_visible()
    page.goto(f"{host.url}/api/console#/?subject=J29328-01")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto(f"{host.url}/api/console#/?subject=J29328")
    expect(page.get_by_text("No events found for J29328. Did you mean")).to_be_visible()
    page.goto(f"{host.url}/api/console#/?subject=J29328-01&event=CreateQuote")
    expect(page.get_by_text("No events found for J29328-01 with these filters")).to_be_visible()
    page.get_by_role("link", name="Search without them").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_what_was_sent_shows_its_steps_its_queues_and_both_forms(host: HostProcess, page: Page) -> None:
    delivery_id = send(host, "CreateCustomer", {"Code": "KOWSEED", "Active": "Perhaps", "Name": ""})
    page.goto(f"{host.url}/api/console#/events/{delivery_id}")
    expect(page.locator(".steps li")).to_have_count(6)
    expect(page.get_by_text("printiq-events")).to_be_visible()
    # each is asked for by itself: the one that answers first would be the only one, and so the first
    expect(page.locator(".payloads pre")).to_have_count(2)
    raw, data = (page.locator(".payloads pre").nth(number) for number in range(2))
    assert json.loads(raw.inner_text()) == {"Code": "KOWSEED", "Active": "Perhaps", "Name": ""}
    normalised = json.loads(data.inner_text())
    assert normalised["Name"] is None
    assert normalised["Active"] is None
    assert normalised["_unread"] == {"/Active": "Perhaps"}
    expect(data.locator("mark")).to_have_text("null")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").first.click()
    assert saved.value.suggested_filename == f"CreateCustomer-{delivery_id}.json"
    page.get_by_role("heading", name="Message").click()
    message = json.loads(page.locator("details pre").inner_text())
    assert message["delivery"] == delivery_id
    assert message["data"] == normalised


def test_what_was_refused_is_read_replayed_as_what_it_is_or_dismissed(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT)
    broken = b'{\n  "QuoteNo": "Q1",\n  "QuoteNo": "Q2"\n}'
    send(host, "CreateQuote", broken)
    send(host, "CreateQoute", {"QuoteNo": "Q005218v2"})
    page.goto(f"{host.url}/api/console#/attention")
    expect(page.locator("#open-count")).to_have_text("2")
    page.get_by_role("link", name="CreateQoute").click()
    expect(page.get_by_text("Did you mean CreateQuote")).to_be_visible()
    page.get_by_role("button", name="Replay …").click()
    page.get_by_label("Your name").fill("Ana")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Choose the event.")
    page.get_by_label("As event").select_option("CreateQuote")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.locator("h1 + .about")).to_contain_text("Q005218v2")
    expect(page.locator("#open-count")).to_have_text("1")
    page.goto(f"{host.url}/api/console#/attention")
    page.get_by_role("link", name="CreateQuote").click()
    expect(page.locator(".payloads mark")).to_have_text('"QuoteNo":')
    page.get_by_role("button", name="Dismiss …").click()
    page.get_by_label("Reason").fill("Sent by hand")
    page.get_by_role("button", name="Dismiss", exact=True).click()
    expect(page.get_by_text("Sent by hand")).to_be_visible()
    expect(page.locator("#open-count")).to_be_hidden()
    page.goto(f"{host.url}/api/console#/attention")
    expect(page.get_by_text("Nothing needs attention")).to_be_visible()


def test_a_replay_goes_to_the_queues_that_were_chosen_as_another_event_too(
    start_host: StartHost, page: Page
) -> None:
    queues = '[queues.all-events]\nevents = ["*"]\n[queues.quotes]\nevents = ["*Quote"]\n'
    host = start_host(ROOT, settings={"SUBSCRIPTIONS": queues})
    delivery_id = send(host, "CreateQuote", {"QuoteNo": "Q005218v2"})
    page.goto(f"{host.url}/api/console#/events/{delivery_id}")
    page.get_by_role("button", name="Replay …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("all-events").uncheck()
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("As event").select_option("CreateCustomer")
    dialog.get_by_role("button", name="Replay").click()
    expect(dialog).to_contain_text("No subscription sends CreateCustomer to quotes.")
    dialog.get_by_label("As event").select_option("AcceptQuote")
    dialog.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("AcceptQuote")
    expect(page.locator(".facts").get_by_role("link", name="quotes", exact=True)).to_be_visible()
    expect(page.locator(".facts")).not_to_contain_text("all-events")


def test_a_replay_is_offered_to_those_that_have_not_got_the_delivery(
    start_host: StartHost, page: Page
) -> None:
    queues = (
        '[queues.all-events]\nevents = ["*"]\n[queues.quotes]\ntitle = "Estimating"\nevents = ["*Quote"]\n'
    )
    host = start_host(ROOT, settings={"SUBSCRIPTIONS": queues})
    pause = {"reason": "Moves to another server"}
    httpx.post(f"{host.url}/api/subscriptions/quotes/pause", json=pause, timeout=60).raise_for_status()
    withheld = send(host, "CreateQuote", {"QuoteNo": "Q005218v2"})
    httpx.post(f"{host.url}/api/subscriptions/quotes/resume", timeout=60).raise_for_status()
    page.goto(f"{host.url}/api/console#/events/{withheld}")
    page.get_by_role("button", name="Replay …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("all-events")).not_to_be_checked()
    expect(dialog.get_by_label("Estimating")).to_be_checked()
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("Sent toEstimating quotes")


def test_numbers_and_letters_are_shown_as_they_came(host: HostProcess, page: Page) -> None:
    number = 2**53 + 1
    sent = send(host, "CreateCustomer", f'{{"Code": "PRECISE", "Unheard": {number}}}'.encode())
    page.goto(f"{host.url}/api/console#/events/{sent}")
    expect(page.locator(".payloads pre").nth(1)).to_contain_text(f'"Unheard": {number}')
    page.goto(f"{host.url}/api/console#/subjects/customer/PRECISE")
    expect(page.get_by_role("heading", level=1)).to_have_text("PRECISE")
    expect(page.locator(".pane")).to_contain_text(f'"Unheard": {number}')
    declared = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><Quote><QuoteNo>Q1</QuoteNo><Title>Grün</Title></Quote>'
    )
    for body in (declared.encode("latin-1"), declared.replace("ISO-8859-1", "utf-16").encode()):
        sent = send(host, "CreateQuote", body)
        page.goto(f"{host.url}/api/console#/events/{sent}")
        expect(page.locator(".payloads pre").first).to_contain_text("<Title>Grün</Title>")


def test_what_is_older_about_a_job_is_shown_once_however_often_it_is_asked_for(
    host: HostProcess, page: Page
) -> None:
    changes: Iterable[dict[str, object]] = ({"JobNo": "J77001-01", "JobReference": f"{n}"} for n in range(70))
    send_all(host, "UpdateJobStatus", changes)
    page.goto(f"{host.url}/api/console#/subjects/job/J77001-01")
    expect(page.locator(".timeline li")).to_have_count(50)
    page.get_by_role("button", name="Show older").dblclick()
    expect(page.get_by_role("button", name="Show older")).to_be_hidden()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".timeline li")).to_have_count(70)


def test_a_subjects_state_is_told_by_its_whole_history(host: HostProcess, page: Page) -> None:
    send(host, "CompleteJob", {"JobNo": "J77002-01"})
    changes: Iterable[dict[str, object]] = ({"JobNo": "J77002-01", "JobReference": f"{n}"} for n in range(51))
    send_all(host, "UpdateJobStatus", changes)
    page.goto(f"{host.url}/api/console#/subjects/job/J77002-01")
    expect(page.locator(".timeline li")).to_have_count(50)
    expect(page.locator(".badge.state")).to_have_text("complete")
    expect(page.locator(".head").get_by_role("link", name="CompleteJob")).to_be_visible()


def test_what_was_erased_says_so_and_offers_nothing(host: HostProcess, page: Page) -> None:
    sent = send(host, "CreateCustomer", {"Code": "ERASED"})

    def erase(row: dict[str, Any]) -> None:
        gone = {"erased": "2026-03-02T08:30:00.000Z", "erasedBecause": "Asked for by letter"}
        for name in ("kind", "subject", "customer", "raw"):
            row.pop(name, None)
        row.update(gone, sentTo=[], queues=[], subjects=[])

    page.route(f"**/api/deliveries/{sent}", lambda route: changed(route, erase))
    page.goto(f"{host.url}/api/console#/events/{sent}")
    expect(page.get_by_text("Asked for by letter")).to_be_visible()
    expect(page.get_by_role("button", name="Download")).to_have_count(0)
    expect(page.get_by_role("button", name="Replay …")).to_have_count(0)


def test_a_count_of_whole_hours_says_so(host: HostProcess, page: Page) -> None:
    page.goto(f"{host.url}/api/console#/?from=2026-03-02T08:30:00.000Z&to=2026-03-02T10:00:00.000Z")
    expect(page.locator(".figure").first).to_contain_text("counted in whole hours")
    page.goto(f"{host.url}/api/console#/?from=2026-03-02T08:00:00.000Z&to=2026-03-02T10:00:00.000Z")
    expect(page.get_by_text("counted in whole hours")).to_have_count(0)
    expect(page.locator(".figure").first).to_contain_text("events that match")


def test_an_orders_reference_is_its_jobs_but_a_customers_is_not(host: HostProcess, page: Page) -> None:
    job: dict[str, object] = {"JobNo": "J77003-01", "SalesOrderNo": "SO077003", "JobReference": "PO 77-310"}
    send(host, "UpdateOrderStatus", job)
    page.goto(f"{host.url}/api/console#/subjects/order/SO077003")
    expect(page.locator(".head")).to_contain_text("ReferencePO 77-310")
    send(host, "ExportInvoice", (CORPUS / "ExportInvoice" / "typical.json").read_bytes())
    page.goto(f"{host.url}/api/console#/subjects/customer/KOWSEED")
    expect(page.locator(".timeline")).to_contain_text("ExportInvoice")
    expect(page.locator(".head")).not_to_contain_text("Reference")


def test_what_was_refused_about_a_job_is_beside_its_history(host: HostProcess, page: Page) -> None:
    send(host, "CompleteJob", {"JobNo": "J77004-01"})
    send(host, "UpdateJobStatus", b"<JobStatus><JobNo>J77004-01</JobNo><Status>Printed")
    page.goto(f"{host.url}/api/console")
    page.get_by_role("combobox", name="Search").fill("77004")
    expect(page.locator("#offers").get_by_role("option")).to_have_count(2)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("J77004-01")
    send(host, "UpdateJobStatus", b"<JobStatus><JobNo>J77004-011</JobNo><Status>Printed")
    page.reload()
    expect(page.locator(".timeline li")).to_have_count(1)
    refused = page.locator(".findings li")
    expect(refused).to_contain_text("The XML ends too early")
    refused.get_by_role("link", name="UpdateJobStatus").click()
    expect(page.get_by_role("heading", name="Why it was refused")).to_be_visible()


@pytest.fixture
def page_in_california(browser: Browser) -> Iterator[Page]:
    with session(browser, locale="en-GB", timezone_id="America/Los_Angeles") as page:
        yield page


def test_days_are_named_as_they_are_counted(host: HostProcess, page_in_california: Page) -> None:
    page = page_in_california
    send(host, "CreateCustomer", {"Code": "DAYS"})
    counted_from = "2026-03-04T00:00:00.000Z"
    page.route(
        "**/api/stats?per=day*",
        lambda route: changed(route, lambda stats: stats.update(countedFrom=counted_from)),
    )
    page.goto(f"{host.url}/api/console")
    with page.expect_response("**/api/stats?per=day*") as answer:
        page.get_by_label("Received").select_option("Last 7 days")
    expect(page.get_by_role("heading", name="By day, in UTC")).to_be_visible()
    first = datetime.fromisoformat(answer.value.json()["buckets"][0]["start"])
    expect(page.locator(".bars text").first).to_have_text(re.compile(f"^{first.day} {first:%b}"))
    expect(page.locator(".bars title").first).to_have_text(f"{first:%d/%m/%Y} UTC: nothing")
    expect(page.locator(".figure").first).to_contain_text("counted from 04/03/2026 UTC on")


def test_fields_that_the_models_do_not_know_are_shown_without_values(host: HostProcess, page: Page) -> None:
    send(host, "CreateCustomerContact", {"ContactKey": "7", "Nickname": "Jo Bloggs"})
    wait_until(lambda: "Nickname" in httpx.get(f"{host.url}/api/drift", timeout=60).text)
    page.goto(f"{host.url}/api/console#/changes")
    page.get_by_role("heading", name="CreateCustomerContact").click()
    row = page.get_by_role("row", name="Nickname")
    expect(row).to_contain_text("Xx Xxxxxx")
    expect(page.get_by_text("Jo Bloggs")).to_have_count(0)


HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def test_what_normalising_changed_is_marked(host: HostProcess, page: Page) -> None:
    sent = send(host, "CreateCustomer", b'{"Code": 4711, "Name": "Gr\\u00fcn", "Active": "true"}')
    page.goto(f"{host.url}/api/console#/events/{sent}")
    expect(page.locator(".payloads pre").nth(1)).to_contain_text("Grün")
    expect(page.locator(".payloads .changed")).to_have_text(['"4711"'])


def test_a_payload_that_contains_script_and_markup_is_text_everywhere(host: HostProcess, page: Page) -> None:
    sent = send(host, "CreateCustomer", {"Code": HOSTILE, HOSTILE: HOSTILE, "Active": HOSTILE})
    refused = send(host, "CreateQuote", f"<html>{HOSTILE}</html>".encode())
    failed = send(
        host, "ExportInvoice", f'{{"IsError": true, "ErrorMessage": {json.dumps(HOSTILE)}}}'.encode()
    )
    wait_until(lambda: "alert(2)" in httpx.get(f"{host.url}/api/drift", timeout=60).text)
    page.goto(f"{host.url}/api/console")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    for delivery_id in (sent, refused, failed):
        page.goto(f"{host.url}/api/console#/events/{delivery_id}")
        expect(page.locator(".payloads pre").first).to_contain_text("alert(2)")
    page.goto(f"{host.url}/api/console#/changes")
    page.get_by_role("heading", name="CreateCustomer", exact=True).click()
    expect(page.get_by_text("alert(2)").first).to_be_visible()
    page.goto(f"{host.url}/api/console#/attention")
    expect(page.locator("tbody tr")).not_to_have_count(0)
    page.get_by_role("link", name="Events", exact=True).click()
    page.get_by_role("combobox", name="Search").fill(HOSTILE)
    expect(page.locator("#offers").get_by_role("option")).to_contain_text("alert(2)")
    assert page.evaluate("document.querySelectorAll('img:not([src*=icon]), script:not([src])').length") == 0


def test_nothing_comes_from_another_host_and_the_policy_holds(host: HostProcess, page: Page) -> None:
    send(host, "CreateCustomer", {"Code": "POLICY"})
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    for place in ("", "#/attention", "#/changes", "#/connect"):
        answered = page.goto(f"{host.url}/api/console{place}")
        page.wait_for_load_state("networkidle")
        if answered is not None:
            assert "default-src 'none'" in answered.headers["content-security-policy"]
    assert asked == {urlsplit(host.url).netloc}
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>markup</b>'")


def test_everything_can_be_done_by_keyboard(host: HostProcess, page: Page) -> None:
    for number in ("FIRST", "SECOND"):
        send(host, "CreateConsignment", {"ConsignmentNo": number})
    page.goto(f"{host.url}/api/console#/?event=CreateConsignment")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1 + .about")).to_contain_text("FIRST")
    page.keyboard.press("u")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("seco")
    expect(page.locator("#offers").get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("SECOND")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect printIQ")
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page.get_by_role("heading", level=1)).to_have_text("Subscriptions")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", level=1)).to_have_text("Schema changes")


def test_the_content_can_be_skipped_to_and_a_ticked_box_does_not_take_the_keys(
    host: HostProcess, page: Page
) -> None:
    page.goto(f"{host.url}/api/console#/connect")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect printIQ")
    page.get_by_role("link", name="Skip to the content").press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect printIQ")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_label("CreateCustomerContact when")).to_be_focused()


def test_what_is_drawn_anew_keeps_the_focus(host: HostProcess, page: Page) -> None:
    sent = send(host, "CreateCustomer", {"Code": "FOCUS"})
    send(host, "CreateQoute", {"QuoteNo": "Q1"})
    page.goto(f"{host.url}/api/console")
    for element in (
        page.locator("a.figure").first,
        page.get_by_title("Show only CreateCustomer", exact=True),
    ):
        element.focus()
        element.evaluate("element => { element.old = true }")
        # the counts are drawn again every few seconds
        wait_until(lambda: not element.evaluate("element => element.old"))  # noqa: B023 - called at once
        expect(element).to_be_focused()
    page.route(
        f"**/api/deliveries/{sent}",
        lambda route: changed(route, lambda row: row.update(status="failing", attempts=attempts)),
    )
    attempts = 2
    page.goto(f"{host.url}/api/console#/events/{sent}")
    download = page.get_by_role("button", name="Download").nth(1)
    expect(page.locator(".payloads pre")).to_have_count(2)
    download.focus()
    download.evaluate("element => { element.old = true }")
    for _ in range(2):
        page.wait_for_event("response", lambda answer: answer.url.endswith(sent))
    assert page.evaluate("document.activeElement.old")
    attempts = 3
    expect(page.get_by_text("Tried 3 times.")).to_be_visible()
    expect(download).to_be_focused()


@pytest.fixture
def phone(browser: Browser, scheme: str) -> Iterator[Page]:
    with session(browser, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_in_light_and_dark(host: HostProcess, phone: Page, scheme: str) -> None:
    sent = send(host, "CreateJobXml", (CORPUS / "CreateJobXml" / "typical.xml").read_bytes())
    send(host, "CreateQuote", b"x" * 5000)
    file = f"members_{'august' * 12}.csv"
    failed = send(host, "FailXMPieJob", {"FileName": file, "ErrorMessage": "Row 214: PostCode is empty."})
    received = ("", f"#/?subject={file}", f"#/events/{sent}", f"#/events/{failed}")
    pages = ("#/attention", "#/subscriptions", "#/subscriptions/printiq-events", "#/changes", "#/connect")
    for place in (*received, *pages, "#/subjects/job/J29528-01"):
        phone.goto(f"{host.url}/api/console{place}")
        phone.wait_for_load_state("networkidle")
        expect(phone.locator("main > *").first).to_be_attached()
        phone.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, place
    phone.goto(f"{host.url}/api/console#/?subject={file}&event=CreateQuote")
    expect(phone.get_by_text("with these filters")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    red = int(phone.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0]"))
    assert (red < 64) == (scheme == "dark")


def test_the_request_to_printiq_names_each_chosen_event_once_for_each_environment(
    host: HostProcess, page: Page
) -> None:
    page.goto(f"{host.url}/api/console#/connect")
    page.get_by_label("ExportInvoice when").check()
    page.get_by_label("CreateCustomer when").check()
    page.get_by_label("Address of the app for UAT").fill("https://uat.example/")
    text = page.get_by_label("The request").input_value()
    assert "ExportInvoice: POST JSON to https://uat.example/api/webhooks/ExportInvoice?code=<KEY>" in text
    assert text.count("/hot-folder/CreateCustomer/") == 2
    assert text.count("ExportInvoice: ") == 2
    assert "CreateJob" not in text
    page.get_by_role("button", name="Quotes").click()
    chosen = page.get_by_label("The request").input_value()
    assert "CreateQuote: POST JSON" in chosen
    assert "ExportInvoice" not in chosen


def test_the_request_gives_no_address_of_an_app_that_nobody_said_is_theirs(
    host: HostProcess, page: Page
) -> None:
    local = urlsplit(host.url)
    page.goto(f"{host.url}/api/console#/connect")
    request = page.get_by_label("The request")
    page.get_by_role("button", name="Everything").click()
    for place in ("UAT", "PROD"):
        expect(request).to_have_value(
            re.compile(f"POST JSON to https://<YOUR-{place}-APP>.azurewebsites.net/api")
        )
    expect(page.get_by_label("This app is")).to_have_count(0)
    here = f"http://{AS_DEPLOYED}:{local.port}"
    page.goto(f"{here}/api/console#/connect")
    page.get_by_role("button", name="Everything").click()
    uat, production = (page.get_by_label(f"Address of the app for {name}") for name in ("UAT", "production"))
    expect(request).not_to_have_value(re.compile(AS_DEPLOYED))
    page.get_by_label("This app is").select_option("UAT")
    expect(uat).to_have_value(here)
    expect(production).to_have_value("https://<YOUR-PROD-APP>.azurewebsites.net")
    page.get_by_label("This app is").select_option("production")
    expect(uat).to_have_value("https://<YOUR-UAT-APP>.azurewebsites.net")
    expect(production).to_have_value(here)
    _, uat_part, production_part = re.split(
        "^(?=UAT$|Production$)", request.input_value(), flags=re.MULTILINE
    )
    assert here not in uat_part
    assert f"POST JSON to {here}/api/webhooks/ExportInvoice?code=<KEY>" in production_part


@pytest.mark.parametrize(("tier", "name"), [("uat", "UAT"), ("prod", "production")])
def test_the_request_starts_with_the_environment_that_the_reader_looks_at(
    start_host: StartHost, page: Page, tier: str, name: str
) -> None:
    host = start_host(ROOT, settings={"PRINTIQ_TIER": tier})
    here = f"http://{AS_DEPLOYED}:{urlsplit(host.url).port}"
    page.goto(f"{here}/api/console#/connect")
    expect(page.get_by_label("This app is")).to_have_value(tier)
    expect(page.get_by_label(f"Address of the app for {name}")).to_have_value(here)
    page.get_by_role("button", name="Quotes").click()
    assert f"CreateQuote: POST JSON to {here}/api/" in page.get_by_label("The request").input_value()


# The operator's questions, each from the first page. A click or a choice counts; typing and Enter do not.

_SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 800}}


class Operator:
    """A reader of the console who counts clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()

    def choose(self, name: str, option: str) -> None:
        self.clicks += 1
        self.page.get_by_label(name).select_option(option)

    def search(self, text: str) -> None:
        self.page.get_by_role("combobox", name="Search").fill(text)


@pytest.fixture(params=_SIZES)
def operator(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Operator]:
    size = _SIZES[request.param]
    with session(browser, viewport=size, locale="en-GB", timezone_id="Pacific/Auckland") as page:
        yield Operator(page)


def test_whether_a_job_is_finished_and_who_was_told_takes_no_click(
    host: HostProcess, operator: Operator
) -> None:
    for event in ("CreateJob", "CompleteJob", "UpdateSalesOrderStatusLine"):
        send(host, event, {"QuoteNo": "Q005218v2", "Products": [{"JobNo": "J29328-01"}]})
    operator.page.goto(f"{host.url}/api/console")
    operator.search("j29328-01")
    operator.page.keyboard.press("Enter")
    expect(operator.page.locator(".badge.state")).to_have_text("complete")
    head = operator.page.locator(".head")
    expect(head.get_by_role("link", name="CompleteJob")).to_be_in_viewport()
    expect(head).to_contain_text("Sent toprintiq-events")
    assert operator.clicks == 0


def test_why_it_was_refused_and_sending_it_again_takes_two_clicks(
    start_host: StartHost, operator: Operator
) -> None:
    host = start_host(ROOT)
    invoice = (CORPUS / "ExportInvoice" / "typical.json").read_bytes()
    refused = send(host, "CreateQuote", invoice)
    page = operator.page
    page.goto(f"{host.url}/api/console")
    expect(page.locator("tbody tr")).to_contain_text("This is an Invoice")
    operator.click(page.get_by_role("link", name="CreateQuote"))
    expect(page.get_by_role("heading", name="Why it was refused")).to_be_in_viewport()
    operator.click(page.get_by_role("button", name="Replay as ExportInvoice …"))
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("ExportInvoice")
    expect(page.locator(".title .badge")).to_have_text("sent")
    assert operator.clicks <= 2
    page.goto(f"{host.url}/api/console#/events/{refused}")
    expect(page.get_by_text("Replayed by Ana as")).to_be_visible()


def test_what_came_yesterday_between_3_and_4_is_asked_in_the_readers_zone(
    host: HostProcess, operator: Operator
) -> None:
    send(host, "CreateCustomer", {"Code": "TODAY"})
    page = operator.page
    page.goto(f"{host.url}/api/console")
    expect(page.get_by_role("link", name="TODAY").first).to_be_visible()
    filters = page.locator(".more > summary")
    if filters.is_visible():
        operator.click(filters)
    operator.choose("Received", "From … to …")
    yesterday = datetime.now(ZoneInfo("Pacific/Auckland")).date() - timedelta(days=1)
    page.get_by_label("Received from, Pacific/Auckland").fill(f"{yesterday}T03:00")
    with page.expect_request(re.compile(r"/api/deliveries\?.*to=")) as asked:
        page.get_by_label("Received to, Pacific/Auckland").fill(f"{yesterday}T04:00")
        page.keyboard.press("Enter")
    begin = datetime(yesterday.year, yesterday.month, yesterday.day, 3, tzinfo=ZoneInfo("Pacific/Auckland"))
    query = parse_qs(urlsplit(asked.value.url).query)
    assert datetime.fromisoformat(query["from"][0]) == begin
    assert datetime.fromisoformat(query["to"][0]) == begin + timedelta(hours=1)
    expect(page.get_by_text("No events match these filters")).to_be_visible()
    expect(page.locator(".chosen")).to_contain_text("03:00")
    assert operator.clicks <= 2


def test_a_part_of_a_number_a_name_or_a_reference_is_enough_to_find_it(host: HostProcess, page: Page) -> None:
    job: dict[str, object] = {
        "JobNumber": "J77123-01",
        "PONum": "PO-90210",
        "Customer": {"Number": "MANUKA", "Name": "Mānuka Press"},
    }
    send(host, "CreateJobXml", job)
    refused = send(host, "CreateQuote", b'{"QuoteNo": "Q66554v1", "Products": [')
    page.goto(f"{host.url}/api/console")
    box, offers = page.get_by_role("combobox", name="Search"), page.locator("#offers").get_by_role("option")
    for text, offered in (
        ("77123", "job J77123-01 Mānuka Press · PO-90210"),
        ("90210", "job J77123-01 PO-90210 · Mānuka Press"),
        ("manuka", "customer MANUKA Mānuka Press"),
        ("66554", "quarantined CreateQuote Q66554v1"),
    ):
        box.fill(text)
        expect(offers).to_have_text([offered])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/events/{refused}$"))


def test_all_failures_of_an_event_are_found_by_its_name_kept_in_the_url_and_exported(
    start_host: StartHost, operator: Operator
) -> None:
    host = start_host(ROOT)
    send(host, "ExportInvoice", (CORPUS / "ExportInvoice" / "typical.json").read_bytes())
    send_all(host, "ExportInvoice", [b"<html>502</html>", b'{"INVInvoiceNumber": "INV'])
    send(host, "CreateQuote", b'{"QuoteNo": "Q1')
    page = operator.page
    page.goto(f"{host.url}/api/console")
    expect(page.locator("tbody tr")).to_have_count(4)
    operator.search("exportinv")
    operator.click(page.get_by_role("option", name="failures of ExportInvoice"))
    for _ in range(2):
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator(".chosen li")).to_have_count(5)
        page.reload()
    assert operator.clicks <= 2
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(saved.value.path().open(encoding="utf-8-sig")))
    assert [(row["event"], row["status"]) for row in rows] == [("ExportInvoice", "quarantined")] * 2


def test_everything_about_a_customer_is_exported_as_a_file(start_host: StartHost, operator: Operator) -> None:
    host = start_host(ROOT)
    ours = {"Number": "KOWSEED", "Name": "Kōwhai Seed Company"}
    send(host, "CreateCustomer", {"Code": "KOWSEED", "Name": "Kōwhai Seed Company"})
    send(host, "CreateJobXml", {"JobNumber": "J29328-01", "Customer": ours})
    done: dict[str, object] = {"Products": [{"JobNo": "J29328-01"}]}
    send(host, "CompleteJob", done)
    invoice = (CORPUS / "ExportInvoice" / "typical.json").read_bytes()
    send(host, "ExportInvoice", invoice)
    send(host, "CreateJobXml", {"JobNumber": "J7-01", "Customer": {"Number": "RIMU", "Name": "Rimu Press"}})
    page = operator.page
    page.goto(f"{host.url}/api/console")
    operator.search("kowhai seed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("KOWSEED")
    history = page.locator(".timeline li")
    expect(history).to_have_count(3)
    expect(history.nth(0)).to_contain_text("ExportInvoice invoice INV-0041877")
    expect(history.nth(1)).to_contain_text("CreateJobXml job J29328-01")
    operator.click(page.get_by_text("Export", exact=True))
    with page.expect_download() as saved:
        operator.click(page.get_by_role("button", name="Zip"))
    with zipfile.ZipFile(saved.value.path()) as archive:
        rows = [json.loads(line) for line in archive.read("deliveries.ndjson").splitlines()]
        bodies = {name.split("/")[1]: archive.read(name) for name in archive.namelist() if "/" in name}
    assert [row["event"] for row in rows] == [
        "ExportInvoice",
        "CompleteJob",
        "CreateJobXml",
        "CreateCustomer",
    ]
    assert bodies["ExportInvoice"] == invoice
    assert json.loads(bodies["CompleteJob"]) == done
    assert operator.clicks <= 2


def test_several_statuses_are_chosen_from_a_menu_that_stays_open(host: HostProcess, page: Page) -> None:
    page.goto(f"{host.url}/api/console")
    page.locator("[data-filter=status] > summary").click()
    for number, status in enumerate(("quarantined", "failed"), start=1):
        page.get_by_role("checkbox", name=status).click()
        expect(page.locator(".chosen li")).to_have_count(number + 1)
        expect(page.get_by_role("checkbox", name=status)).to_be_focused()
    assert page.url.endswith("status=quarantined%2Cfailed")
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox", name="failed")).to_be_hidden()


def test_a_new_tab_borrows_the_key_and_sign_out_signs_out_every_tab(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT, "--keys")
    key, _ = keys_of(host)
    page.goto(f"{host.url}/api/console")
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("No events yet")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{host.url}/api/console")
    expect(other.get_by_text("No events yet")).to_be_visible()
    other.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        expect(tab.get_by_label("Key", exact=True)).to_be_visible()
        assert tab.evaluate("sessionStorage.length") == 0


def test_a_selection_is_replayed_and_its_outcomes_are_reported(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT)
    quote = (CORPUS / "CreateQuote" / "typical.json").read_bytes()
    send_all(host, "CreateQoute", [quote, b'{"QuoteNo": "Q1'])
    send(host, "CreateCustomer", b"<html>")
    page.goto(f"{host.url}/api/console#/attention")
    rows = page.get_by_role("row", name="CreateQoute")
    expect(rows).to_have_count(2)
    for row in rows.all():
        row.get_by_role("checkbox").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_text("Export these").click()
    with page.expect_download() as saved:
        page.locator(".selection").get_by_role("button", name="CSV").click()
    exported = list(csv.DictReader(saved.value.path().open(encoding="utf-8-sig")))
    assert [row["event"] for row in exported] == ["_unknown", "_unknown"]
    page.get_by_role("button", name="Replay …").click()
    page.get_by_label("Your name").fill("Ana")
    page.get_by_label("As event").select_option("CreateQuote")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text(re.compile(r"^2 replayed: 1 \w+, 1 \w+\.$"))).to_be_visible()
    expect(page.locator(".remark")).to_contain_text("1 sent")
    expect(page.locator(".remark")).to_contain_text("1 quarantined")
    expect(rows).to_have_count(0)


def test_all_that_match_are_selected_and_acted_on_until_stopped(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT, settings={"PRINTIQ_SITE": "acme", "PRINTIQ_TIER": "prod"})
    send_all(host, "CreateCustomer", [b"<html>%d</html>" % number for number in range(60)])
    send(host, "CreateQuote", b"<html>")
    page.goto(f"{host.url}/api/console#/attention?event=CreateCustomer")
    expect(page.locator("#environment")).to_have_text("PROD · acme")
    expect(page).to_have_title(re.compile("^Needs attention .* PROD · acme .* printIQ events$"))
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Select all").click()
    expect(page.get_by_text("60 selected")).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/dismiss", hold)
    page.get_by_role("button", name="Dismiss …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Sent by hand")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Dismiss").click()
    expect(dialog.get_by_text("0 of 60")).to_be_visible()
    wait_until(lambda: page.evaluate("true") and len(held) == 4)  # so many run at once
    dialog.get_by_role("button", name="Stop").click()
    for route in held:
        route.continue_()
    expect(page.locator(".remark")).to_have_text(f"{len(held)} dismissed. Stopped: {60 - len(held)} left.")
    expect(page.locator("tbody tr")).to_have_count(60 - len(held))
    page.unroute("**/dismiss")
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("button", name="Dismiss …").click()
    dialog.get_by_label("Reason").fill("Sent by hand")
    dialog.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()
    expect(page.locator("#open-count")).to_have_text("1")


def test_no_more_than_5000_are_selected_at_once(host: HostProcess, page: Page) -> None:
    send(host, "CreateCustomer", b"<html>")
    asked = {"open": "true", "limit": "1"}
    (refused,) = httpx.get(f"{host.url}/api/deliveries", params=asked, timeout=60).json()["deliveries"]
    made = 0

    def answer(route: Route) -> None:
        """Answer as an app does in which 6,000 need attention."""
        nonlocal made
        wanted = min(int(parse_qs(urlsplit(route.request.url).query)["limit"][0]), 6_000 - made)
        rows = [{**refused, "id": f"{refused['id'][:-6]}{made + number:06x}"} for number in range(wanted)]
        made += wanted
        route.fulfill(json={"deliveries": rows, "cursor": f"{made:032x}" if made < 6_000 else None})

    page.route("**/api/deliveries?*open=true*", answer)
    page.goto(f"{host.url}/api/console#/attention?event=CreateCustomer")
    page.get_by_role("button", name="Select all").click()
    expect(page.get_by_text("5,000 selected")).to_be_visible()
    expect(page.get_by_text("There are more: these are the newest 5,000.")).to_be_visible()


def test_one_decision_leads_to_the_next(start_host: StartHost, page: Page) -> None:
    host = start_host(ROOT)
    for event in ("CreateCustomer", "CreateQuote", "CreateJob"):
        send(host, event, b"<html>")
    page.goto(f"{host.url}/api/console#/attention")
    page.get_by_role("link", name="CreateQuote").click()
    heading = page.get_by_role("heading", level=1)
    for event, following in (
        ("CreateQuote", "Next: CreateCustomer"),
        ("CreateCustomer", "Next: CreateJob"),
        ("CreateJob", None),
    ):
        expect(heading).to_have_text(event)
        page.get_by_role("button", name="Dismiss …").click()
        page.get_by_label("Reason").fill("Sent by hand")
        page.get_by_label("Your name").fill("Ana")
        page.get_by_role("button", name="Dismiss", exact=True).click()
        expect(page.get_by_text("Sent by hand")).to_be_visible()
        if following:
            expect(page.get_by_role("link", name=following)).to_be_visible()
            page.keyboard.press("n")
    expect(page.get_by_text("Nothing else needs attention.")).to_be_visible()


def test_what_printiq_always_sent_is_no_change_and_a_new_field_can_be_adopted(
    start_host: StartHost, page: Page
) -> None:
    host = start_host(ROOT)
    sent = send(host, "CreateCustomer", {"Code": "KOWSEED", "Loyalty": "Gold", "Tier": "1"})
    wait_until(lambda: "Loyalty" in httpx.get(f"{host.url}/api/drift", timeout=60).text)
    page.goto(f"{host.url}/api/console#/changes")
    expect(page.get_by_text("no change", exact=True)).to_be_visible()
    expect(page.locator(".drift")).to_contain_text("2 not in the model")

    def appears_later(drift: dict[str, Any]) -> None:
        (event,) = drift["events"]
        event["first"] = "2026-01-01T08:00:00Z"
        event["deliveries"] = 12
        for field in event["unknown"]:
            field["first"] = "2026-01-01T08:00:00Z" if field["field"] == "Tier" else "2026-01-03T08:00:00Z"

    page.route("**/api/drift", lambda route: changed(route, appears_later))
    page.reload()
    row = page.locator(".news tbody tr")
    expect(row).to_contain_text("Loyalty")
    expect(row).to_contain_text("Xxxx")
    expect(row).to_contain_text("1 of 12")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row.get_by_role("button", name="Copy command").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == (
        f"python3 dev.py adopt {sent} --name createcustomer-loyalty --url {host.url.rstrip('/')}"
    )


def test_a_subscription_is_paused_and_what_it_missed_is_replayed(start_host: StartHost, page: Page) -> None:
    queues = (
        '[queues.all-events]\nevents = ["*"]\n[queues.quotes]\ntitle = "Estimating"\nevents = ["*Quote"]\n'
    )
    host = start_host(ROOT, settings={"SUBSCRIPTIONS": queues})
    send(host, "CreateQuote", {"QuoteNo": "Q005217v1"})
    page.goto(f"{host.url}/api/console")
    expect(page.get_by_role("link", name="1 waiting for Estimating")).to_be_visible()
    page.get_by_role("link", name="Subscriptions").click()
    row = page.get_by_role("row", name="Estimating")
    expect(row).to_contain_text("*Quote")
    expect(row).to_contain_text("sending")
    row.get_by_role("link", name="Estimating").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Estimating")
    page.get_by_role("button", name="Pause …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Pause").click()
    expect(dialog).to_contain_text("Give a reason")
    dialog.get_by_label("Reason").fill("Moves to another server")
    dialog.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("by Ana: Moves to another server")).to_be_visible()
    expect(page.locator(".title .badge")).to_have_text("paused")
    expect(page.locator("#troubled-count")).to_have_text("1")
    send(host, "CreateQuote", {"QuoteNo": "Q005218v2"})
    history = page.locator(".history tbody tr")
    expect(history).to_contain_text("withheld")
    history.get_by_role("link", name="CreateQuote").click()
    expect(page.locator(".facts")).to_contain_text("Withheld fromEstimating")
    page.get_by_role("link", name="Q005218v2").first.click()
    expect(page.locator(".timeline")).to_contain_text("all-events; withheld from Estimating")
    page.go_back()
    page.go_back()
    page.get_by_role("button", name="Resume …").click()
    dialog.get_by_role("button", name="Resume").click()
    expect(page.locator(".title .badge")).to_have_text("sending")
    expect(page.locator("#troubled-count")).to_be_hidden()
    page.get_by_role("button", name="Replay missed …").click()
    expect(dialog).to_contain_text("1 can be replayed, to this subscription alone.")
    dialog.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("1 replayed.")).to_be_visible()
    expect(history).to_contain_text("replayed")
    history.get_by_role("link", name="replay", exact=True).click()
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("Estimating quotes")
    expect(page.locator(".facts")).not_to_contain_text("all-events")
    page.get_by_role("link", name="Estimating").click()
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_text("The test event was sent.")).to_be_visible()
    page.goto(f"{host.url}/api/console#/subscriptions/misspelt")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such subscription")


def test_what_an_address_answered_is_shown_until_it_takes_the_event(
    start_host: StartHost, page: Page
) -> None:
    with endpoint(None) as accounting:
        subscriptions = https("accounting", accounting.url(), title='"Accounting"', events='["*Invoice"]')
        host = start_host(ROOT, settings={"SUBSCRIPTIONS": subscriptions})
        accounting.statuses = [503] * 100  # until it was seen
        sent = send(host, "ExportInvoice", (CORPUS / "ExportInvoice" / "typical.json").read_bytes())
        page.goto(f"{host.url}/api/console#/subscriptions/accounting")
        row = page.locator(".history tbody tr").first
        expect(row).to_contain_text("HTTP 503")
        expect(row).to_contain_text("waiting")
        accounting.statuses.clear()
        row.get_by_role("link", name="ExportInvoice").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("ExportInvoice")
        expect(page).to_have_url(re.compile(sent))
        expect(row).to_contain_text("Accounting")
        expect(row).to_contain_text("delivered")
        page.go_back()
        expect(row).to_contain_text("HTTP 202")
        expect(page.locator(".title .badge")).to_have_text("sending")
        page.get_by_role("button", name="Send test event").click()
        expect(page.get_by_text("The test event was delivered: HTTP 202")).to_be_visible()
        expect(row).to_contain_text("test event")
        accounting.statuses = [500]
        page.get_by_role("button", name="Send test event").click()
        expect(page.get_by_text("The test event was not delivered: HTTP 500")).to_be_visible()
        accounting.statuses = [410]
        send(host, "ExportInvoice", b'{"INVInvoiceNumber": "INV-2", "INVID": 2}')
        expect(page.locator(".title .badge")).to_have_text("paused")
        page.get_by_label("State").select_option("withheld")
        expect(row).to_contain_text("INV-2")
        expect(page.locator(".history tbody tr")).to_have_count(1)


def test_an_address_that_takes_nothing_is_seen_from_every_page(start_host: StartHost, page: Page) -> None:
    with endpoint(None) as accounting:
        host = start_host(
            ROOT, settings={"SUBSCRIPTIONS": https("accounting", accounting.url("/status/503"))}
        )
        send(host, "CreateQuote", b'{"QuoteNo": "Q005218v2"}')

        def is_failing() -> bool:
            (found,) = httpx.get(f"{host.url}/api/subscriptions", timeout=60).json()["subscriptions"]
            return float(found.get("oldestSeconds", 0)) > 30

        wait_until(is_failing)
        page.goto(f"{host.url}/api/console#/connect")
        expect(page.locator("#troubled-count")).to_have_text("1")
        page.get_by_role("link", name="Subscriptions").click()
        expect(page.get_by_role("row", name="accounting")).to_contain_text("failing")
        page.get_by_role("link", name="accounting").click()
        expect(page.locator("div.remark")).to_contain_text("HTTP 503")
        page.get_by_role("link", name="Events", exact=True).click()
        expect(page.locator("tbody tr")).to_contain_text("not delivered to accounting")
        page.get_by_role("link", name="CreateQuote").first.click()
        expect(page.locator(".facts")).to_contain_text("Not delivered toaccounting")
        page.get_by_role("link", name="Q005218v2").first.click()
        expect(page.locator(".head")).to_contain_text("Not all delivered toaccounting")
        expect(page.locator(".timeline")).to_contain_text("not delivered to accounting")


def test_what_needs_attention_comes_and_goes_by_itself(host: HostProcess, page: Page) -> None:
    page.goto(f"{host.url}/api/console#/attention?event=CreateConsignment")
    expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()
    first, second = send_all(host, "CreateConsignment", [b"<html>", b"<body>"])
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    dismissal = {"reason": "Sent by hand", "by": "Ana"}
    httpx.post(f"{host.url}/api/deliveries/{first}/dismiss", json=dismissal, timeout=60).raise_for_status()
    expect(rows).to_have_count(1)
    httpx.post(f"{host.url}/api/deliveries/{second}/dismiss", json=dismissal, timeout=60).raise_for_status()
    expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()


def test_back_returns_to_the_place_that_was_scrolled_to(host: HostProcess, page: Page) -> None:
    send_all(host, "CreateCustomer", ({"Code": f"BACK{number:03}"} for number in range(60)))
    page.goto(f"{host.url}/api/console")
    page.get_by_role("button", name="Live").click()
    page.get_by_role("button", name="Show older").click()
    row = page.get_by_role("row", name="BACK003")
    row.scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    row.get_by_role("link", name="CreateCustomer").click()
    expect(page.locator("h1 + .about")).to_contain_text("BACK003")
    page.go_back()
    expect(row).to_be_in_viewport()
    assert page.evaluate("scrollY") == pytest.approx(scrolled, abs=40)


@pytest.fixture(scope="module")
def troubled_host(
    azurite: Azurite, unused_accounts: Iterator[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostProcess]:
    """Run the app with a paused subscription, one that takes nothing, and one that missed a delivery."""
    account = next(unused_accounts)
    storage = connection_string(azurite.port, account, azurite.accounts[account])
    estimating = '[queues.estimating]\ntitle = "Estimating"\nevents = ["*"]\n'
    with endpoint(None) as bad:
        accounting = https("accounting", bad.url("/status/503"), title='"Accounting"')
        shipping = https(
            "shipping", bad.url("/status/400"), title='"Shipping"', events='["CreateConsignment"]'
        )
        settings = {
            "AzureWebJobsStorage": storage,
            "HOT_FOLDER": storage,
            "SUBSCRIPTIONS": estimating + accounting + shipping,
        }
        running = HostProcess.start(ROOT, tmp_path_factory.mktemp("troubled"), settings=settings)
        try:
            with httpx.Client(base_url=f"{running.url}/api/subscriptions", timeout=60) as client:
                reason = {"reason": "Moves to another server", "by": "Ana"}
                client.post("/estimating/pause", json=reason).raise_for_status()
                client.post("/shipping/pause", json=reason).raise_for_status()
                sent = send(running, "CreateConsignment", b'{"ConsignmentNo": "C0018832"}')
                wait_until(lambda: client.get("/shipping").json()["missed"] == 1)
                client.post("/shipping/resume").raise_for_status()
                # its attempts began so long ago that it is given up after the next one
                push = Push(
                    subscription="shipping",
                    first_at=datetime.now(UTC) - timedelta(days=4),
                    message=client.get(f"{running.url}/api/deliveries/{sent}/message").content,
                )
                queue = QueueClient.from_connection_string(storage, "printiq-push")
                queue.send_message(push.encode().decode(), time_to_live=-1)
                wait_until(lambda: client.get("/shipping").json()["failed"] == 1)
                wait_until(lambda: client.get("/accounting").json().get("oldestSeconds", 0) > 30)
            yield running
        finally:
            running.stop()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[1400, 820, 390])
def audited(browser: Browser, request: pytest.FixtureRequest, scheme: str) -> Iterator[Page]:
    """Open a page that a test's scripts may run in, which the console's own policy forbids."""
    size = {"width": request.param, "height": 900}
    options = {"viewport": size, "color_scheme": scheme, "reduced_motion": "reduce", "bypass_csp": True}
    with session(browser, **options) as page:
        yield page


def found_by_axe(page: Page) -> list[tuple[str, ...]]:
    """Run axe-core on what the page shows now; return what it finds."""
    page.add_script_tag(path=node.packages(ROOT / "tests" / "console") / "node_modules/axe-core/axe.min.js")
    result = page.evaluate("axe.run()")
    return [
        (page.url, each["id"], item["html"][:200], item["failureSummary"])
        for each in result["violations"]
        for item in each["nodes"]
    ]


def open_afresh(page: Page, address: str) -> None:
    """Open a place of the console without the state of the one before it; wait until it is shown."""
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".skeleton")).to_have_count(0)
    page.wait_for_load_state("networkidle")


def test_axe_finds_nothing_on_any_page(host: HostProcess, audited: Page) -> None:
    sent = send(host, "CreateJob", (CORPUS / "CreateJob" / "typical.json").read_bytes())
    refused = send(host, "CreateQuote", b'{\n  "QuoteNo": "Q1",\n  "QuoteNo": "Q2"\n}')
    places = [
        "",
        "#/?status=quarantined,failed&from=2026-01-01T00:00:00.000Z",
        f"#/events/{sent}",
        f"#/events/{refused}",
        "#/subjects/job/J29328-01",
        "#/attention",
        "#/subscriptions",
        "#/subscriptions/printiq-events",
        "#/changes",
        "#/connect",
    ]
    found = []
    for place in places:
        open_afresh(audited, f"{host.url}/api/console{place}")
        audited.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        found += found_by_axe(audited)
    assert not found, "\n".join(map(str, found))


def test_axe_finds_nothing_where_a_subscription_is_in_trouble(
    troubled_host: HostProcess, audited: Page
) -> None:
    console = f"{troubled_host.url}/api/console"
    open_afresh(audited, f"{console}#/subscriptions")
    for title, state in (("Estimating", "paused"), ("Accounting", "failing"), ("Shipping", "has failures")):
        expect(audited.get_by_role("row", name=title)).to_contain_text(state)
    found = found_by_axe(audited)
    dialog = audited.get_by_role("dialog")
    for name, state, button in (
        ("estimating", "paused", "Resume …"),
        ("accounting", "failing", "Pause …"),
        ("shipping", "has failures", "Replay missed …"),
    ):
        open_afresh(audited, f"{console}#/subscriptions/{name}")
        expect(audited.locator(".title .badge")).to_have_text(state)
        expect(audited.locator(".history tbody tr")).to_have_count(1)
        found += found_by_axe(audited)
        audited.get_by_role("button", name=button).click()
        expect(dialog).to_be_visible()
        found += found_by_axe(audited)
    assert not found, "\n".join(map(str, found))

"""The whole app pushes to real HTTPS endpoints, good ones and bad ones, by Microsoft's runtime."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from endpoints import OLD_SECRET, SECRET, Endpoint, endpoint, https, trusted
from receiver import Json, Receiver, StartReceiver
from standardwebhooks import Webhook
from test_consumer_docs import PINS, TYPESCRIPT_OPTIONS

from tools import node
from tools.commands._api import Api
from tools.commands._target import StorageAccount
from tools.host.testing import StartHost, wait_until

ROOT = Path(__file__).parents[2]
# All that an endpoint may do wrong, each as a subscription of its own.
BAD = ("hang", "drip", "endless", "closed", "cut", "moved", "status/500", "retry/429/3600")


@pytest.fixture(scope="module")
def untrusted() -> Iterator[Endpoint]:
    with endpoint(trustme.CA()) as untrusted:
        yield untrusted


@pytest.fixture(scope="module")
def own(
    start_receiver: StartReceiver,
    authority: trustme.CA,
    serving: Endpoint,
    untrusted: Endpoint,
    tmp_path_factory: pytest.TempPathFactory,
) -> Receiver:
    bad = [https(f"bad-{path.replace('/', '-')}", serving.url(f"/{path}")) for path in BAD]
    subscriptions = [
        '[queues.printiq-events]\nevents = ["*"]\n',
        https("alive", serving.url("/alive"), auth='"signature"', secret_setting='"ALIVE_SECRET"'),
        *bad,
        https("bad-certificate", untrusted.url()),
        https("gone", serving.url("/status/410"), events='["ExportInvoice"]'),
    ]
    return start_receiver(
        {
            "SUBSCRIPTIONS": "\n".join(subscriptions),
            "ALIVE_SECRET": f"{SECRET} {OLD_SECRET}",
            **trusted(authority, tmp_path_factory.mktemp("authority")),
        }
    )


def quote(receiver: Receiver, number: str) -> str:
    return receiver.accepted("CreateQuote", json.dumps({"QuoteNo": number}).encode())


def sends(receiver: Receiver, subscription: str, delivery: str) -> Json:
    """Wait for the row of a delivery at a subscription."""
    (row,) = receiver.written("sends", PartitionKey=subscription, delivery=delivery)
    return row


def test_no_endpoint_delays_another_however_bad_it_is(
    own: Receiver, serving: Endpoint, untrusted: Endpoint
) -> None:
    sent = {quote(own, f"Q-{number}") for number in range(10)}

    def arrived() -> set[str]:
        return {json.loads(body)["delivery"] for body in serving.bodies("/alive")}

    # while others hang, which they do to the end of the test
    wait_until(lambda: sent <= arrived())
    assert serving.bodies("/hang")
    assert not untrusted.received
    for delivery in sent:
        assert sends(own, "alive", delivery)["state"] == "delivered"
        assert own.messages(delivery)
    one = min(sent)
    assert sends(own, "bad-endless", one)["state"] == "delivered"
    assert sends(own, "bad-cut", one)["state"] == "delivered"
    for subscription, why in {
        "bad-hang": "No response came within 15 seconds.",
        "bad-drip": "No response came within 15 seconds.",
        "bad-closed": "closed before a response",
        "bad-moved": "redirects (307)",
        "bad-status-500": "It responded with 500.",
        "bad-retry-429-3600": "It responded with 429.",
        "bad-certificate": "certificate is not trusted",
    }.items():
        rows = wait_until(
            lambda name=subscription, why=why: [  # type: ignore[misc]
                row for row in own.rows("sends", PartitionKey=name) if why in row.get("error", "")
            ]
        )
        assert {row["state"] for row in rows} == {"waiting"}


def test_commands_see_what_became_of_a_delivery(own: Receiver) -> None:
    sent = quote(own, "Q-seen")
    sends(own, "alive", sent)
    for account in (StorageAccount(own.storage), Api(own.host.url, None)):
        seen = account.delivery(sent)
        assert seen is not None
        assert "delivered" in [each["state"] for each in seen["sends"] if each["subscription"] == "alive"]


def test_an_endpoint_that_is_gone_is_asked_once_and_its_subscription_paused(
    own: Receiver, serving: Endpoint
) -> None:
    first = own.accepted("ExportInvoice", json.dumps({"INVInvoiceNumber": "INV-1"}).encode())
    assert sends(own, "gone", first)["state"] == "paused"
    own.written("subscriptions", RowKey="gone")
    second = own.accepted("ExportInvoice", json.dumps({"INVInvoiceNumber": "INV-2"}).encode())
    assert sends(own, "gone", second)["state"] == "paused"
    assert len(serving.bodies("/status/410")) == 1


@pytest.mark.slow
def test_a_push_under_way_is_made_again_after_its_host_was_killed(
    start_host: StartHost, storage: str, authority: trustme.CA, serving: Endpoint, tmp_path: Path
) -> None:
    settings = {
        "SUBSCRIPTIONS": https("crm", serving.url("/hang-once")),
        **trusted(authority, tmp_path),
    }
    own = Receiver(start_host(ROOT, "--lease=5", settings=settings), storage)
    sent = quote(own, "Q-killed")
    wait_until(lambda: serving.bodies("/hang-once"))
    own.host.kill()
    # the platform's own message comes back, or the copy that was hidden while the endpoint hung
    again = Receiver(start_host(ROOT, "--lease=5", settings=settings), storage)
    assert sends(again, "crm", sent)["state"] == "delivered"
    first, *others = serving.bodies("/hang-once")
    assert set(others) == {first}


def snippet(language: str) -> str:
    text = (ROOT / "docs" / "push.md").read_text("utf-8")
    return text.partition(f"```{language}\n")[2].partition("\n```")[0]


@pytest.fixture(scope="module")
def pushed(own: Receiver, serving: Endpoint) -> tuple[str, dict[str, str]]:
    """Return the body and the headers of a push, as its receiver gets them."""
    delivery = quote(own, "Q-Ü")
    received = wait_until(
        lambda: [
            each for each in serving.received if each.path == "/alive" and delivery.encode() in each.body
        ]
    )[0]
    return received.body.decode(), {name.lower(): value for name, value in received.headers.items()}


def test_the_signature_is_verified_as_the_documentation_does_in_python(
    pushed: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    body, headers = pushed
    for secret in (SECRET, OLD_SECRET):
        monkeypatch.setenv("PRINTIQ_SECRET", secret)
        members: Json = {}
        exec(snippet("python"), members)
        assert members["verified"](body, headers)["data"]["QuoteNo"] == "Q-Ü"
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body.replace("Q-Ü", "Q-U"), headers)


TYPESCRIPT_TAIL = """
const { body, headers } = JSON.parse(await new Response(process.stdin as never).text());
console.log(JSON.stringify(verified(body, headers)));
try {
  verified(body.replace("Q-Ü", "Q-U"), headers);
} catch (error) {
  console.log((error as Error).message);
}
"""


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_the_signature_is_verified_as_the_documentation_does_in_typescript(
    pushed: tuple[str, dict[str, str]], tmp_path: Path, secret: str
) -> None:
    body, headers = pushed
    installed = node.packages(PINS)
    (tmp_path / "node_modules").symlink_to(installed / "node_modules", target_is_directory=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": TYPESCRIPT_OPTIONS}))
    (tmp_path / "program.ts").write_text(snippet("typescript") + TYPESCRIPT_TAIL, "utf-8")
    node.npm("exec", "--no", "--", "tsc", cwd=tmp_path)
    said = node.run(
        Path("program.ts"),
        given=json.dumps({"body": body, "headers": headers}),
        cwd=tmp_path,
        env={**os.environ, "PRINTIQ_SECRET": secret},
    )
    event, mistake = said.splitlines()
    assert json.loads(event)["data"]["QuoteNo"] == "Q-Ü"
    assert mistake == "No matching signature found"

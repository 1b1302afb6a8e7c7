"""One request to a real HTTPS endpoint: what it answers, what went wrong, and what is never shown."""

import asyncio
import base64
import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
import trustme
from endpoints import OLD_SECRET, SECRET, Endpoint, endpoint
from standardwebhooks import Webhook

from handlers.errors import DestinationFault
from handlers.push.answers import Answer
from handlers.push.authorization import MAKING_ONE
from handlers.push.client import Client
from handlers.pushes import Form
from handlers.subscriptions import HttpsSubscription

pytestmark = pytest.mark.usefixtures("trusting")

FORM = Form({"Content-Type": "application/cloudevents+json"}, '{"id":"1","data":"Ü"}'.encode())


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client("", is_local=True, seconds=60)
    yield client
    await client.close()


def to(url: str, **more: Any) -> HttpsSubscription:
    return HttpsSubscription.model_validate({"events": ["*"], "auth": "none", "url": url, **more})


async def post(client: Client, subscription: HttpsSubscription) -> Answer:
    return await client.post(subscription, "a-delivery", FORM, datetime.now(UTC))


async def failure(client: Client, subscription: HttpsSubscription) -> str:
    with pytest.raises(DestinationFault) as found:
        await post(client, subscription)
    return str(found.value)


async def test_a_push_arrives_as_it_is(client: Client, serving: Endpoint) -> None:
    answer = await post(client, to(serving.url("/ok")))
    assert answer.is_success
    received = serving.received[-1]
    assert received.body == FORM.body
    assert received.headers["Content-Type"] == "application/cloudevents+json"
    assert received.headers["User-Agent"] == "printiq-event-receiver"


async def test_an_address_is_used_to_the_letter(client: Client, serving: Endpoint) -> None:
    query = "sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-B_c%3D"
    await post(client, to(serving.url(f"/a%2Fb/%7Ec?{query}")))
    assert serving.received[-1].target == f"/a%2Fb/%7Ec?{query}"


@pytest.mark.parametrize("status", [400, 404, 410, 500])
async def test_a_status_and_the_start_of_the_body_are_kept(
    client: Client, serving: Endpoint, status: int
) -> None:
    answer = await post(client, to(serving.url(f"/status/{status}")))
    assert (answer.status, answer.text) == (status, f"The answer is {status}.")
    assert not answer.is_success


async def test_a_redirect_is_not_followed(client: Client, serving: Endpoint) -> None:
    before = len(serving.received)
    answer = await post(client, to(serving.url("/moved")))
    assert (answer.status, answer.is_success) == (307, False)
    assert "redirects" in answer.error
    assert [each.path for each in serving.received[before:]] == ["/moved"]


async def test_retry_after_is_read_as_seconds_and_as_a_date(client: Client, serving: Endpoint) -> None:
    assert (await post(client, to(serving.url("/retry/429/7")))).retry_after == 7
    date = format_datetime(datetime.fromtimestamp(time.time() + 100, UTC), usegmt=True).replace(" ", "%20")
    found = (await post(client, to(serving.url(f"/retry/503/{date}")))).retry_after
    assert found is not None
    assert 90 < found <= 100
    assert (await post(client, to(serving.url("/retry/503/soon")))).retry_after is None


@pytest.mark.parametrize("path", ["/hang", "/drip"])
async def test_an_endpoint_that_hangs_or_drips_is_left_in_time(serving: Endpoint, path: str) -> None:
    client = Client("", is_local=True, seconds=2)
    assert "within 2 seconds" in await failure(client, to(serving.url(path)))
    await client.close()


async def test_of_an_endless_body_a_little_is_read(client: Client, serving: Endpoint) -> None:
    answer = await post(client, to(serving.url("/endless")))
    assert answer.is_success
    assert answer.text == "x" * 1000


async def test_a_body_that_breaks_off_does_not_change_the_status(client: Client, serving: Endpoint) -> None:
    answer = await post(client, to(serving.url("/cut")))
    assert answer.is_success


async def test_a_connection_that_is_closed_without_a_response_is_a_failure(
    client: Client, serving: Endpoint
) -> None:
    assert "closed before a response" in await failure(client, to(serving.url("/closed")))


async def test_nobody_listening_is_a_failure(client: Client) -> None:
    assert await failure(client, to("https://localhost:9/")) == "No connection: Connection refused."


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "Connection refused"),
        ("10.1.1.1", "10.1.1.1 is not a public address; allow_private = true allows it"),
    ],
)
async def test_each_reason_why_no_address_of_a_name_can_be_connected_to_is_given_once(
    client: Client, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    async def resolved(*_: object, **__: object) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 9, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 9)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    link_local = "fe80::1 is a link-local or metadata address, which is never pushed to"
    assert await failure(client, to("https://crm.example:9/")) == f"No connection: {link_local}; {reason}."


async def test_a_name_that_is_not_there_is_a_failure(client: Client) -> None:
    assert "cannot be resolved" in await failure(client, to("https://nowhere.invalid/"))


async def test_another_authority_is_not_trusted(client: Client) -> None:
    with endpoint(trustme.CA()) as other:
        assert "certificate is not trusted" in await failure(client, to(other.url()))
        assert not other.received


async def test_a_certificate_of_another_name_is_not_trusted(client: Client, authority: trustme.CA) -> None:
    with endpoint(authority, "elsewhere.example") as other:
        assert "certificate is not trusted: Hostname mismatch" in await failure(client, to(other.url()))
        assert not other.received


async def test_a_server_without_tls_gets_nothing(client: Client) -> None:
    with endpoint(None) as plain:
        assert "TLS failed" in await failure(client, to(plain.url().replace("http:", "https:")))
        assert not plain.received


async def test_http_is_allowed_only_to_this_machine_in_local_runs() -> None:
    with endpoint(None) as plain:
        for is_local in (True, False):
            client = Client("", is_local=is_local, seconds=60)
            if is_local:
                assert (await post(client, to(plain.url()))).is_success
            else:
                assert "over https only" in await failure(client, to(plain.url()))
            await client.close()
        assert len(plain.received) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_in_azure_this_machine_is_refused_unless_it_is_allowed(
    authority: trustme.CA, host: str
) -> None:
    client = Client("", is_local=False, seconds=60)
    with endpoint(authority, "localhost", "127.0.0.1") as serving:
        assert "is not a public address" in await failure(client, to(serving.url(host=host)))
        assert not serving.received
        assert (await post(client, to(serving.url(host=host), allow_private=True))).is_success
    await client.close()


async def test_the_address_that_is_connected_to_is_the_one_that_is_checked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolved(*_: object, **__: object) -> list[Any]:
        # the second lookup of a name may say anything: there is none
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    assert "169.254.169.254 is a link-local or metadata address" in await failure(
        client, to("https://metadata.example/", allow_private=True)
    )


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "017700000001"])
async def test_other_spellings_of_an_address_gain_nothing(host: str) -> None:
    client = Client("", is_local=False, seconds=2)
    found = await failure(client, to(f"https://{host}/"))
    assert "is not a public address" in found or "InvalidUrlClientError" in found
    await client.close()


async def test_a_signature_is_verified_by_the_library(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITS_SECRET", f"{SECRET} {OLD_SECRET}")
    await post(client, to(serving.url("/ok"), auth="signature", secret_setting="ITS_SECRET"))
    received = serving.received[-1]
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(received.body, received.headers) == json.loads(FORM.body)
    assert received.headers["webhook-id"] == "a-delivery"


async def test_a_secret_of_a_signature_is_hidden_where_it_is_repeated(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITS_SECRET", f"{SECRET} {OLD_SECRET}")
    keys = [secret.removeprefix("whsec_") for secret in (SECRET, OLD_SECRET)]
    address = serving.url(f"/echo/{SECRET}/{keys[1]}")
    answer = await post(client, to(address, auth="signature", secret_setting="ITS_SECRET"))
    assert "/echo/whsec_•••/•••" in answer.text
    assert not [key for key in keys if key in answer.text]


async def test_a_header_is_sent_and_hidden_where_it_is_repeated(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITS_KEY", "Bearer k3y-of-this-test")
    monkeypatch.setenv("ITS_URL", serving.url("/echo/s3cret%20of-this-test?sig=s1gn%2Fature-of-this-test"))
    subscription = HttpsSubscription.model_validate(
        {
            "events": ["*"],
            "auth": "header",
            "header": "X-Api-Key",
            "value_setting": "ITS_KEY",
            "url_setting": "ITS_URL",
        }
    )
    answer = await post(client, subscription)
    assert serving.received[-1].headers["X-Api-Key"] == "Bearer k3y-of-this-test"
    assert '"X-Api-Key": "•••"' in answer.text
    assert "of-this-test" not in answer.text


async def test_a_secret_is_hidden_however_json_escapes_it(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITS_KEY", "k3y/of+this=test")
    key = {"auth": "header", "header": "X-Api-Key", "value_setting": "ITS_KEY"}
    assert (await post(client, to(serving.url("/escaped"), **key))).text == '["•••", "•••", "•••"]'


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("", "The setting ITS_VALUE is not set."),
        ("@Microsoft.KeyVault(SecretUri=https://vault/secrets/x)", "Key Vault secret that cannot be read"),
        ("line\nbreak", "characters that no header may have"),
        ("Schlüssel", "characters that no header may have"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch, value: str, mistake: str
) -> None:
    monkeypatch.setenv("ITS_VALUE", value)
    before = len(serving.received)
    subscription = to(serving.url("/ok"), auth="header", header="X-Key", value_setting="ITS_VALUE")
    found = await failure(client, subscription)
    assert mistake in found
    assert not value or value not in found
    assert len(serving.received) == before


def of(size: int) -> str:
    """Return a secret of this many bytes."""
    return "whsec_" + base64.b64encode(b"\xfb" * size).decode()


@pytest.mark.parametrize(
    "value", ["whsec_", "whsec_Schlüssel", "whsec_not-base64-not-base64-not-base64-no", of(23), of(65)]
)
async def test_a_secret_that_is_none_is_named_and_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ITS_SECRET", value)
    found = await failure(client, to("https://localhost:9/", auth="signature", secret_setting="ITS_SECRET"))
    assert "The setting ITS_SECRET holds no secret of Standard Webhooks" in found
    assert "24 to 64 bytes" in found
    assert value == "whsec_" or value not in found


@pytest.mark.parametrize("value", [of(24), of(64), of(32).rstrip("="), of(32).removeprefix("whsec_")])
async def test_a_secret_of_24_to_64_bytes_signs(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ITS_SECRET", value)
    await post(client, to(serving.url("/ok"), auth="signature", secret_setting="ITS_SECRET"))
    received = serving.received[-1]
    assert Webhook(value).verify(received.body, received.headers) == json.loads(FORM.body)


def test_the_command_in_the_message_makes_a_secret() -> None:
    command = shlex.split(MAKING_ONE)
    made = subprocess.run([sys.executable, *command[1:]], capture_output=True, check=True, text=True).stdout
    assert len(base64.b64decode(made.strip().removeprefix("whsec_"))) == 32


@pytest.mark.parametrize(
    "url", ["ftp://host/", "https://user:word@host/", "//host", "nothing", "https://[x/"]
)
async def test_an_address_in_a_setting_is_checked_and_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ITS_URL", url)
    subscription = HttpsSubscription.model_validate(
        {"events": ["*"], "auth": "none", "url_setting": "ITS_URL"}
    )
    found = await failure(client, subscription)
    assert "The setting ITS_URL" in found
    assert url not in found


async def test_a_token_of_the_apps_identity_is_sent(
    client: Client, serving: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def token(self: object, audience: str) -> str:
        asked.append(audience)
        return "t0ken"

    monkeypatch.setattr("handlers.stores.identity.Identity.token", token)
    answer = await post(
        client, to(serving.url("/echo"), auth="entra", audience="https://eventgrid.azure.net")
    )
    assert asked == ["https://eventgrid.azure.net"]
    assert serving.received[-1].headers["Authorization"] == "Bearer t0ken"
    assert "t0ken" not in answer.text


async def test_control_characters_in_an_answer_are_escaped(client: Client, serving: Endpoint) -> None:
    answer = await post(client, to(serving.url("/coloured")))
    assert answer.text == r"\x1b[31mred\x1b[0m"

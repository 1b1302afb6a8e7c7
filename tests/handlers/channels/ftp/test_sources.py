"""The setting FTP_SOURCES: what is wrong in it is named, without its secrets."""

import json
from typing import Any

import pytest
from scenes import QUICK
from shop import tell

from handlers.channels.ftp import poll
from handlers.channels.ftp.sources import SourcesError, read_sources
from handlers.settings import Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tls": "yes"}, "`0.tls` must be 'none', 'explicit' or 'implicit'"),
        ({"colour": "blue"}, "Unknown parameter `0.colour`."),
        ({"folders": {"in": "CreateQuotes"}}, "Did you mean CreateQuote"),
        ({"password_setting": "SOME"}, "give either password or password_setting"),
        ({"host": ""}, "0.host"),
    ],
)
def test_a_wrong_source_is_named_without_the_password(changes: dict[str, Any], message: str) -> None:
    text = json.dumps([{"host": "ftp.example", "password": "open-sesame", **changes}])
    with pytest.raises(SourcesError) as error:
        read_sources(text)
    assert message in str(error.value)
    assert "open-sesame" not in f"{error.value!r} {error.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{password: open-sesame}]", "Invalid JSON"),
        ('{"password": "open-sesame"}', "The JSON must be a list."),
        ("@Microsoft.KeyVault(SecretUri=https://vault.example/open-sesame)", "could not resolve"),
        ('[{"host": "ftp.example"}, {"host": "ftp.example"}]', "give each a name"),
    ],
)
def test_wrong_sources_stop_nothing_else(
    storage: str, caplog: pytest.LogCaptureFixture, text: str, message: str
) -> None:
    tell(storage, lambda shop: poll.poll(shop.app), QUICK, FTP_SOURCES=text)
    assert "No FTP source is polled, because the setting FTP_SOURCES is wrong" in caplog.text
    assert message in caplog.text
    assert "open-sesame" not in caplog.text


def test_a_password_may_be_in_a_setting_of_its_own() -> None:
    text = '[{"host": "ftp.example", "password_setting": "SHOP_PASSWORD"}]'
    only = read_sources(text)[0].with_password({"SHOP_PASSWORD": "open-sesame"}.get)
    assert only.password.get_secret_value() == "open-sesame"
    assert (only.name, only.tls, only.address) == ("ftp.example", "explicit", "ftp.example:21")
    assert "open-sesame" not in repr(only)


def test_settings_do_not_show_their_sources() -> None:
    own = {"AzureWebJobsStorage": "x", "HOT_FOLDER": "x", "FTP_SOURCES": "open-sesame"}
    assert "open-sesame" not in repr(Settings.read(own))

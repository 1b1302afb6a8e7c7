"""Settings come from the environment under Azure's names; a wrong one is named."""

import os

import pytest
from pydantic import ValidationError

from events import DateOrder
from handlers.settings import SUBSCRIPTIONS_FILE, Settings, subscriptions_text


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEBSITE_HOSTNAME", "SUBSCRIPTIONS", "PRINTIQ_SITE", "QUARANTINE_STATUS", "DATE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("HOT_FOLDER", "UseDevelopmentStorage=true")


def test_without_further_settings_the_defaults_are_in_force() -> None:
    settings = Settings.read(os.environ)
    assert settings.max_body_bytes == 25 * 1024 * 1024
    assert (settings.duplicate_window_seconds, settings.retention_days) == (600, 365)
    assert (settings.date_order, settings.quarantine_status) == (DateOrder.DMY, "")
    assert subscriptions_text(settings.subscriptions) == SUBSCRIPTIONS_FILE.read_text("utf-8")


def test_a_connection_is_a_string_or_addresses_for_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage")
    for name, service in (("blob", "Blob"), ("queue", "Queue"), ("table", "Table")):
        monkeypatch.setenv(f"AzureWebJobsStorage__{name}ServiceUri", f"https://{service}.example")
    monkeypatch.setenv("AzureWebJobsStorage__clientId", "an-identity")
    connection = Settings.read(os.environ).storage
    assert connection.connection_string == ""
    assert connection[1:] == (
        "https://Blob.example",
        "https://Queue.example",
        "https://Table.example",
        "an-identity",
    )


def test_names_may_be_in_any_case_as_on_windows() -> None:
    settings = Settings.read({"AZUREWEBJOBSSTORAGE": "a", "HOT_FOLDER": "b", "Date_Order": "MDY"})
    assert (settings.storage_string, settings.hot_folder_string) == ("a", "b")
    assert settings.date_order is DateOrder.MDY


@pytest.mark.parametrize("name", ["AzureWebJobsStorage", "HOT_FOLDER"])
def test_a_missing_connection_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=f"{name} is not set: give a connection string, or"):
        Settings.read(os.environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BODY_BYTES", "200000000"),
        ("MAX_BODY_BYTES", "a lot"),
        ("QUARANTINE_STATUS", "200"),
        ("DUPLICATE_WINDOW_SECONDS", "-1"),
        ("DUPLICATE_WINDOW_SECONDS", "100000"),
        ("RETENTION_DAYS", "0"),
        ("DATE_ORDER", "YDM"),
        ("PRINTIQ_SITE", "two words"),
        ("HOT_FOLDER_SOURCE", "Polling"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings.read(os.environ)
    assert name in str(caught.value)


def test_the_setting_wins_over_the_shipped_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBSCRIPTIONS", '\n[queues.one]\nevents = ["*"]\n')
    setting = Settings.read(os.environ).subscriptions
    assert subscriptions_text(setting) == '[queues.one]\nevents = ["*"]'


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://localhost:7071"),
        ("localhost:7099", "http://localhost:7099"),
        ("127.0.0.1:7099", "http://127.0.0.1:7099"),
        ("shop.azurewebsites.net", "https://shop.azurewebsites.net"),
    ],
)
def test_the_app_knows_its_own_address(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    if host:
        monkeypatch.setenv("WEBSITE_HOSTNAME", host)
    assert Settings.read(os.environ).url == url

"""`dev.py verify` and `erase` say which storage they work on, and what to do where they cannot reach it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from command_line import copy_project, dev, words

from handlers.ids import new_id
from handlers.paths import raw_path
from handlers.stores import INBOX_QUEUE
from tools.host.testing import free_port

IDENTITY = {
    f"AzureWebJobsStorage__{service}ServiceUri": f"https://shop.{service}.example.invalid"
    for service in ("blob", "queue", "table")
}


def test_a_connection_string_is_enough_and_its_key_is_not_shown(storage: str) -> None:
    done = dev("verify", settings={"AzureWebJobsStorage": storage})
    assert done.returncode == 0, done.stdout + done.stderr
    account, key = (part.partition("=")[2] for part in storage.split(";")[1:3])
    assert f"Storage: account {account} at http://127.0.0.1" in done.stdout
    assert key not in done.stdout


@pytest.mark.parametrize(
    "command", [["verify"], ["erase", "--subject", "contact/77"]], ids=["verify", "erase"]
)
def test_a_setting_that_only_the_app_needs_is_not_asked_for(storage: str, command: list[str]) -> None:
    subscriptions = '[service-bus.jobs]\nevents = ["CompleteJob"]'
    done = dev(*command, settings={"AzureWebJobsStorage": storage, "SUBSCRIPTIONS": subscriptions})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SERVICE_BUS" not in done.stdout + done.stderr


def test_the_settings_of_the_app_are_read_from_its_file(storage: str, tmp_path: Path) -> None:
    copy_project(tmp_path)
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": {"AzureWebJobsStorage": storage}}))
    done = dev("erase", "--subject", "contact/77", "--json", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"erased": False, "ids": [], "unsearched": 0}), (
        done.stderr
    )
    assert f"Storage: account {storage.split(';')[1].partition('=')[2]}" in done.stderr
    file.write_text("{")
    for command in ("verify", "watch"):
        done = dev(command, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "is not valid JSON" in words(done.stderr)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"AzureWebJobsStorage__blobServiceUri": "https://shop.blob.example.invalid"},
            "for an identity AzureWebJobsStorage__queueServiceUri and AzureWebJobsStorage__tableServiceUri.",
        ),
        ({"AzureWebJobsStorage": "the-account"}, "AzureWebJobsStorage: Connection string is either blank or"),
    ],
    ids=["not-all-addresses", "no-connection-string"],
)
def test_wrong_settings_are_one_sentence_and_exit_code_2(settings: dict[str, str], message: str) -> None:
    done = dev("verify", settings=settings)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_a_login_the_command_says_how_to_get_one(tmp_path: Path) -> None:
    settings = {**IDENTITY, "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": str(tmp_path)}
    done = dev("verify", settings=settings)
    assert done.returncode == 3, done.stdout + done.stderr
    answer = done.stdout.splitlines()
    assert answer[0] == "Storage: https://shop.blob.example.invalid, with your identity"
    assert "az login" in answer[-1]
    assert len(answer) == 3
    assert done.stderr == ""


def test_the_local_storage_is_the_one_of_the_storage_port() -> None:
    port = free_port(3)
    for settings in (None, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}):
        done = dev("verify", f"--storage-port={port}", settings=settings)
        assert done.returncode == 3, done.stdout + done.stderr
        assert f"at http://127.0.0.1:{port}/" in done.stdout
        assert "--storage-port" in done.stdout


def test_erase_and_repair_say_what_waits_in_the_inbox(storage: str) -> None:
    """What waits could not be searched, and may be what looks lost."""
    with QueueClient.from_connection_string(storage, INBOX_QUEUE) as inbox:
        inbox.create_queue()
        inbox.send_message("printiq/1")
    settings = {"AzureWebJobsStorage": storage, "COLUMNS": "200"}
    done = dev("erase", "--subject", "contact/77", settings=settings)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "In the inbox: 1 message, which could not be searched" in done.stdout
    with BlobServiceClient.from_connection_string(storage) as blobs:
        blobs.create_container("archive")
        name = raw_path("CreateQuote", new_id(datetime.now(UTC)), "json")
        blobs.get_blob_client("archive", name).upload_blob(b"{}")
    done = dev("verify", "--repair", settings=settings)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Passed on none of the bytes without a row: messages wait (1)" in done.stdout

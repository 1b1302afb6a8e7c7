"""What the tests of infra/ share: providers that serve their schema, and what Terraform makes of them."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.bicep_cli import Snapshot, new_snapshot
from infra.provider_schema import azapi, azurerm
from infra.published import INFRA
from infra.terraform_core import Outcome, serving, terraform

type State = dict[str, Any]
type Apply = Callable[[Path], dict[str, State]]

EVERYTHING: State = {
    "alwaysReady": {"http": 2, "function:heartbeat": 1, "function:inbox": 1},
    "blobVersioning": True,
    "subscriptions": '[queues.printiq-events]\nevents = ["*"]',
    "alertWebhook": "teams",
    "ftpSources": True,
    "secrets": {"ACCOUNTING_URL": "accounting-url"},
    "serviceBus": {
        "tier": "standard",
        "queues": ["job-status"],
        "topics": {"job-events": ["board", "mail"], "quotes": ["crm"]},
    },
    "allowedAddresses": ["203.0.113.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1::/48"],
    "sftp": {"enabled": True, "userName": "printiq", "sshPublicKey": "ssh-ed25519 AAAA"},
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve both providers to Terraform for the whole session."""
    providers = {
        "registry.terraform.io/hashicorp/azurerm": azurerm(),
        "registry.terraform.io/azure/azapi": azapi(),
    }
    folders = [INFRA / "terraform", INFRA / "terraform" / "hot_folder_events"]
    with serving(providers, folders, tmp_path_factory.mktemp("providers")) as served:
        yield served


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Callable[..., Outcome]:
    """Return a function that runs a command of Terraform in a folder."""
    return lambda folder, *arguments: terraform(environment, folder, *arguments)


@pytest.fixture(scope="session")
def apply(run: Callable[..., Outcome]) -> Apply:
    """Return a function that runs terraform/tests of an infra/ and returns the state of each run."""

    def applied(infra: Path) -> dict[str, State]:
        outcome = run(infra / "terraform", "test", "-json", "-verbose")
        lines = [json.loads(line) for line in outcome.text.splitlines() if line.startswith("{")]
        assert outcome.code == 0, [line["@message"] for line in lines if line["@level"] == "error"]
        return {line["@testrun"]: line["test_state"] for line in lines if line["type"] == "test_state"}

    return applied


@pytest.fixture(scope="session")
def states(apply: Apply) -> dict[str, State]:
    """Return the states of UAT and production as they are in the repository."""
    return apply(INFRA)


@pytest.fixture(scope="session")
def copy_of_infra(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that copies infra/, with everything optional switched on in production."""

    def copied() -> Path:
        infra = tmp_path_factory.mktemp("infra") / "infra"
        shutil.copytree(INFRA, infra)
        profile = infra / "environments" / "prod.json"
        profile.write_text(json.dumps(json.loads(profile.read_text("utf-8")) | EVERYTHING), "utf-8")
        return infra

    return copied


@pytest.fixture(scope="session")
def everything_on(apply: Apply, copy_of_infra: Callable[[], Path]) -> State:
    """Return the state of production with everything that is optional switched on."""
    return apply(copy_of_infra())["prod"]


@pytest.fixture(scope="session")
def bicep_with_everything_on(copy_of_infra: Callable[[], Path]) -> Snapshot:
    """Return what Bicep makes of the same."""
    return new_snapshot(copy_of_infra(), "prod")

"""What tests on real parts share: one Azurite for all of them, and hosts of any function app."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tools.host.azurite import Azurite, connection_string, install
from tools.host.testing import HostProcess, StartHost, free_port

ROOT = Path(__file__).parents[1]
# A short key: all accounts have to fit into one environment variable, of 32 KB on Windows.
KEY = "dGVzdA=="
ACCOUNTS = dict.fromkeys((f"t{number:04}" for number in range(1500)), KEY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-expected", action="store_true", help="write tests/corpus/*/*.expected.json anew")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run one Azurite for the whole session, on free ports, in a temporary folder.

    Use `storage` rather than this: each test then has an account of its own, empty.
    """
    program = install(ROOT / ".local" / "azurite", print)
    with Azurite(program, free_port(3), tmp_path_factory.mktemp("azurite"), ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="session")
def unused_accounts() -> Iterator[str]:
    """Yield the names of storage accounts that no test has used, to the whole session."""
    return iter(ACCOUNTS)


@pytest.fixture
def storage(azurite: Azurite, unused_accounts: Iterator[str]) -> str:
    """Return the connection string of a storage account that no other test uses."""
    return connection_string(azurite.port, next(unused_accounts), KEY)


@pytest.fixture
def start_host(storage: str, tmp_path: Path) -> Iterator[StartHost]:
    """Return a function that starts the local host, and end every host that it started.

    `start_host(app, "--keys", "--lease=5", settings={...})` runs `python -m tools.host` on a free port and
    returns a `HostProcess` once it listens. The settings AzureWebJobsStorage and HOT_FOLDER are the test's
    own `storage`. A second host in the same test finds the keys and timers of the first.
    """
    started: list[HostProcess] = []

    def start(app: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> HostProcess:
        own = {"AzureWebJobsStorage": storage, "HOT_FOLDER": storage}
        host = HostProcess.start(app, tmp_path, *arguments, settings={**own, **(settings or {})})
        started.append(host)
        return host

    yield start
    for host in started:
        host.stop()

"""What tests with real parts share: one Azurite for all, hosts of any function app, and this app."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import hypothesis.configuration
import pytest
import trustme
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from bench import ENTITY, Bench, Call, settings
from endpoints import Endpoint, endpoint, trusted
from receiver import Receiver, StartReceiver

from handlers.settings import Settings
from tools.host.azurite import Azurite, connection_string, install
from tools.host.service_bus import ServiceBus
from tools.host.testing import HostProcess, StartHost, free_port

ROOT = Path(__file__).parents[1]
# What it keeps between runs names paths of this machine, so it is kept outside the project.
hypothesis.configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "printiq-hypothesis")
# The tests judge a change, not the luck of a draw or the speed of a machine: the same examples in every run.
# `dev.py test --hypothesis-profile=explore` draws others, and more of them.
_PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("repeatable", derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("explore", max_examples=2_000, **_PATIENT)
hypothesis.settings.load_profile("repeatable")
# A shell lets its background processes ignore Ctrl-C, and everything that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A short key: all accounts have to fit into one environment variable, of 32 KB on Windows.
KEY = "dA=="
ACCOUNTS = dict.fromkeys((f"t{number:04}" for number in range(2800)), KEY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-expected", action="store_true", help="write tests/corpus/*/*.expected.json anew"
    )


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
def other_storage(azurite: Azurite, unused_accounts: Iterator[str]) -> str:
    """Return the connection string of one more storage account that no other test uses."""
    return connection_string(azurite.port, next(unused_accounts), KEY)


@pytest.fixture
def new_settings(azurite: Azurite, unused_accounts: Iterator[str]) -> Callable[..., Settings]:
    """Return a function that makes the app's settings for a storage account that no test used before."""

    def of_a_new_account(**changes: str) -> Settings:
        return settings(connection_string(azurite.port, next(unused_accounts), KEY), **changes)

    return of_a_new_account


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
        host.kill()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone, as the app does."""
    return "asyncio"


@pytest.fixture
async def bench(storage: str) -> AsyncIterator[Bench]:
    """Yield the app's handlers on an empty storage account, without a host."""
    bench = Bench(storage)
    yield bench
    await bench.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Collect every request that goes to storage from now on; each is sent as ever."""
    made: list[Call] = []
    send = AioHttpTransport.send

    async def noted(self: AioHttpTransport, request: HttpRequest, **options: Any) -> Any:
        made.append(Call.of(request))
        return await send(self, request, **options)

    monkeypatch.setattr(AioHttpTransport, "send", noted)
    return made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return the certificate authority of `serving`."""
    return trustme.CA()


@pytest.fixture(scope="module")
def serving(authority: trustme.CA) -> Iterator[Endpoint]:
    """Yield an HTTPS endpoint, one for all tests of a module."""
    with endpoint(authority) as serving:
        yield serving


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust that authority, in this process."""
    for name, value in trusted(authority, tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock by which endpoints rest."""
    monkeypatch.setattr("handlers.push.lanes.monotonic", lambda: 0.0)


@pytest.fixture
def service_bus() -> Iterator[ServiceBus]:
    """Yield a Service Bus with the one entity `bench.ENTITY`."""
    with ServiceBus([ENTITY], free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def receivers(
    azurite: Azurite, unused_accounts: Iterator[str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[StartReceiver]]:
    """Return a context manager that yields a function to start this app, and ends all that it started."""

    @contextmanager
    def receivers() -> Iterator[StartReceiver]:
        started: list[HostProcess] = []

        def start(settings: Mapping[str, str], *arguments: str) -> Receiver:
            storage = connection_string(azurite.port, next(unused_accounts), KEY)
            own = {"AzureWebJobsStorage": storage, "HOT_FOLDER": storage}
            folder = tmp_path_factory.mktemp("host")
            host = HostProcess.start(ROOT, folder, *arguments, settings={**own, **settings})
            started.append(host)
            return Receiver(host, storage)

        yield start
        for host in started:
            host.kill()

    return receivers


@pytest.fixture(scope="module")
def start_receiver(
    receivers: Callable[[], AbstractContextManager[StartReceiver]],
) -> Iterator[StartReceiver]:
    """Return a function that starts this app for the tests of a module."""
    with receivers() as start:
        yield start


@pytest.fixture(scope="session")
def receiver(receivers: Callable[[], AbstractContextManager[StartReceiver]]) -> Iterator[Receiver]:
    """Return this app, running with its default settings, for all tests that need no others."""
    with receivers() as start:
        yield start({})

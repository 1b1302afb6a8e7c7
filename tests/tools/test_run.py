"""`dev.py run` starts everything, and ends everything that it started."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
from azure.storage.queue import QueueServiceClient
from command_line import ROOT, copy_project, dev
from endpoints import endpoint

from tools.host.azurite import connection_string, install
from tools.host.testing import free_port, wait_until

pytestmark = pytest.mark.slow

SAMPLE_APP = Path(__file__).parent / "host" / "sample_app"
NO_TIMER_NO_BLOBS = {"AzureWebJobs.tick.Disabled": "true", "AzureWebJobs.drop.Disabled": "true"}


class Run:
    """A `dev.py run`, without dev.py itself, in a project whose app is the sample app."""

    def __init__(
        self,
        project: Path,
        *options: str,
        environment: Mapping[str, str] = MappingProxyType({}),
        log: Path | None = None,
    ) -> None:
        self.port, self.storage_port = free_port(), free_port(3)
        self.data = project / "data"
        self.log = log or project / "run.log"
        ports = [f"--port={self.port}", f"--storage-port={self.storage_port}", f"--data={self.data}"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools", "run", *ports, *options],
                cwd=project,
                env={**NO_TIMER_NO_BLOBS, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def says(self, text: str) -> bool:
        assert self.process.poll() is None or text in self.log.read_text(), self.log.read_text()
        return text in self.log.read_text()

    def everything_ended(self) -> bool:
        saved = (self.data / "azurite" / "azurite.log").read_text().count("Queue service successfully closed")
        return bool(saved) and all(_is_free(self.storage_port + offset) for offset in range(3))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project with these tools, an installed Azurite and the sample app."""
    program = install(ROOT / ".local" / "azurite", print)
    copy_project(tmp_path)
    shutil.copytree(SAMPLE_APP, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sample_functions.py").rename(tmp_path / "function_app.py")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "azurite").symlink_to(program.parents[4])
    return tmp_path


@pytest.fixture
def run(project: Path) -> Iterator[Run]:
    running = Run(project, "--keys")
    yield running
    running.process.kill()
    running.process.wait()
    wait_until(running.everything_ended)


def test_run_says_what_listens_and_ctrl_c_ends_all_of_it(run: Run) -> None:
    wait_until(lambda: run.says("Ctrl-C stops everything"))
    assert f"The app is listening on http://127.0.0.1:{run.port}" in run.log.read_text()
    assert "POST /api/echo/{first}/{second?}" in run.log.read_text()
    key = re.search(r'curl -i -H "x-functions-key: (\S+)"', run.log.read_text())
    assert key
    options = f"--url http://127.0.0.1:{run.port} --storage-port {run.storage_port} --key {key[1]}\n"
    assert f"dev.py send CreateQuote {options}" in run.log.read_text()
    assert f"Console: http://127.0.0.1:{run.port}/api/console\n" in run.log.read_text()
    assert httpx.post(f"http://127.0.0.1:{run.port}/api/echo/a", timeout=60).status_code == 401
    assert httpx.post(f"http://127.0.0.1:{run.port}/api/echo/a?code={key[1]}", timeout=60).status_code == 202
    queues = QueueServiceClient.from_connection_string(connection_string(run.storage_port))
    assert list(queues.list_queues()) == []
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(180) == 0
    assert run.everything_ended()


def test_run_pushes_every_event_to_a_web_handler(tmp_path: Path) -> None:
    with endpoint(None) as handler:
        running = Run(ROOT, f"--push-to={handler.url('/events')}", f"--data={tmp_path}", log=tmp_path / "log")
        try:
            wait_until(lambda: running.says("Ctrl-C stops everything"))
            url = f"http://127.0.0.1:{running.port}/api"
            sent = httpx.post(f"{url}/webhooks/CreateQuote", json={"QuoteNo": "Q1"}, timeout=60).json()["id"]
            wait_until(lambda: handler.received)
            assert json.loads(handler.bodies("/events")[0])["delivery"] == sent
            subscription = httpx.get(f"{url}/subscriptions/push-to", timeout=60).json()
            assert subscription["title"] == "dev.py run --push-to"
        finally:
            running.process.send_signal(signal.SIGINT)
            running.process.wait()


def test_a_handler_by_http_elsewhere_is_refused() -> None:
    done = dev("run", "--push-to=http://example.com/events", settings={"COLUMNS": "200"})
    assert done.returncode == 2
    assert "an address begins with https://" in done.stderr


def test_nothing_is_left_when_run_is_killed(run: Run) -> None:
    wait_until(lambda: run.says("Ctrl-C stops everything"))
    run.process.kill()
    wait_until(run.everything_ended)


def test_a_taken_storage_port_is_one_line_and_exit_code_2(project: Path) -> None:
    port = free_port(3)
    with socket.create_server(("127.0.0.1", port + 1)):
        done = dev("run", f"--port={free_port()}", f"--storage-port={port}", folder=project)
    message = (
        f"Port {port + 1} is taken, perhaps by another dev.py run. "
        "End that, or choose another port with --storage-port.\n"
    )
    assert (done.returncode, done.stderr) == (2, message)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("DATE_ORDER", "YDM", "`DATE_ORDER` must be 'DMY' or 'MDY'.\n"),
        ("HOT_FOLDER", "nonsense", "The setting HOT_FOLDER cannot be used: Connection string is"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    project: Path, setting: str, value: str, message: str
) -> None:
    running = Run(project, environment={setting: value})
    assert running.process.wait(180) == 2
    assert message in running.log.read_text()
    assert "Traceback" not in running.log.read_text()


def test_run_names_a_mistake_in_the_subscriptions_and_still_listens(project: Path) -> None:
    running = Run(project, environment={"SUBSCRIPTIONS": "[queues.one]\nevents = []\ntitel = 'One'"})
    try:
        wait_until(lambda: running.says("Ctrl-C stops everything"))
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait()
    said = "`queues.one.titel`. Did you mean `title`? Correct the setting SUBSCRIPTIONS.\n"
    assert said in running.log.read_text()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_run_starts_again_where_a_storage_fault_has_ended_the_host(project: Path) -> None:
    """As Azure does: a storage that is unreachable for 27 s ends the genuine host."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = connection_string(taken.getsockname()[1])
    running = Run(project, environment={"AzureWebJobsStorage": nowhere})
    try:
        wait_until(lambda: running.log.read_text().count("The app is listening") == 2)
        assert "Starting again, as Azure does." in running.log.read_text()
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait()
        wait_until(running.everything_ended)

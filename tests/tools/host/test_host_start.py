"""What a host cannot run it refuses in a line that says what to do."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from sample import SAMPLE_APP, SETTINGS

from tools.host.azurite import connection_string
from tools.host.errors import HostError
from tools.host.settings import HostConfig, QueueOptions, load_app_settings, load_host_config, resolve

ROOT = Path(__file__).parents[3]
NOWHERE = connection_string(1)
IMPORT = "import azure.functions as func\napp = func.FunctionApp()\n"


def refusal(app: Path, port: int = 0, settings: Mapping[str, str] = MappingProxyType({})) -> str:
    """Start a host that must refuse, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.host", f"--app={app}", f"--port={port}"],
        cwd=ROOT,
        env={"AzureWebJobsStorage": NOWHERE, "DROPS": NOWHERE, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def write_app(folder: Path, code: str, host_json: str = '{"version": "2.0"}') -> Path:
    (folder / "function_app.py").write_text(code)
    (folder / "host.json").write_text(host_json)
    return folder


def test_a_taken_port_is_one_line_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(SAMPLE_APP, port)
    assert said == (
        f"Port {port} is taken, perhaps by another dev.py run. "
        "End that, or choose another port with --port.\n"
    )


def test_a_missing_connection_is_named() -> None:
    assert "The setting DROPS is missing" in refusal(SAMPLE_APP, settings={**SETTINGS, "DROPS": ""})


def test_a_schedule_that_is_none_is_named_with_its_setting_and_function() -> None:
    said = refusal(SAMPLE_APP, settings={**SETTINGS, "TICK": "every day"})
    assert said.startswith('The schedule "%TICK%" of the function tick: "every day" is no timer schedule')
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("binding", "asked"),
    [
        ('@app.service_bus_queue_trigger("x", queue_name="q", connection="C")\n', "serviceBusTrigger"),
        (
            """@app.queue_output("o", queue_name="q", connection="C")
@app.queue_trigger("x", queue_name="q", connection="C")
""",
            "queue",
        ),
    ],
)
def test_a_binding_that_the_host_does_not_run_is_refused_aloud(
    tmp_path: Path, binding: str, asked: str
) -> None:
    parameters = "x: str, o: func.Out[str]" if "output" in binding else "x: str"
    app = write_app(tmp_path, f"{IMPORT}{binding}def f({parameters}) -> None: ...\n")
    assert f"The function f asks for: {asked}." in refusal(app)


def test_an_app_that_does_not_import_is_shown_with_its_trace(tmp_path: Path) -> None:
    said = refusal(write_app(tmp_path, "import no_such_module\n"))
    assert "could not be loaded" in said
    assert "No module named 'no_such_module'" in said


@pytest.mark.parametrize(
    ("host_json", "said"),
    [
        ("{", "is not valid JSON"),
        ('{"functionTimeout": "soon"}', 'functionTimeout must be a time such as "00:00:02", not "soon"'),
        (
            '{"extensions": {"queues": {"batchSize": "16"}}}',
            'extensions.queues.batchSize must be a whole number from 1 to 32, not "16"',
        ),
        ('{"extensions": {"queues": {"batchSize": 33}}}', "a whole number from 1 to 32, not 33"),
        ('{"extensions": {"queues": {"batchSize": 0}}}', "a whole number from 1 to 32, not 0"),
        ('{"extensions": {"queues": {"maxDequeueCount": 0}}}', "a whole number from 1 to 2147483647, not 0"),
        (
            '{"extensions": {"queues": {"maxPollingInterval": "00:00:00.05"}}}',
            'maxPollingInterval must be 0.1 s at least, not "00:00:00.05"',
        ),
        ('{"extensions": {"queues": {"messageEncoding": "utf"}}}', 'must be "base64" or "none", not "utf"'),
    ],
)
def test_a_fault_in_host_json_is_named_with_its_place(tmp_path: Path, host_json: str, said: str) -> None:
    with pytest.raises(HostError, match=re.escape(said)):
        load_host_config(write_app(tmp_path, IMPORT, host_json))


def test_a_folder_without_an_app_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="the folder of a function app"):
        load_host_config(tmp_path)


def test_host_json_gives_the_options_and_the_platforms_defaults(tmp_path: Path) -> None:
    queues = '{"batchSize": 4, "maxPollingInterval": "00:00:02", "messageEncoding": "none"}'
    extensions = f'{{"queues": {queues}, "http": {{"routePrefix": ""}}}}'
    config = load_host_config(
        write_app(tmp_path, IMPORT, f'{{"functionTimeout": "-1", "extensions": {extensions}}}')
    )
    assert config == HostConfig(
        route_prefix="",
        function_timeout=None,
        queues=QueueOptions(
            batch_size=4, new_batch_threshold=2, max_polling_interval=timedelta(seconds=2), base64=False
        ),
    )


def test_local_settings_fill_what_the_environment_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IN_BOTH", "IN_FILE", "FUNCTIONS_WORKER_RUNTIME", "AZURE_FUNCTIONS_ENVIRONMENT"):
        monkeypatch.setenv(name, "environment")
    monkeypatch.delenv("IN_FILE")
    (tmp_path / "local.settings.json").write_text('{"Values": {"IN_BOTH": "file", "IN_FILE": "file"}}')
    load_app_settings(tmp_path)
    assert (os.environ["IN_BOTH"], os.environ["IN_FILE"]) == ("environment", "file")
    assert resolve("%IN_FILE%-%IN_BOTH%") == "file-environment"

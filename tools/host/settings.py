"""Reads what a function app is configured with: host.json, local.settings.json and the environment."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tools.host.errors import HostError

DEFAULT_STORAGE = "AzureWebJobsStorage"
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d+)?))?")
_HOURS_IN_A_DAY = 24
_MAX_BATCH_SIZE = 32
_MAX_INT = 2**31 - 1
_LEAST_POLLING_INTERVAL = timedelta(milliseconds=100)
# The host's own queue of blobs does not heed host.json's intervals.
_BLOB_POLLING_INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json, with the platform's defaults."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    max_dequeue_count: int = 5
    base64: bool = True


@dataclass(frozen=True, slots=True)
class BlobOptions:
    """`extensions.blobs` of host.json, with the platform's defaults."""

    max_degree_of_parallelism: int = 8
    poison_blob_threshold: int = 5

    def queue_options(self) -> QueueOptions:
        """Return the options of the queue through which the host runs what it finds in containers."""
        parallel = self.max_degree_of_parallelism
        batch_size = min(parallel // 2 + 1, _MAX_BATCH_SIZE) if parallel > 1 else 1
        return QueueOptions(
            batch_size=batch_size,
            new_batch_threshold=parallel - batch_size,
            max_polling_interval=_BLOB_POLLING_INTERVAL,
            visibility_timeout=timedelta(),
            max_dequeue_count=self.poison_blob_threshold,
        )


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What this host honours of host.json; `function_timeout` None means no limit."""

    route_prefix: str = "api"
    function_timeout: timedelta | None = timedelta(minutes=30)
    queues: QueueOptions = QueueOptions()
    blobs: BlobOptions = BlobOptions()


def parse_time_span(text: str) -> timedelta | None:
    """Read .NET's `[d.]hh:mm[:ss[.fff]]`, or return None where the text is something else."""
    match = _TIME_SPAN.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups()
    if int(hours) >= _HOURS_IN_A_DAY and days is None:  # .NET reads "24:00:00" as 24 days
        days, hours = hours, "0"
    return timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds or 0))


def load_host_config(app: Path) -> HostConfig:
    """Read host.json in the app's folder."""
    path = app / "host.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise HostError(f"There is no {path}: is {app} the folder of a function app?") from None
    except json.JSONDecodeError as exc:
        raise HostError(f"{path} is not valid JSON: {exc}") from exc
    extensions = _Section(path, "extensions", content.get("extensions", {}))
    queues, blobs = extensions.section("queues"), extensions.section("blobs")
    batch_size = queues.integer("batchSize", 16, least=1, most=_MAX_BATCH_SIZE)
    encoding = str(queues.values.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise HostError(
            f'{path}: extensions.queues.messageEncoding must be "base64" or "none", not "{encoding}".'
        )
    root = _Section(path, "", content)
    timeout = (
        None
        if content.get("functionTimeout") == "-1"
        else root.span("functionTimeout", timedelta(minutes=30))
    )
    return HostConfig(
        route_prefix=str(extensions.section("http").values.get("routePrefix", "api")).strip("/"),
        function_timeout=timeout,
        queues=QueueOptions(
            batch_size=batch_size,
            new_batch_threshold=queues.integer("newBatchThreshold", batch_size // 2),
            max_polling_interval=queues.span(
                "maxPollingInterval", timedelta(minutes=1), least=_LEAST_POLLING_INTERVAL
            ),
            visibility_timeout=queues.span("visibilityTimeout", timedelta()),
            max_dequeue_count=queues.integer("maxDequeueCount", 5, least=1),
            base64=encoding == "base64",
        ),
        blobs=BlobOptions(
            max_degree_of_parallelism=blobs.integer("maxDegreeOfParallelism", 8, least=1),
            poison_blob_threshold=blobs.integer("poisonBlobThreshold", 5, least=1),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Section:
    """An object of host.json, read as typed values; an error names the place that is wrong."""

    path: Path
    name: str
    values: Mapping[str, Any]

    def section(self, key: str) -> "_Section":
        return _Section(self.path, f"{self.name}.{key}", self.values.get(key, {}))

    def integer(self, key: str, default: int, *, least: int = 0, most: int = _MAX_INT) -> int:
        """Read a number; as on the platform, one that is out of range keeps the host from starting."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or not least <= value <= most:
            raise HostError(
                f"{self.path}: {self._place(key)} must be a whole number from {least} to {most}, "
                f"not {json.dumps(value)}."
            )
        return value

    def span(self, key: str, default: timedelta, *, least: timedelta = timedelta()) -> timedelta:
        value = self.values.get(key)
        if value is None:
            return default
        span = parse_time_span(value) if isinstance(value, str) else None
        if span is None:
            raise HostError(
                f'{self.path}: {self._place(key)} must be a time such as "00:00:02", not {json.dumps(value)}.'
            )
        if span < least:
            raise HostError(
                f"{self.path}: {self._place(key)} must be {least.total_seconds():g} s at least, "
                f"not {json.dumps(value)}."
            )
        return span

    def _place(self, key: str) -> str:
        return f"{self.name}.{key}".lstrip(".")


def load_app_settings(app: Path) -> None:
    """Put the Values of local.settings.json into the environment; what is set there already wins."""
    path = app / "local.settings.json"
    if path.exists():
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig")).get("Values", {})
        except json.JSONDecodeError as exc:
            raise HostError(f"{path} is not valid JSON: {exc}") from exc
        for name, value in values.items():
            os.environ.setdefault(name, str(value))
    os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def connection_string(connection: str | None) -> str:
    """Look up the connection that a trigger names, as the platform does: with its own prefix first."""
    name = connection or DEFAULT_STORAGE
    value = os.environ.get(f"AzureWebJobs{name}") or os.environ.get(name)
    if not value:
        raise HostError(
            f"The setting {name} is missing: a trigger names it as its storage connection. "
            "Set it to a connection string, in the environment or in the Values of local.settings.json."
        )
    return value


def resolve(text: str) -> str:
    """Replace each `%NAME%` in a binding's text with the setting of that name."""

    def setting(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise HostError(
                f"The setting {match[1]} is missing: a trigger refers to it as {match[0]}."
            ) from None

    return re.sub(r"%([^%\s]+)%", setting, text)


def is_disabled(function: str) -> bool:
    """Return whether the setting `AzureWebJobs.NAME.Disabled` (or with underscores) disables a function."""
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(os.environ.get(name, "").lower() in {"true", "1"} for name in names)

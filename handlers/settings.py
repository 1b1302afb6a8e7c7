"""The app's settings: the only reader of the environment."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from events import DateOrder

# The bound of MAX_BODY_BYTES: Azure Functions takes no larger request.
LARGEST_BODY = 100 * 1024 * 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SERVICE_BUS_NAMESPACE = "SERVICE_BUS__fullyQualifiedNamespace"
SUBSCRIPTIONS_FILE = Path(__file__).parent.parent / "subscriptions.toml"


class Connection(NamedTuple):
    """How to connect to a storage account: a connection string, or service URLs and an identity."""

    connection_string: str
    blob: str
    queue: str
    table: str
    client_id: str


def _named(name: str) -> Any:
    return Field("", validation_alias=name)


class Settings(BaseModel):
    """Every setting, as in the README's table."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, alias_generator=str.upper)

    # The names are those that Azure Functions itself reads, after `__` in its own spelling.
    storage_string: str = _named("AzureWebJobsStorage")
    storage_blob: str = _named("AzureWebJobsStorage__blobServiceUri")
    storage_queue: str = _named("AzureWebJobsStorage__queueServiceUri")
    storage_table: str = _named("AzureWebJobsStorage__tableServiceUri")
    storage_client_id: str = _named("AzureWebJobsStorage__clientId")
    hot_folder_string: str = _named("HOT_FOLDER")
    hot_folder_blob: str = _named("HOT_FOLDER__blobServiceUri")
    hot_folder_queue: str = _named("HOT_FOLDER__queueServiceUri")
    hot_folder_client_id: str = _named("HOT_FOLDER__clientId")
    service_bus_namespace: str = _named(SERVICE_BUS_NAMESPACE)
    service_bus_client_id: str = _named("SERVICE_BUS__clientId")

    printiq_site: str = Field("printiq", pattern=r"^[A-Za-z0-9._~-]+$")
    printiq_tier: Literal["", "uat", "prod"] = ""
    date_order: DateOrder = DateOrder.DMY
    max_body_bytes: int = Field(25 * 1024 * 1024, gt=0, le=LARGEST_BODY)
    # False is the fallback if a host does not forward requests: a body in chunks is then a 411.
    http_streams: bool = True
    quarantine_status: Literal["", "202"] = ""
    soap_response: Literal["envelope", "empty"] = "envelope"
    duplicate_window_seconds: int = Field(600, ge=0, le=86_400)
    retention_days: int = Field(365, ge=1)
    subscriptions: str = ""
    # Event Grid is all that Flex Consumption offers; elsewhere the host polls.
    hot_folder_source: Literal["EventGrid", "LogsAndContainerScan"] = "LogsAndContainerScan"
    # Parsed when the sources are polled: a mistake in it, or in the vault that may hold it, must not keep the
    # app from receiving through other channels.
    ftp_sources: SecretStr = SecretStr("")
    ftp_schedule: str = "30 * * * * *"
    # Set by Azure: the host name in the links that the app gives out.
    website_hostname: str = "localhost:7071"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings, whose names may be in any case. Raises pydantic.ValidationError."""
        names = {str(field.validation_alias) for field in cls.model_fields.values()}
        in_lower_case = {name.lower(): value for name, value in environment.items()}
        return cls.model_validate(
            {name: in_lower_case[name.lower()] for name in names if name.lower() in in_lower_case}
        )

    @property
    def storage(self) -> Connection:
        """The account for everything but the hot folder."""
        return Connection(
            self.storage_string,
            self.storage_blob,
            self.storage_queue,
            self.storage_table,
            self.storage_client_id,
        )

    @property
    def hot_folder(self) -> Connection:
        """The account of the hot folder."""
        return Connection(
            self.hot_folder_string, self.hot_folder_blob, self.hot_folder_queue, "", self.hot_folder_client_id
        )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for name, connection, services in (
            ("AzureWebJobsStorage", self.storage, ("blob", "queue", "table")),
            ("HOT_FOLDER", self.hot_folder, ("blob", "queue")),
        ):
            missing = [f"{name}__{each}ServiceUri" for each in services if not getattr(connection, each)]
            if not connection.connection_string and missing:
                raise ValueError(
                    f"{name} is not set: give a connection string, or for an identity {' and '.join(missing)}"
                )
        return self

    @property
    def is_local(self) -> bool:
        """Whether the app runs on a developer's machine: Azure sets another host name."""
        return self.website_hostname.startswith(("localhost", "127.0.0.1"))

    @property
    def url(self) -> str:
        """The app's own address."""
        return f"{'http' if self.is_local else 'https'}://{self.website_hostname}"


def subscriptions_text(setting: str) -> str:
    """Return the subscriptions as TOML: those of the setting SUBSCRIPTIONS, else the shipped file's."""
    return setting.strip() or SUBSCRIPTIONS_FILE.read_text(encoding="utf-8")


def named(name: str) -> str | None:
    """Return the value of a setting that another setting names."""
    return os.environ.get(name)


@cache
def settings() -> Settings:
    """Read the settings, once. Raises pydantic.ValidationError, which names each wrong setting."""
    return Settings.read(os.environ)

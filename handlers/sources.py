"""The FTP servers that are polled, as the setting FTP_SOURCES describes them."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from events import EventError, EventType


class FtpSource(BaseModel):
    """Describe one server: how to reach it, which folders hold which events, and what becomes of a file.

    Nothing of it is ever shown in an error: it holds a password.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )

    host: str = Field(min_length=1)
    port: int = Field(0, ge=0, le=65535)
    """0 is the port that goes with `tls`: 990 for implicit TLS, else 21."""
    name: str = Field("", pattern=r"^[A-Za-z0-9._-]*$")
    """What logs and ids call the source; the host if nothing else is said."""
    user: str = "anonymous"
    password: SecretStr = SecretStr("")
    password_setting: str = ""
    """The name of the setting that holds the password, which may be a Key Vault reference."""
    tls: Literal["none", "explicit", "implicit"] = "explicit"
    ca: str = ""
    """A private certificate authority: PEM text, or the path of a file."""
    folder: str = ""
    """Where the folders lie that are named like events; the folder after login if nothing is said."""
    folders: dict[str, str] = Field(default_factory=dict)
    """Instead of `folder`: paths, and the event for which each stands."""
    after: Literal["remove", "move", "keep"] = "remove"
    connections: int = Field(4, ge=1, le=10)
    """How many at most while many files wait."""
    processed: str = Field("processed", min_length=1)
    failed: str = Field("failed", min_length=1)

    @field_validator("folders")
    @classmethod
    def _known(cls, folders: dict[str, str]) -> dict[str, str]:
        for path, event in folders.items():
            try:
                EventType.named(event)
            except EventError as error:
                raise ValueError(f"folder {path!r}: {error}") from error
        return folders

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.password.get_secret_value() and self.password_setting:
            raise ValueError("give either password or passwordSetting, not both")
        if not self.name:
            return self.model_copy(update={"name": re.sub(r"[^A-Za-z0-9._-]", "-", self.host)})
        return self

    @property
    def address(self) -> str:
        """The server as a log may name it."""
        port = self.port or (990 if self.tls == "implicit" else 21)
        return f"{self.host}:{port}"

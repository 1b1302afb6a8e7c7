"""The FTP servers to poll, as the setting FTP_SOURCES describes them."""

import re
from collections.abc import Callable
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from events import EventError, EventType
from handlers.problems import in_words

_UNRESOLVED = "@Microsoft.KeyVault("


class SourcesError(ValueError):
    """A mistake in FTP_SOURCES, or in a setting named there; the message quotes no value: some are secret."""


class FtpSource(BaseModel):
    """One server: how to reach it, which folders hold which events, what happens to a file that was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    host: str = Field(min_length=1)
    port: int = Field(0, ge=0, le=65535)
    """0 stands for the default of `tls`: 990 for implicit TLS, else 21."""
    name: str = Field("", pattern=r"^[A-Za-z0-9._-]*$")
    """What logs and ids call the source; by default the host."""
    user: str = "anonymous"
    password: SecretStr = SecretStr("")
    password_setting: str = ""
    """The name of the setting that holds the password, which may be a Key Vault reference."""
    tls: Literal["none", "explicit", "implicit"] = "explicit"
    ca: str = ""
    """A private certificate authority: PEM text, or the path of a file."""
    folder: str = ""
    """The folder that holds the events' folders; by default the one after login."""
    folders: dict[str, str] = Field(default_factory=dict)
    """Instead of `folder`: paths, and the event that each holds."""
    after: Literal["remove", "move", "keep"] = "remove"
    depth: int = Field(3, ge=0, le=10)
    """How many levels of sub-folders are looked into."""
    connections: int = Field(4, ge=1, le=10)
    """The most connections while many files wait."""
    timeout: int = Field(120, ge=1, le=540)
    """Seconds after which a run is given up, so that a slow server does not delay the other sources."""
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
            raise ValueError("give either password or password_setting, not both")
        if not self.name:
            return self.model_copy(update={"name": re.sub(r"[^A-Za-z0-9._-]", "-", self.host)})
        return self

    @property
    def address(self) -> str:
        """The server, without credentials."""
        port = self.port or (990 if self.tls == "implicit" else 21)
        return f"{self.host}:{port}"

    def with_password(self, setting: Callable[[str], str | None]) -> Self:
        """Return the source with the password from the setting that it names. Raises SourcesError."""
        if not self.password_setting:
            return self
        password = setting(self.password_setting)
        if password is None:
            raise SourcesError(f"there is no setting {self.password_setting}")
        if password.startswith(_UNRESOLVED):
            raise SourcesError(f"the setting {self.password_setting} {_NOT_RESOLVED}")
        return self.model_copy(update={"password": SecretStr(password)})


_NOT_RESOLVED = (
    "is a Key Vault reference that Azure could not resolve. Is the secret there, and may the app's identity "
    "read it?"
)
_SOURCES = TypeAdapter(tuple[FtpSource, ...], config=ConfigDict(defer_build=True))


def read_sources(text: str) -> tuple[FtpSource, ...]:
    """Read the JSON of FTP_SOURCES. Raises SourcesError."""
    if not text.strip():
        return ()
    if text.startswith(_UNRESOLVED):
        raise SourcesError(f"it {_NOT_RESOLVED}")
    try:
        sources = _SOURCES.validate_json(text)
    except ValidationError as error:
        raise SourcesError(in_words(error)) from None  # the cause holds passwords
    names = [source.name.lower() for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SourcesError(f"two sources are named {', '.join(twice)}: give each a name of its own")
    return sources

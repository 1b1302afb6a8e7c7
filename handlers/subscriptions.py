"""Subscriptions: the destinations of results, and the events that each of them gets."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from events import EventType
from handlers.errors import Missing, SubscriptionsError
from handlers.problems import in_plain_words
from handlers.settings import LOOPBACK, SERVICE_BUS_NAMESPACE, SUBSCRIPTIONS_FILE, subscriptions_text
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, PUSH_POISON_QUEUE, PUSH_QUEUE

type SubscriptionKind = Literal["queue", "service-bus", "https"]
type Place = tuple[int | str, ...]


def _not_our_own(name: str) -> str:
    if name in {INBOX_QUEUE, INBOX_POISON_QUEUE, PUSH_QUEUE, PUSH_POISON_QUEUE}:
        raise ValueError("this queue is the app's own: results would come back in, in an endless loop")
    return name


_LETTERS = "letters, digits and ._- between them"

# A queue's name as Azure Storage allows it.
QueueName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9])*$", min_length=3, max_length=63),
    AfterValidator(_not_our_own),
]
# The name of a queue or topic as Service Bus allows it, but for the slash, which separates folders.
EntityName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=260)
]
HttpsName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)
]
SettingName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Subscription(BaseModel):
    """Which events a destination gets."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: ClassVar[SubscriptionKind]
    # the file's table of this kind, and what a name in it takes
    table: ClassVar[str]
    names: ClassVar[str]

    # the key in that table
    name: str = ""
    events: tuple[str, ...]
    title: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    duplicates: Literal["send", "drop"] = "send"

    @field_validator("events")
    @classmethod
    def _each_matches(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not any(fnmatchcase(event.lower(), pattern.lower()) for event in EventType):
                near = get_close_matches(pattern, EventType, n=1)
                hint = f". Did you mean {near[0]}?" if near else ""
                raise ValueError(f"{pattern!r} matches none of printIQ's events{hint}")
        return patterns

    def wants(self, event: EventType) -> bool:
        return any(fnmatchcase(event.lower(), pattern.lower()) for pattern in self.events)

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that this subscription needs."""
        return ()


class QueueSubscription(_Subscription):
    """A queue of the app's storage account."""

    kind = "queue"
    table = "queues"
    names = "3 to 63 lower-case letters, digits and single hyphens between them"

    encoding: Literal["base64", "none"] = "base64"


class ServiceBusSubscription(_Subscription):
    """A queue or topic of the Service Bus namespace; `tier` decides how large a message may be."""

    kind = "service-bus"
    table = "service-bus"
    names = f"up to 260 {_LETTERS}"

    tier: Literal["standard", "premium"] = "standard"

    @property
    def settings(self) -> tuple[str, ...]:
        return (SERVICE_BUS_NAMESPACE,)


class HttpsSubscription(_Subscription):
    """An address that events are pushed to, and how a push is authorized."""

    kind = "https"
    table = "https"
    names = f"up to 63 {_LETTERS}"

    url: str | None = None
    url_setting: SettingName | None = None
    auth: Literal["none", "signature", "header", "entra"] = "signature"
    secret_setting: SettingName | None = None
    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")] | None = None
    value_setting: SettingName | None = None
    audience: Annotated[str, StringConstraints(min_length=1)] | None = None
    mode: Literal["structured", "binary"] = "structured"
    allow_private: bool = False

    @field_validator("url")
    @classmethod
    def _is_secure(cls, url: str | None) -> str | None:
        return url if url is None else secure_url(url)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.url is None) == (self.url_setting is None):
            raise ValueError("give either `url` or `url_setting`, which names the setting that holds it")
        for auth, keys in _KEYS_OF_AUTH.items():
            for key in keys:
                given = getattr(self, key) is not None
                if given and auth != self.auth:
                    raise ValueError(f'`{key}` belongs to auth = "{auth}"')
                if not given and auth == self.auth:
                    raise ValueError(f'auth = "{auth}" needs `{key}`')
        return self

    @property
    def settings(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.url_setting, self.secret_setting, self.value_setting)))


_KEYS_OF_AUTH: Mapping[str, tuple[str, ...]] = {
    "signature": ("secret_setting",),
    "header": ("header", "value_setting"),
    "entra": ("audience",),
}


def secure_url(url: str) -> str:
    """Return an address that can be pushed to. Raises ValueError."""
    parts = urlsplit(url)
    local = parts.hostname in LOOPBACK
    if not parts.hostname or parts.scheme not in ({"http", "https"} if local else {"https"}):
        raise ValueError("an address begins with https://, or with http:// if it leads to this machine")
    if not url.isprintable() or " " in url:
        raise ValueError("an address has no spaces: write one as %20")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port of an address is a number up to 65535") from None
    if parts.username or parts.password:
        raise ValueError('an address holds no password: use auth = "header"')
    return url


type Subscription = QueueSubscription | ServiceBusSubscription | HttpsSubscription
_KINDS: Mapping[str, type[_Subscription]] = {
    each.table: each for each in (QueueSubscription, ServiceBusSubscription, HttpsSubscription)
}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    queues: dict[QueueName, QueueSubscription] = {}
    service_bus: dict[EntityName, ServiceBusSubscription] = Field({}, alias=ServiceBusSubscription.table)
    https: dict[HttpsName, HttpsSubscription] = {}

    def named(self, text: str) -> Iterator[Subscription]:
        """Yield the subscriptions, each with its name. Raises SubscriptionsError."""
        seen: dict[str, str] = {}
        tables: Iterable[Mapping[str, Subscription]] = (self.queues, self.service_bus, self.https)
        for members in tables:
            for name, subscription in members.items():
                table = subscription.table
                place = f"{table}.{name}"
                # Service Bus ignores case in names
                other = seen.setdefault(name.lower(), place)
                if other != place:
                    raise _wrong(
                        f"{_line(text, (table, name))}`{place}` has the name of `{other}`. Choose another."
                    )
                if "name" in subscription.model_fields_set:
                    raise _wrong(f"{_line(text, (table, name, 'name'))}Unknown parameter `{place}.name`.")
                yield subscription.model_copy(update={"name": name})


class Subscriptions:
    """The subscriptions in force, by name and by event."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self.all: Mapping[str, Subscription] = {each.name: each for each in subscriptions}
        self._by_event = {
            event: tuple(each for each in self.all.values() if each.wants(event)) for event in EventType
        }

    @classmethod
    def in_force(cls, setting: str) -> Self:
        """Read those of the setting SUBSCRIPTIONS, else the shipped file's. Raises SubscriptionsError."""
        try:
            return cls.read(subscriptions_text(setting))
        except SubscriptionsError as error:
            place = "the setting SUBSCRIPTIONS" if setting.strip() else SUBSCRIPTIONS_FILE.name
            raise SubscriptionsError(f"{error} Correct {place}.") from error

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the TOML text. Raises SubscriptionsError, which names what is wrong, its line and its key."""
        try:
            file = _File.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SubscriptionsError(f"The subscriptions are not valid TOML: {error}.") from error
        except ValidationError as error:
            raise _wrong(
                *(f"{_line(text, each['loc'])}{_in_words_of_the_file(each)}" for each in error.errors())
            ) from error
        if not file.model_fields_set:
            raise _wrong(
                "There are none. Write a table such as [queues.printiq-events], or [queues] for none."
            )
        return cls(file.named(text))

    def needed(self) -> Iterable[tuple[str, Subscription]]:
        """Yield the name of each setting that a subscription needs, and the subscription."""
        return ((setting, each) for each in self.all.values() for setting in each.settings)

    def titles(self, names: Iterable[str]) -> list[str]:
        """Return what people call these subscriptions: the title, else the name."""
        found = ((name, self.all.get(name)) for name in names)
        return [each.title if each and each.title else name for name, each in found]

    def of(self, event: EventType) -> tuple[Subscription, ...]:
        return self._by_event[event]

    def named(self, name: str) -> Subscription:
        """Return a subscription. Raises Missing."""
        found = self.all.get(name)
        if found is None:
            known = ", ".join(self.all) or "none"
            raise Missing(f"Unknown subscription {name[:100]!r}. The subscriptions are {known}.")
        return found


def _wrong(*mistakes: str) -> SubscriptionsError:
    return SubscriptionsError(f"The subscriptions are wrong: {' '.join(mistakes)}")


def _in_words_of_the_file(error: ErrorDetails) -> str:
    """Return one of pydantic's findings as a sentence about a table, its name or a key in it."""
    place = error["loc"]
    if error["type"] == "extra_forbidden":
        if len(place) == 1:
            *some, last = (f"[{table}.NAME]" for table in _KINDS)
            return f"Unknown table `{place[0]}`: write {', '.join(some)} or {last}."
        near = get_close_matches(str(place[-1]), _KINDS[str(place[0])].model_fields.keys() - {"name"}, n=1)
        return in_plain_words(error) + (f" Did you mean `{near[0]}`?" if near else "")
    if error["type"] in {"dict_type", "model_type"}:
        return f"`{'.'.join(map(str, place))}` must be a table: write [{place[0]}.NAME]."
    if place[-1] != "[key]":
        return in_plain_words(error)
    if error["type"] == "value_error":
        return in_plain_words({**error, "loc": place[:-1]})
    table, name, _ = place
    return f"`{table}.{name}` cannot be a name. It takes {_KINDS[str(table)].names}."


def _line(text: str, place: Place) -> str:
    """Return "Line 3: " for the line of the key at this place, or of the nearest one around it; may be ""."""
    table: Place = ()
    best = depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        head = line.strip()
        if head.startswith("["):
            path = table = _path(head.partition("#")[0])
        else:
            path = (*table, *_path(f"{head.partition('=')[0]} = 0"))
        shared = min(len(path), len(place))
        if depth < shared and path[:shared] == place[:shared]:
            best, depth = number, shared
    return f"Line {best}: " if best else ""


def _path(toml: str) -> Place:
    """Return the keys, outermost first, of a line that defines one table or one value."""
    try:
        found: object = tomllib.loads(toml)
    except tomllib.TOMLDecodeError:  # the middle of a value that takes several lines
        return ()
    path = []
    while isinstance(found, dict) and found:
        ((key, found),) = found.items()
        path.append(key)
    return tuple(path)

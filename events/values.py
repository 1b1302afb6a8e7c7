"""The forms in which printIQ writes text, booleans, numbers and dates, as annotated types.

Each type takes the common forms of JSON and XML natively (pydantic-core, no Python call) and hands the rest
to one function here. None of them refuses: what cannot be read stays what it was, and `Reading.unread` counts
it. The forms are those of printIQ's own documents and of integrators' code; "" and blank text are null
everywhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema


class DateOrder(StrEnum):
    """Which number comes first in `20/06/24`."""

    DMY = "DMY"
    MDY = "MDY"


@dataclass(slots=True)
class Reading:
    """The context of one validation: how the sender writes dates, and how many values could not be read."""

    date_order: DateOrder = DateOrder.DMY
    unread: int = 0


def keep_unread(value: object, info: ValidationInfo) -> object:
    """Leave a value that could not be read as it is, scalars as text as XML has them, and count it."""
    if isinstance(info.context, Reading):
        info.context.unread += 1
    return plain(value) if isinstance(value, dict | list) else as_text(value)


def as_text(value: object) -> object:
    """Write a scalar as XML would; anything else stays what it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return value


# A JSON number beyond these is read as something else by many consumers (RFC 7493, I-JSON).
_INTEGERS = 2**63


def plain(value: object) -> object:
    """Bring an unknown value into normal form: blanks are null, numbers that would lose digits are text."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, int) and not -_INTEGERS <= value < _INTEGERS:
        return str(value)
    return value


def is_blank(value: object) -> bool:
    """Whether this is one of the ways to write null."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_true(value: object) -> bool:
    """Whether this is one of the ways to write true."""
    return str(value).strip().lower() in {"true", "yes", "y", "1"}


def read_text(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    text = as_text(value)
    return text if isinstance(text, str) else keep_unread(value, info)


_BOOLEANS = {
    "true": True,
    "yes": True,
    "y": True,
    "1": True,
    "false": False,
    "no": False,
    "n": False,
    "0": False,
}


def read_boolean(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    known = _BOOLEANS.get(str(value).strip().lower())
    return keep_unread(value, info) if known is None else known


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _decimal(value: object) -> Decimal | None:
    text = "" if isinstance(value, bool) else str(as_text(value)).strip()
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what the machine can hold
        return None


def read_number(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    number = _decimal(value)
    return keep_unread(value, info) if number is None else number


def read_integer(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    number = _decimal(value)
    # copy_abs: a mere abs would fail on an exponent beyond those that the decimal module calculates with
    if number is None or number.copy_abs() >= _LARGEST or number != number.to_integral_value():
        return keep_unread(value, info)
    return int(number)


# From here on whole numbers are no keys, and many consumers would read them wrongly.
_LARGEST = 10**18

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?", re.ASCII | re.IGNORECASE
)
_SLASHED = re.compile(
    r"(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4}|\d\d)"
    r"(?:\s+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<seconds>\d\d))?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?",
    re.ASCII,
)
_MICROSOFT = re.compile(r"/Date\((?P<ms>-?\d{1,15})(?P<offset>[+-]\d{4})?\)/", re.ASCII)


def read_date_or_datetime(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    moment = _date_or_datetime(
        value, info.context.date_order if isinstance(info.context, Reading) else DateOrder.DMY
    )
    return keep_unread(value, info) if moment is None else moment


def _date_or_datetime(value: object, order: DateOrder) -> date | None:
    if isinstance(value, date):
        return value
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _ISO.fullmatch(text):
            return date.fromisoformat(text) if len(text) == len("2025-08-11") else _iso(text)
        if found := _SLASHED.fullmatch(text):
            return _slashed(found, order)
        if found := _MICROSOFT.fullmatch(text):
            return _microsoft(found)
    except (ValueError, OverflowError):  # the 31st of February, an offset that leaves the calendar
        pass
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" Z", "Z").replace(" +", "+").replace(" -", "-"))


def _slashed(found: re.Match[str], order: DateOrder) -> date:
    first, second = int(found["first"]), int(found["second"])
    day, month = (first, second) if order is DateOrder.DMY else (second, first)
    year = int(found["year"])
    if len(found["year"]) == len("24"):
        year += 2000
    if found["hour"] is None:
        return date(year, month, day)
    hour = int(found["hour"])
    # "00:15 PM" is seen too: an hour that is not on a twelve-hour clock is taken as it stands.
    if found["half"] and 1 <= hour <= 12:  # noqa: PLR2004 - a clock's
        hour = hour % 12 + (12 if found["half"] in "pP" else 0)
    return datetime(year, month, day, hour, int(found["minute"]), int(found["seconds"] or 0))  # noqa: DTZ001 - no zone came


def _microsoft(found: re.Match[str]) -> datetime:
    # The number is always UTC; the offset is only for display.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found["ms"]))
    if offset := found["offset"]:
        minutes = int(offset[1:3]) * 60 + int(offset[3:5])
        moment = moment.astimezone(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))
    return moment


# Beyond this many digits it is no amount and no key. Written out, 1e999999999 would fill memory.
_MAX_DIGITS = 60


def write_number(value: object) -> object:
    """Write a decimal in one form: .NET's JSON has 40.0 where its XML has 40.

    There is no exponent, which not every reader accepts, unless it would be endless without.
    """
    if not isinstance(value, Decimal):
        return value
    if not value:
        return "0"
    if abs(value.adjusted()) >= _MAX_DIGITS:
        return str(value)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Leaf(NamedTuple):
    """The annotation of a scalar: what is read natively, what reads the rest, and a read value's types.

    `json_schema` describes a value as it is published.
    """

    native: tuple[CoreSchema, ...]
    otherwise: Callable[[Any, ValidationInfo], Any]
    types: tuple[type, ...]
    json_schema: Mapping[str, str]
    # by the value's own type: a value that stayed text is written as text
    written: core_schema.SerSchema = core_schema.simple_ser_schema("any")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.nullable_schema(
            core_schema.union_schema(
                [*self.native, core_schema.with_info_plain_validator_function(self.otherwise)],
                mode="left_to_right",
            ),
            serialization=self.written,
        )


def _written(pattern: str, then: CoreSchema) -> CoreSchema:
    """Read a text of this pattern: XML, and senders that quote, write other types so."""
    return core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=pattern), then])


_TEXT = core_schema.str_schema(strict=True, pattern=r"\S")

Text = Annotated[
    str | None,
    Leaf((_TEXT,), read_text, (str,), {"type": "string"}),
]
Boolean = Annotated[
    bool | str | None,
    Leaf(
        (
            core_schema.bool_schema(strict=True),
            _written("^(?i:true|false|yes|no|[yn01])$", core_schema.bool_schema()),
        ),
        read_boolean,
        (bool,),
        {"type": "boolean"},
    ),
]
Number = Annotated[
    Decimal | str | None,
    Leaf(
        (
            # neither can be NaN: skip the check
            _written(r"^-?[0-9]{1,28}(\.[0-9]{1,28})?$", core_schema.decimal_schema(allow_inf_nan=True)),
            core_schema.decimal_schema(strict=True, allow_inf_nan=True),
        ),
        read_number,
        (Decimal,),
        {
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
            "description": "An exact decimal, at most 28 digits. Do not read it into a binary float.",
        },
        core_schema.plain_serializer_function_ser_schema(write_number, when_used="json-unless-none"),
    ),
]
Integer = Annotated[
    int | str | None,
    Leaf(
        (
            core_schema.int_schema(strict=True, gt=-_LARGEST, lt=_LARGEST),
            _written("^-?[0-9]{1,18}$", core_schema.int_schema()),
        ),
        read_integer,
        (int,),
        {
            "type": "integer",
            "format": "int64",
            "description": "JavaScript loses digits beyond 2^53.",
        },
    ),
]
DateOrDateTime = Annotated[
    datetime | date | str | None,
    Leaf(
        (
            # .NET's own form; the pattern keeps a bare number from being taken for seconds since 1970.
            _written(
                r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?(Z|[+-][0-9]{2}:[0-9]{2})?$",
                core_schema.datetime_schema(microseconds_precision="truncate"),
            ),
        ),
        read_date_or_datetime,
        (datetime, date),
        {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
            r"(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
            "description": "A date, or a date and time; an offset only where one came.",
        },
    ),
]


class _AnythingInNormalForm:
    """The annotation of an unknown field: common values natively, the rest by `plain`."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.union_schema(
            [
                _TEXT,
                core_schema.none_schema(),
                core_schema.bool_schema(strict=True),
                core_schema.int_schema(strict=True, ge=-_INTEGERS, lt=_INTEGERS),
                core_schema.no_info_plain_validator_function(plain),
            ],
            mode="left_to_right",
            serialization=core_schema.simple_ser_schema("any"),
        )


Unknown = Annotated[Any, _AnythingInNormalForm()]

"""The forms in which printIQ writes text, booleans, numbers and dates, as annotated types.

Each type takes the common forms of JSON and XML natively (pydantic-core, no Python call) and hands the rest
to one function here. None of them refuses: what cannot be read becomes `Unread`, and `Reading` counts it. The
forms are those of printIQ's own documents and of integrators' code; "" and blank text are null everywhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from events.errors import Malformed
from events.formats import MAX_MEMBERS, STRUCTURES, Element, folded, words


class DateOrder(StrEnum):
    """Which number comes first in `20/06/24`."""

    DMY = "DMY"
    MDY = "MDY"


@dataclass(slots=True)
class Reading:
    """The context of one validation: how the sender writes dates, and how many values needed a closer look.

    `unusual` are those in a form that only Python reads, `unread` those that could not be read.
    """

    date_order: DateOrder = DateOrder.DMY
    unusual: int = 0
    unread: int = 0


# Each takes some microseconds.
MAX_UNUSUAL = 250_000
# Each is kept with its place.
MAX_UNREAD = 10_000


class Unread:
    """A value that could not be read: `original` in normal form, and the part of it that could be."""

    __slots__ = ("original", "readable")

    def __init__(self, original: object, readable: object = None) -> None:
        self.original = original
        self.readable = readable


def keep_unread(value: object, info: ValidationInfo, *, readable: object = None) -> Unread:
    """Mark a value as one that could not be read, scalars as text as XML has them, and count it."""
    if isinstance(info.context, Reading):
        info.context.unread += 1
        if info.context.unread > MAX_UNREAD:
            raise Malformed(f"The body holds too many values that cannot be read: more than {MAX_UNREAD:,}.")
    return Unread(plain(value) if isinstance(value, STRUCTURES) else as_text(value), readable)


def _count_unusual(info: ValidationInfo) -> None:
    if isinstance(info.context, Reading):
        info.context.unusual += 1
        if info.context.unusual > MAX_UNUSUAL:
            raise Malformed(f"The body holds too many values in an unusual form: more than {MAX_UNUSUAL:,}.")


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
        if isinstance(value, Element) and value.is_text:
            return value.markup
        if len(value) > MAX_MEMBERS:
            raise Malformed(f"An object holds too many values: more than {MAX_MEMBERS:,} members.")
        return {name: plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return _exact(value)


# A double holds any number of 15 digits.
_EXACT = 16


def _exact(value: object) -> object:
    """Write a number as text where a consumer's number would lose digits of it."""
    if isinstance(value, Decimal):
        text, number = str(value), float(value)
        if len(text) <= _EXACT and "E" not in text:
            return number
        shown = repr(number)
        # equal numbers are equal texts, but for exponents and zeros at the end
        is_alike = text[-1] != "0" != shown[-1] and "E" not in text and "e" not in shown
        return number if (shown == text if is_alike else Decimal(shown) == value) else text
    is_long = isinstance(value, int) and not -_INTEGERS <= value < _INTEGERS
    return str(value) if is_long else value


# Blanks of any alphabet, and invisible marks: zero width, direction, joiner, byte order.
_BLANKS = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_MARKS = "\u00ad\u061c\u180e\ufeff" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))
)
_AT_ENDS = _BLANKS + _MARKS


def trimmed(text: str) -> str:
    """Return a text without blanks and invisible marks at its ends."""
    return text.strip(_AT_ENDS)


def is_blank(value: object) -> bool:
    """Whether this is one of the ways to write null."""
    return value is None or (isinstance(value, str) and not trimmed(value))


def is_empty(value: object) -> bool:
    """Whether this is empty: a blank, or an object or a list without members."""
    return value in ({}, []) or is_blank(value)


def is_true(value: object) -> bool:
    """Whether this is one of the ways to write true."""
    return folded(trimmed(str(value))) in {"true", "yes", "y", "1"}


def read_text(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    if isinstance(value, Element) and value.markup is not None:
        return keep_unread(value.markup, info, readable=words(value.markup) or None)
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
    _count_unusual(info)
    known = _BOOLEANS.get(folded(trimmed(str(value))))
    return keep_unread(value, info) if known is None else known


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,20})?", re.ASCII)
# Some cultures write narrow blanks between groups, and then a decimal comma.
_GROUPED = re.compile(r"([+-]?\d{1,3})((?:[\u00a0\u2009\u202f]\d{3})+)(?:[.,](\d+))?", re.ASCII)
_MINUS = "\u2212"


def _decimal(value: object) -> Decimal | None:
    text = "" if isinstance(value, bool) else trimmed(str(as_text(value))).replace(_MINUS, "-")
    if grouped := _GROUPED.fullmatch(text):
        text = f"{grouped[1]}{re.sub(r'[^0-9]', '', grouped[2])}.{grouped[3] or 0}"
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what the machine can hold
        return None


# As many digits as consumers can hold, in plain notation.
MAX_DIGITS = 28


def _fits(number: Decimal) -> bool:
    """Whether a decimal has at most 28 digits when written out; insignificant zeros do not count."""
    if not number:
        return True
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if abs(number.adjusted()) > MAX_DIGITS:
        return False
    significant = len(digits)
    while digits[significant - 1] == 0 and exponent < 0:
        significant, exponent = significant - 1, exponent + 1
    return max(significant + exponent, 0) + max(-exponent, 0) <= MAX_DIGITS


def number_in(value: object) -> Decimal | None:
    """Return a number in any of its forms; None for anything else, and for too many digits."""
    number = _decimal(value)
    return number if number is not None and _fits(number) else None


def read_number(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    _count_unusual(info)
    number = number_in(value)
    return keep_unread(value, info) if number is None else number


def read_integer(value: object, info: ValidationInfo) -> object:
    if is_blank(value):
        return None
    _count_unusual(info)
    number = _decimal(value)
    if number is None or number.adjusted() > MAX_DIGITS or number != number.to_integral_value():
        return keep_unread(value, info)
    whole = int(number)
    return whole if -_INTEGERS <= whole < _INTEGERS else keep_unread(value, info)


# -- dates ---------------------------------------------------------------------------------------------------

_TIME = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?"
    r"(?:\s*(?P<half>[AaPp])\s?\.?\s?[Mm]\.?)?"
)
_ZONE = r"(?:\s?(?P<zone>[Zz]|[+-]\d\d:?\d\d))?"
_ISO = re.compile(
    rf"(?P<year>\d{{4}})[-/](?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})(?:(?:[Tt]|\s+){_TIME}{_ZONE})?",
    re.ASCII,
)
_DAY_OR_MONTH_FIRST = re.compile(
    rf"(?P<first>\d{{1,2}})(?P<mark>[/.-])(?P<other>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d\d)"
    rf"(?:,?\s+{_TIME}{_ZONE})?",
    re.ASCII,
)
_MICROSOFT = re.compile(r"/Date\((?P<ms>-?\d{1,15})(?P<offset>[+-]\d{4})?\)/", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# .NET's default date, in milliseconds since 1970. A sender's zone moves it by some hours.
_DEFAULT_MS = -62_135_596_800_000
_MOVED_MS = 15 * 60 * 60 * 1000
_ANY_BLANKS = re.compile(f"[{_BLANKS}]+")
_ANY_MARKS = re.compile(f"[{_MARKS}]+")


class _DefaultDateError(ValueError):
    """.NET's default date, which means no date."""


def read_date_or_datetime(value: object, info: ValidationInfo) -> object:
    """Return a date or date-time in ISO 8601, as precise as it came, an offset only where one came."""
    if is_blank(value):
        return None
    _count_unusual(info)
    order = info.context.date_order if isinstance(info.context, Reading) else DateOrder.DMY
    try:
        return _date_or_datetime(value, order)
    except _DefaultDateError:
        return None
    except (ValueError, OverflowError):  # the 31st of February, an offset that leaves the calendar
        return keep_unread(value, info)


def _date_or_datetime(value: object, order: DateOrder) -> str:
    if isinstance(value, dict) and value.keys() == {"DateTime", "OffsetMinutes"}:
        return _date_time_offset(value)
    if not isinstance(value, str):
        raise ValueError("not a date")  # noqa: TRY004 - one error for all that is no date
    text = _ANY_BLANKS.sub(" ", _ANY_MARKS.sub("", value)).strip()
    if found := _ISO.fullmatch(text):
        return _written_out(found, int(found["year"]), int(found["month"]), int(found["day"]))
    if found := _DAY_OR_MONTH_FIRST.fullmatch(text):
        first, other = int(found["first"]), int(found["other"])
        is_day_first = order is DateOrder.DMY or found["mark"] == "."
        year = int(found["year"]) + (2000 if len(found["year"]) == len("24") else 0)
        return _written_out(found, year, *((other, first) if is_day_first else (first, other)))
    if found := _MICROSOFT.fullmatch(text):
        offset = found["offset"]
        minutes = int(offset[0] + "1") * (int(offset[1:3]) * 60 + int(offset[3:5])) if offset else None
        return _since_epoch(timedelta(milliseconds=int(found["ms"])), minutes)
    raise ValueError("not a date")


def _written_out(found: re.Match[str], year: int, month: int, day: int) -> str:
    day_of_calendar = date(year, month, day)
    if day_of_calendar == date.min:
        raise _DefaultDateError
    if found["hour"] is None:
        return day_of_calendar.isoformat()
    hour = int(found["hour"])
    # "00:15 PM" is seen too: an hour that is not on a twelve-hour clock is taken as it is.
    if found["half"] and 1 <= hour <= 12:  # noqa: PLR2004 - a clock's
        hour = hour % 12 + (12 if found["half"] in "pP" else 0)
    moment = datetime(year, month, day, hour, int(found["minute"]), int(found["second"] or 0))  # noqa: DTZ001 - no zone came
    fraction = (found["fraction"] or "").rstrip("0")
    return moment.isoformat() + (f".{fraction}" if fraction else "") + _zone(found["zone"])


def _zone(text: str | None) -> str:
    if text is None or text in "Zz":
        return "Z" if text else ""
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 18 or minutes > 59:  # noqa: PLR2004 - a clock's
        raise ValueError("the offset is out of range")
    return f"{text[0]}{hours:02}:{minutes:02}" if hours or minutes else "Z"


def _date_time_offset(value: dict[str, object]) -> str:
    """Read DataContract's DateTimeOffset: the moment in UTC, and the minutes of its offset."""
    moment, minutes = str(value["DateTime"]), _decimal(value["OffsetMinutes"])
    if minutes is None or minutes != minutes.to_integral_value():
        raise ValueError("not an offset")
    if found := _MICROSOFT.fullmatch(moment):
        return _since_epoch(timedelta(milliseconds=int(found["ms"])), int(minutes))
    return _since_epoch(datetime.fromisoformat(moment.rstrip("Zz") + "Z") - _EPOCH, int(minutes))


def _since_epoch(past: timedelta, minutes: int | None) -> str:
    """Write a moment since 1970; the offset only sets the clock that it is shown on."""
    if abs(past / timedelta(milliseconds=1) - _DEFAULT_MS) <= _MOVED_MS:
        raise _DefaultDateError
    shown = _EPOCH + past + timedelta(minutes=minutes or 0)
    fraction = f"{shown.microsecond:06}".rstrip("0")
    text = shown.strftime("%Y-%m-%dT%H:%M:%S").zfill(len("2025-08-11T15:50:52"))
    sign, (hours, rest) = "-" if (minutes or 0) < 0 else "+", divmod(abs(minutes or 0), 60)
    return (
        text
        + (f".{fraction}" if fraction else "")
        + (_zone(f"{sign}{hours:02}:{rest:02}") if minutes else "Z")
    )


def write_number(value: object) -> object:
    """Write a decimal in one form: .NET's JSON has 40.0 where its XML has 40."""
    if not isinstance(value, Decimal):
        return value
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Scalar(StrEnum):
    """The kind of a scalar field."""

    TEXT = "text"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE = "date"


class Leaf(NamedTuple):
    """The annotation of a scalar: its kind, what is read natively, what reads the rest, and its schema."""

    kind: Scalar
    native: tuple[CoreSchema, ...]
    otherwise: Callable[[Any, ValidationInfo], object]
    json_schema: Mapping[str, str]
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


_TEXT = core_schema.str_schema(strict=True, pattern=r"[^\s\p{Cf}]")
_DATE_TIME = (
    r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{0,8}[1-9])?(Z|[+-](0[1-9]|1[0-4]):[0-5][0-9])?$"
)

Text = Annotated[
    str | None,
    Leaf(Scalar.TEXT, (_TEXT,), read_text, {"type": "string"}),
]
Boolean = Annotated[
    bool | None,
    Leaf(
        Scalar.BOOLEAN,
        (
            core_schema.bool_schema(strict=True),
            _written("^(?i:true|false|yes|no|[yn01])$", core_schema.bool_schema()),
        ),
        read_boolean,
        {"type": "boolean"},
    ),
]
Number = Annotated[
    Decimal | None,
    Leaf(
        Scalar.DECIMAL,
        (
            # It cannot be NaN: skip the check.
            _written(r"^-?[0-9]{1,14}(\.[0-9]{1,14})?$", core_schema.decimal_schema(allow_inf_nan=True)),
            core_schema.decimal_schema(strict=True, max_digits=MAX_DIGITS),
        ),
        read_number,
        {
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
            "description": f"An exact decimal, at most {MAX_DIGITS} digits. Do not make it a binary float.",
        },
        core_schema.plain_serializer_function_ser_schema(write_number, when_used="json-unless-none"),
    ),
]
Integer = Annotated[
    int | None,
    Leaf(
        Scalar.INTEGER,
        (
            core_schema.int_schema(strict=True, ge=-_INTEGERS, lt=_INTEGERS),
            _written("^-?[0-9]{1,18}$", core_schema.int_schema()),
        ),
        read_integer,
        {"type": "integer", "format": "int64", "description": "JavaScript loses digits beyond 2^53."},
    ),
]
DateOrDateTime = Annotated[
    str | None,
    Leaf(
        Scalar.DATE,
        (core_schema.str_schema(strict=True, pattern=_DATE_TIME),),
        read_date_or_datetime,
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

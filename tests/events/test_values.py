"""Every form in which printIQ writes a value, in JSON and in XML, and the one form it is handed on in."""

import json
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import pytest
from deliveries import read

from events import DateOrder


class Unread(NamedTuple):
    """What a field holds that could not be read: null, and the original among the unread."""

    original: Any


class Field(NamedTuple):
    event: str
    document: str
    name: str

    def value(self, body: str) -> Any:
        """Return the field's value, or the original that is unread."""
        data = json.loads(read(self.event, body).data)
        if f"/{self.name}" not in data.get("_unread", {}):
            return data[self.name]
        assert data[self.name] is None
        return Unread(data["_unread"][f"/{self.name}"])

    def from_json(self, literal: str) -> Any:
        return self.value(f'{{"{self.name}": {literal}}}')

    def from_xml(self, text: str) -> Any:
        return self.value(f"<{self.document}><{self.name}>{escape(text)}</{self.name}></{self.document}>")


TEXT = Field("CreateCustomer", "Customer", "Name")
FLAG = Field("CreateCustomer", "Customer", "Active")
INTEGER = Field("CreateCustomer", "Customer", "ID")
NUMBER = Field("CreateJob", "AcceptanceDetails", "TotalPrice")
MOMENT = Field("ExportInvoice", "Invoice", "INVInvoiceDate")

Case = tuple[list[str], str, Any]


def kept(text: str) -> Case:
    return [json.dumps(text)], text, text


def unread(*literals: str, text: str) -> Case:
    return list(literals or [json.dumps(text)]), text, Unread(text)


# As JSON writes it (several ways are one value), as XML writes it, as it is handed on.
CASES: dict[Field, list[Case]] = {
    TEXT: [
        (["null", '""', '"  "', r'"\r\n\t"'], "", None),
        (['"Kōwhai"', r'"K\u014dwhai"'], "Kōwhai", "Kōwhai"),
        (
            ['"  as\\nit stands "', r'"  as\r\nit stands "', r'"  as\u000Dit stands "'],
            "  as\nit stands ",
            "  as\nit stands ",
        ),
        (["29380", '"29380"'], "29380", "29380"),
        (["40.50"], "40.50", "40.50"),
        (["true"], "true", "true"),
        (["false"], "false", "false"),
        (['"False"'], "False", "False"),
        (['"00:   05"'], "00:   05", "00:   05"),
        (['"01:   -22"'], "01:   -22", "01:   -22"),
        (['"<&>\\""'], '<&>"', '<&>"'),
        (['"🪧 看板"'], "🪧 看板", "🪧 看板"),
        (['"-1"', "-1"], "-1", "-1"),
    ],
    FLAG: [
        (["null", '""', '" "'], "", None),
        (["true", '"true"', '"True"', '"TRUE"'], "true", True),
        (['"Yes"', '"yes"', '" Yes "', '"Y"'], "Yes", True),
        (["1", '"1"'], "1", True),
        (["false", '"false"', '"False"'], "False", False),
        (['"No"', '"N"'], "No", False),
        (["0", '"0"'], "0", False),
        unread(text="perhaps"),
        unread("2", text="2"),
        unread("1.0", text="1.0"),
    ],
    INTEGER: [
        (["null", '""', '" "'], "", None),
        (["1842", '"1842"', '" 1842 "', "1842.0", '"1842.000"', "18.42e2"], "1842", 1842),
        (["-1"], "-1", -1),
        (["0", "-0", "0.0"], "0", 0),
        (['"+7"'], "+7", 7),
        (['"007"'], "007", 7),
        (["999999999999999999"], "999999999999999999", 999999999999999999),
        (["1000000000000000000"], "1000000000000000000", 1000000000000000000),
        (["9223372036854775807"], "9223372036854775807", 9223372036854775807),
        (["-9223372036854775808"], "-9223372036854775808", -9223372036854775808),
        unread("9223372036854775808", text="9223372036854775808"),
        unread("184467440737095516150", text="184467440737095516150"),
        unread("18.5", '"18.5"', text="18.5"),
        unread("true", text="true"),
        unread(text="A-7"),
        unread(text="١٢"),
        unread(text="1_000"),
        unread(text="00000000-0000-0000-0000-000000000000"),
    ],
    NUMBER: [
        (["null", '""', '" "'], "", None),
        (["39.9500000000", '"39.9500000000"', "39.95", "3995e-2"], "39.9500000000", "39.95"),
        (["40", "40.0", "4e1", '"4E+1"', '"40."'], "40.00", "40"),
        (["0", "-0.0", "0e-7", '"0.0000"', "0E+300"], "-0", "0"),
        (["-96.0000"], "-96.0000", "-96"),
        (['"+.5"', "0.5"], ".5", "0.5"),
        kept("1234567890123456.123456789012"),
        kept("1234567890123456789012345678"),
        unread(text="12345678901234567890123456789"),
        unread(text="7922816251426433759354395033.5"),
        unread(text="0.00000000000000000000000000001"),
        kept("0.0000000000000000000000000001"),
        (["1e27", "1E+27"], "1e27", "1000000000000000000000000000"),
        unread("1E+400", text="1E+400"),
        unread(text="1e400"),
        unread("1E+999999999", text="1E+999999999"),
        unread("1E-999999999", text="1E-999999999"),
        unread(text="1e99999999999999999999"),
        unread("true", text="true"),
        unread(text="NaN"),
        unread(text="Infinity"),
        unread(text="1,284.50"),
        unread(text="$12"),
        unread(text="12 50"),
        (['"1\u202f284.5"', '"1\u00a0284,50"'], "1\u202f284,5", "1284.5"),
        (['"-1\u202f234\u202f567"'], "\u22121\u2009234\u2009567", "-1234567"),
        unread(text="1\u202f28,5"),
    ],
    MOMENT: [
        (["null", '""', '" "'], "", None),
        kept("2025-08-11T15:50:52"),
        (['"2025-08-11T15:50:52.6970000Z"'], "2025-08-11T15:50:52.697Z", "2025-08-11T15:50:52.697Z"),
        (['"2025-08-11T15:50:52.1234567Z"'], "2025-08-11T15:50:52.1234567Z", "2025-08-11T15:50:52.1234567Z"),
        (['"2025-08-11T15:50:52.6"'], "2025-08-11T15:50:52.60", "2025-08-11T15:50:52.6"),
        kept("2025-08-11T15:50:52+12:00"),
        (['"2025-08-11T15:50:52-0330"'], "2025-08-11T15:50:52 -03:30", "2025-08-11T15:50:52-03:30"),
        (['"2025-08-11 15:50:52.697"'], "2025-08-11 15:50:52.697", "2025-08-11T15:50:52.697"),
        (['"2025-08-11T15:50"'], "2025-08-11 15:50", "2025-08-11T15:50:00"),
        (['"2025-08-11"', '" 2025-08-11 "'], "2025-08-11", "2025-08-11"),
        (
            [
                '"0001-01-01T00:00:00"',
                '"0001-01-01T00:00:00Z"',
                '"0001-01-01T00:00:00+11:40"',
                '"0001-01-01"',
            ],
            "0001-01-01T00:00:00.0000000",
            None,
        ),
        (['"01/01/0001 12:00:00 am"', '"1/1/0001"'], "01/01/0001 00:00:00", None),
        ([r'"\/Date(-62135596800000)\/"', '"/Date(-62135596800000+1300)/"'], "/Date(-62135643600000)/", None),
        (['"9999-12-31T23:59:59.9999999"'], "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999"),
        (['"20/06/24 12:00 PM"', r'"20\/06\/24 12:00 PM"'], "20/06/2024 12:00 pm", "2024-06-20T12:00:00"),
        (['"20/06/24 12:05 AM"'], "20/06/24 12:05AM", "2024-06-20T00:05:00"),
        (['"5/7/24 3:07:09 PM"'], "05/07/24 15:07:09", "2024-07-05T15:07:09"),
        (['"20/06/2024"'], "20/06/24", "2024-06-20"),
        (
            ['"/Date(1723392000000)/"', r'"\/Date(1723392000000)\/"'],
            "/Date(1723392000000)/",
            "2024-08-11T16:00:00Z",
        ),
        (['"/Date(1723392000000+1200)/"'], "/Date(1723392000000+1200)/", "2024-08-12T04:00:00+12:00"),
        (
            ['"20/06/24 12:00\u202fPM"', '"20/06/2024\u00a012:00\u2009p.m."'],
            "20/06/24 12:00\u00a0PM",
            "2024-06-20T12:00:00",
        ),
        (['"\u200e20\u200e/06/2024"'], "\u200e20/06/2024\u200f", "2024-06-20"),
        (['"11.08.2025 15:50:52"'], "11-08-2025 3:50:52 p.m.", "2025-08-11T15:50:52"),
        (['"2025-08-11T15:50:52+00:00"'], "2025-08-11T15:50:52-00:00", "2025-08-11T15:50:52Z"),
        (
            ['{"DateTime": "/Date(1754884252000)/", "OffsetMinutes": 720}'],
            "2025-08-11T15:50:52+12:00",
            "2025-08-11T15:50:52+12:00",
        ),
        unread(text="/Date(999999999999999)/"),
        unread(text="2025-02-31T00:00:00"),
        unread(text="31/02/24"),
        unread(text="06/20/24"),
        unread(text="2025-08-11T25:00:00"),
        unread(text="2025-08-11T15:50:52+99:00"),
        unread(text="soon"),
        unread("20250811", text="20250811"),
        unread("1723392000", text="1723392000"),
    ],
}
TABLE = [
    pytest.param(field, literal, text, form, id=f"{field.name}-{literal}")
    for field, cases in CASES.items()
    for literals, text, form in cases
    for literal in literals
]


@pytest.mark.parametrize(("field", "literal", "text", "form"), TABLE)
def test_a_value_has_one_form_whatever_it_came_as(
    field: Field,
    literal: str,
    text: str,
    form: Any,
) -> None:
    assert repr(field.from_json(literal)) == repr(form)
    assert repr(field.from_xml(text)) == repr(form)
    if not isinstance(form, Unread):
        assert repr(field.from_json(json.dumps(form))) == repr(form)


@pytest.mark.parametrize("field", CASES)
@pytest.mark.parametrize("literal", ["{}", "[]", '{"a": [1, {"b": ""}]}', '["x", 1.50]'])
def test_a_structure_in_place_of_a_value_is_kept_with_a_warning(field: Field, literal: str) -> None:
    event = read(field.event, f'{{"{field.name}": {literal}}}')
    data = json.loads(event.data)
    assert data[field.name] is None
    assert data["_unread"] == {f"/{field.name}": json.loads(literal.replace('""', "null"))}
    assert (f"/{field.name}", "Could not be read; kept as it came in _unread.") in event.warnings


@pytest.mark.parametrize(("order", "form"), [(DateOrder.DMY, "2024-07-05"), (DateOrder.MDY, "2024-05-07")])
def test_the_order_of_day_and_month_is_the_receivers_choice(order: DateOrder, form: str) -> None:
    event = read(MOMENT.event, '{"INVInvoiceDate": "05/07/24"}', date_order=order)
    assert json.loads(event.data)["INVInvoiceDate"] == form


UNKNOWN: list[tuple[str, Any]] = [
    ('""', None),
    ('" "', None),
    ('" x "', " x "),
    ("12.50", 12.5),
    ("1e2", 100.0),
    ("9007199254740993", 9007199254740993),
    ("9223372036854775808", "9223372036854775808"),
    ("0.1234567890123456789", "0.1234567890123456789"),
    ("1e400", "1E+400"),
    ("1e999999999", "1E+999999999"),
    ("true", True),
    ('"true"', "true"),
    ('"2025-08-11T15:50:52.6970000Z"', "2025-08-11T15:50:52.6970000Z"),
    ('[1, "", {}, []]', [1, None, {}, []]),
]


@pytest.mark.parametrize(("literal", "form"), UNKNOWN)
def test_an_unknown_field_keeps_its_type_and_never_loses_a_digit(
    literal: str,
    form: Any,
) -> None:
    found = json.loads(read("CreateJob", f'{{"QuoteNo": "Q1", "Extra": {literal}}}').data)["Extra"]
    assert repr(found) == repr(form)
    again = json.loads(read("CreateJob", json.dumps({"QuoteNo": "Q1", "Extra": found})).data)["Extra"]
    assert repr(again) == repr(form)

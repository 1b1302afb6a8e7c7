"""Generated objects, written as JSON and as XML in any of the ways that mean the same."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from events import EventType, Payload
from events.fields import FieldMap, FieldSpec, field_map
from events.models import Part
from events.values import Scalar


class Known(NamedTuple):
    """A value of a known field, apart from the many names and ways in which it can be written."""

    names: list[str]
    value: Any


# A dict of names to Known, to text and to dicts of text; a Known may hold lists and dicts of Known.
Tree = Any
Choose = Callable[[st.SearchStrategy[Any]], Any]

# Letters of every kind, but none that XML cannot carry or would change (a carriage return).
LETTERS = st.characters(
    exclude_categories=["Cc", "Cs"], include_characters="\n\t", exclude_characters="\ufffe\uffff"
)
TEXTS = st.text(LETTERS, max_size=12)
UNKNOWN_NAMES = st.from_regex(r"Extra[A-Za-z0-9_.-]{0,6}", fullmatch=True)
UNKNOWN_TEXTS = TEXTS.filter(lambda text: bool(text.strip()))
NUMBERS = st.integers(-(10**28) + 1, 10**28 - 1).map(lambda digits: Decimal(digits).scaleb(-12))
ZONES: st.SearchStrategy[tzinfo] = st.integers(-14 * 60, 14 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
ZONED = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)
LEAVES: dict[Scalar, st.SearchStrategy[Any]] = {
    Scalar.TEXT: TEXTS,
    Scalar.BOOLEAN: st.booleans(),
    Scalar.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Scalar.DECIMAL: NUMBERS,
    Scalar.DATE: st.datetimes(datetime(2, 1, 1)) | ZONED | st.dates(date(2, 1, 1)),
}


def values(spec: FieldSpec) -> st.SearchStrategy[Any]:
    if spec.part is not None:
        one: st.SearchStrategy[Any] = objects(spec.part)
    else:
        assert spec.leaf is not None
        one = LEAVES[spec.leaf.kind]
    return st.lists(one, max_size=3) if spec.many else st.none() | one


@st.composite
def objects(draw: st.DrawFn, model: type[Part]) -> dict[str, Tree]:
    """Draw an object with some of its known fields, at least one, and perhaps unknown ones."""
    names = field_map(model)
    if not names.fields:
        return draw(st.dictionaries(UNKNOWN_NAMES, UNKNOWN_TEXTS, max_size=2))
    chosen = draw(
        st.lists(st.sampled_from(names.fields), min_size=1, max_size=6, unique_by=lambda spec: spec.name)
    )
    known = {spec.name: Known(spellings(spec, names), draw(values(spec))) for spec in chosen}
    # An unknown value is text: XML has nothing else. An object of one member could be a list.
    unknown = UNKNOWN_TEXTS | st.dictionaries(UNKNOWN_NAMES, UNKNOWN_TEXTS, min_size=2, max_size=3)
    return known | draw(st.dictionaries(UNKNOWN_NAMES, unknown, max_size=2))


def spellings(spec: FieldSpec, names: FieldMap) -> list[str]:
    """List the names that lead to a field: its own, those it is seen under, and all in other cases."""
    folded = sorted(name for name in names.names if names.find(name) is spec)
    return [spec.name, *folded, *(name.upper() for name in folded), *(name.title() for name in folded)]


@st.composite
def payloads(draw: st.DrawFn) -> tuple[EventType, type[Payload], dict[str, Tree]]:
    event = draw(st.sampled_from(EventType))
    model = draw(st.sampled_from(event.payloads))
    return event, model, draw(objects(model))


def plain(value: int | Decimal) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


# -- JSON --------------------------------------------------------------------------------------------------


def json_document(event: EventType, model: type[Payload], tree: Tree, choose: Choose) -> str:
    body = json_of(tree, choose)
    is_wrapped = len(event.payloads) > 1 or choose(st.booleans())
    return f'{{"{model.OBJECT}": {body}}}' if is_wrapped else body


def json_of(tree: Tree, choose: Choose) -> str:
    if isinstance(tree, dict):
        members = [
            f"{json.dumps(spelt(name, value, choose))}: {json_of(value, choose)}"
            for name, value in tree.items()
        ]
        return "{" + ", ".join(choose(st.permutations(members))) + "}"
    if not isinstance(tree, Known):
        return json.dumps(tree, ensure_ascii=choose(st.booleans()))
    if isinstance(tree.value, list):
        items = [json_of(item if isinstance(item, dict) else Known([], item), choose) for item in tree.value]
        is_bare = len(items) == 1 and choose(st.booleans())
        return items[0] if is_bare else f"[{', '.join(items)}]"
    if isinstance(tree.value, dict):
        return json_of(tree.value, choose)
    return str(choose(st.sampled_from(json_ways(tree.value))))


def json_ways(value: object) -> list[str]:
    if value is None:
        return ["null", '""', '" "']
    if isinstance(value, bool):
        return ["true", '"True"', '"Yes"', "1"] if value else ["false", '"false"', '"No"', '"0"']
    if isinstance(value, int | Decimal):
        return [plain(value), f'"{plain(value)}"', f'" {plain(value)}"']
    text = value.isoformat() if isinstance(value, date) else value
    return [json.dumps(text), json.dumps(text, ensure_ascii=False)]


def spelt(name: str, value: Tree, choose: Choose) -> str:
    return str(choose(st.sampled_from(value.names))) if isinstance(value, Known) and value.names else name


# -- XML ---------------------------------------------------------------------------------------------------


def xml_document(model: type[Payload], tree: Tree, choose: Choose) -> str:
    declaration = choose(
        st.sampled_from(["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>\n'])
    )
    return f"{declaration}{element(model.OBJECT, tree, choose)}"


def element(name: str, tree: Tree, choose: Choose) -> str:
    name = name.replace(" ", "_x0020_")  # as XmlConvert.EncodeName does
    if isinstance(tree, dict):
        members = [element(spelt(inner, value, choose), value, choose) for inner, value in tree.items()]
        blank = choose(st.sampled_from(["", "\n  "]))
        return f"<{name}>{blank}{blank.join(choose(st.permutations(members)))}{blank}</{name}>"
    if not isinstance(tree, Known):
        return f"<{name}>{escape(tree)}</{name}>"
    if isinstance(tree.value, list):
        items = [item if isinstance(item, dict) else Known([], item) for item in tree.value]
        # <Quantities><Quantity/></Quantities> is a list of one nothing, no item with a null Quantity
        if (
            items
            and not any(len(item) == 1 for item in items if isinstance(item, dict))
            and choose(st.booleans())
        ):
            return "".join(element(name, item, choose) for item in items)
        kind = choose(st.sampled_from(["Item", "int"]))
        return f"<{name}>{''.join(element(kind, item, choose) for item in items)}</{name}>"
    if isinstance(tree.value, dict):
        return element(name, tree.value, choose)
    return str(choose(st.sampled_from([way.format(name) for way in xml_ways(tree.value)])))


def xml_ways(value: object) -> list[str]:
    if value is None:
        nil = '<{0} xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'
        return ["<{0}/>", "<{0}></{0}>", "<{0}> </{0}>", nil]
    if isinstance(value, bool):
        return [
            f"<{{0}}>{word}</{{0}}>" for word in (("true", "Yes", "1") if value else ("False", "No", "0"))
        ]
    if isinstance(value, int | Decimal):
        return [f"<{{0}}>{plain(value)}</{{0}}>", f"<{{0}}>\n{plain(value)} </{{0}}>"]
    text = escape(value.isoformat() if isinstance(value, date) else str(value))
    return [f"<{{0}}>{text.replace('{', '{{').replace('}', '}}')}</{{0}}>"]

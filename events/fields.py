"""How a document's names find a model's fields."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from events.formats import folded
from events.names import ByNames
from events.values import Leaf, Unknown, is_empty, keep_unread


class Part(BaseModel):
    """An object inside a payload: its known fields typed, all others kept in `model_extra`."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        defer_build=True,
        serialize_by_alias=True,
    )

    __pydantic_extra__: dict[str, Unknown]


P = TypeVar("P", bound=Part)
T = TypeVar("T")


def also(*names: str, own: str | None = None) -> Any:
    """Give a field the other names it is seen under; `own` is printIQ's name where Python cannot spell it."""
    return Field(default=None, alias=own, json_schema_extra={"x-also": list(names)})


def described(description: str) -> Any:
    """Give a field a description, for the schemas: what its name leaves open."""
    return Field(default=None, description=description)


class _Lenient:
    """The annotation of a field or an item that holds structure: of another structure, it is unread."""

    def __init__(self, *, empty: object) -> None:
        self.empty = empty

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def otherwise(value: Any, info: ValidationInfo) -> Any:
            return self.empty if is_empty(value) else keep_unread(value, info)

        return core_schema.union_schema(
            [handler(source), core_schema.with_info_plain_validator_function(otherwise)],
            mode="left_to_right",
            serialization=core_schema.simple_ser_schema("any"),
        )


# Lists are tuples: a payload does not change once read. One unreadable item leaves the others typed.
Many = Annotated[tuple[Annotated[T, _Lenient(empty=None)], ...], _Lenient(empty=())]
One = Annotated[P | None, _Lenient(empty=None)]


class FieldSpec(NamedTuple):
    """A model's field: its name in documents, and whether it holds one or `many` of a `part` or a `leaf`."""

    name: str
    attribute: str
    many: bool
    part: type[Part] | None
    leaf: Leaf | None


class Assignment(NamedTuple):
    """The fields that an object's members go to.

    `fields` pairs each name that alone leads to a field with that field; `contested` lists the fields that
    several names lead to, the best one first; `unknown` are the names that lead to none, `known` all others.
    `names` pairs the names of `fields` and the unknown ones with their spelling in the model; `is_own` is
    whether the object has them all in that spelling and that order already.
    """

    fields: tuple[tuple[str, FieldSpec], ...]
    unknown: tuple[str, ...]
    contested: tuple[tuple[FieldSpec, tuple[str, ...]], ...]
    known: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    is_own: bool


class FieldMap:
    """A model's fields by every name that leads to them: exact, in another case, or an alias."""

    def __init__(self, model: type[Part]) -> None:
        self.model = model
        self.fields: tuple[FieldSpec, ...] = tuple(_specs(model))
        self._exact: dict[str, FieldSpec] = {}
        self._folded: dict[str, FieldSpec] = {}
        for spec in self.fields:
            self._exact[spec.name] = spec
            self._folded.setdefault(spec.name.lower(), spec)
        for spec in self.fields:
            extra = model.model_fields[spec.attribute].json_schema_extra
            for name in extra["x-also"] if isinstance(extra, dict) else ():  # type: ignore[union-attr]
                self._folded.setdefault(str(name).lower(), spec)

        # The memory that an object of the model takes, in bytes: itself, and its fields with their values.
        self.cost = 500 + sum(60 + 2 * len(spec.name) for spec in self.fields)
        # All names that lead to a field, in lower case.
        self.names = frozenset(self._folded)
        # Assigns an object's names to fields.
        self.assign = ByNames(self._assignment)

    def find(self, name: str) -> FieldSpec | None:
        return self._exact.get(name) or self._folded.get(folded(name))

    def _assignment(self, names: tuple[str, ...]) -> Assignment:
        """Assign names to fields.

        A name spelt exactly comes before one in another case, and that before an alias. Unknown names are
        sorted, so that equal content gives equal bytes.
        """
        found: dict[str, list[str]] = {}
        unknown: list[str] = []
        for name in names:
            spec = self.find(name)
            if spec is None:
                unknown.append(name)
            else:
                found.setdefault(spec.name, []).append(name)
        fields = tuple((each[0], self._exact[field]) for field, each in found.items() if len(each) == 1)
        unknown.sort()
        return Assignment(
            fields,
            tuple(unknown),
            tuple(
                (self._exact[field], tuple(sorted(each, key=partial(_rank, self._exact[field]))))
                for field, each in found.items()
                if len(each) > 1
            ),
            tuple(name for each in found.values() for name in each),
            (*((name, spec.name) for name, spec in fields), *zip(unknown, unknown, strict=True)),
            names == (*(spec.name for _, spec in fields), *unknown),
        )


def _rank(spec: FieldSpec, name: str) -> tuple[bool, bool, str]:
    return name != spec.name, folded(name) != spec.name.lower(), name


def _specs(model: type[Part]) -> Iterator[FieldSpec]:
    for attribute, field in model.model_fields.items():
        many = any(isinstance(note, _Lenient) and note.empty == () for note in field.metadata)
        inner = get_args(field.annotation)
        notes = (*field.metadata, *(get_args(inner[0]) if many else inner))
        leaf = next((note for note in notes if isinstance(note, Leaf)), None)
        part = next((note for note in notes if isinstance(note, type) and issubclass(note, Part)), None)
        yield FieldSpec(field.alias or attribute, attribute, many, part, leaf)


@cache
def field_map(model: type[Part]) -> FieldMap:
    """Return the model's field map, made once."""
    return FieldMap(model)

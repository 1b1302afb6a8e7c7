"""Bicep files as data: the resources, modules, settings and outputs that they declare."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from infra.arm_types import Code, Value

PARSER = Parser(Language(tree_sitter_bicep.language()))


DECLARATIONS = {"parameter_declaration", "variable_declaration", "resource_declaration", "module_declaration"}
# Functions of the language: https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
FUNCTIONS = {
    *("allowed", "description", "maxLength", "metadata", "minLength"),
    *("concat", "contains", "empty", "guid", "join", "listKeys", "loadJsonContent", "replace", "string"),
    *("subscription", "subscriptionResourceId", "tenant", "union", "uniqueString"),
}


class Module(NamedTuple):
    """A call of another file."""

    symbol: str
    file: Path
    parameters: set[str]


class Resource(NamedTuple):
    """A resource that is deployed, or one that is only referred to."""

    symbol: str
    type: str
    version: str
    body: dict[str, Value]
    existing: bool
    at: str


def parse(file: Path) -> Node:
    """Parse a file. Raise SyntaxError with the place of the first error."""
    root = PARSER.parse(file.read_bytes()).root_node
    for node in _descendants(root):
        if node.is_error or node.is_missing:
            raise SyntaxError(f"{file}:{node.start_point.row + 1}: not understood: {_text(node)[:60]!r}")
    return root


def _descendants(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _descendants(child)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _string(node: Node) -> str | Code:
    parts = node.named_children
    if all(part.type == "string_content" for part in parts):
        return "".join(_text(part) for part in parts)
    return Code(_text(node))


def _object(node: Node) -> dict[str, Value]:
    body: dict[str, Value] = {}
    for entry in node.named_children:
        if entry.type == "object_property" and entry.named_children[0].type != "resource_declaration":
            key, value = entry.named_children[0], entry.named_children[-1]
            name = _string(key) if key.type == "string" else _text(key)
            body[name.text if isinstance(name, Code) else name] = _value(value)
    return body


def _value(node: Node) -> Value:
    match node.type:
        case "string":
            return _string(node)
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
        case "array":
            return [_value(item) for item in node.named_children if item.type != "comment"]
        case "object":
            return _object(node)
        case _:
            return Code(_text(node))


def _body(declaration: Node) -> Node:
    """Return the object of a declaration, past a condition or a loop."""
    node = declaration.named_children[-1]
    while node.type in {"if_statement", "for_statement"}:
        node = node.named_children[-1]
    return node


def resources(file: Path) -> list[Resource]:
    """Return the resources of a file, those nested in others too."""
    return list(_resources(parse(file), "", "", file.name))


def _resources(node: Node, outer_type: str, outer_version: str, file: str) -> Iterator[Resource]:
    for child in node.named_children:
        if child.type != "resource_declaration":
            yield from _resources(child, outer_type, outer_version, file)
            continue
        symbol, declared = (_text(part) for part in child.named_children[:2])
        name, _, version = declared.strip("'").partition("@")
        full = f"{outer_type}/{name}" if outer_type else name
        version = version or outer_version
        existing = any(part.type == "existing" for part in child.children)
        body = _body(child)
        yield Resource(symbol, full, version, _object(body), existing, f"{file}:{symbol}")
        yield from _resources(body, full, version, file)


def variable(file: Path, name: str) -> Value:
    """Return what a variable holds."""
    for node in parse(file).named_children:
        if node.type == "variable_declaration" and _name(node) == name:
            return _value(node.named_children[-1])
    raise LookupError(f"{file} has no variable {name}")


def outputs(file: Path) -> set[str]:
    """Return the names of a file's outputs."""
    return {_name(node) for node in parse(file).named_children if node.type == "output_declaration"}


def parameters(file: Path) -> tuple[set[str], set[str]]:
    """Return the names of a file's parameters: those that must be given, and those with a default."""
    required: set[str] = set()
    optional: set[str] = set()
    for node in parse(file).named_children:
        if node.type == "parameter_declaration":
            has_default = any(child.type == "=" for child in node.children)
            (optional if has_default else required).add(_name(node))
    return required, optional


def modules(file: Path) -> list[Module]:
    """Return the modules that a file calls."""
    found = []
    for node in parse(file).named_children:
        if node.type == "module_declaration":
            given = _object(_body(node))["params"]
            assert isinstance(given, dict)
            called = file.parent / _text(node.named_children[1]).strip("'")
            found.append(Module(_name(node), called, set(given)))
    return found


def used_outputs(file: Path) -> set[tuple[str, str]]:
    """Return each module's symbol with the name of an output that the file uses."""
    texts = (_text(node) for node in _descendants(parse(file)) if node.type == "member_expression")
    return {(symbol, name) for symbol, middle, name in map(_three, texts) if middle == "outputs" and name}


def _three(text: str) -> tuple[str, str, str]:
    symbol, _, rest = text.partition(".")
    middle, _, name = rest.partition(".")
    return symbol, middle, name


def undeclared(file: Path) -> list[str]:
    """Return every name that a file uses and nothing declares, each with the place."""
    root = parse(file)
    declared = set()
    for node in _descendants(root):
        if node.type in DECLARATIONS or (
            node.type == "for_statement" and node.named_children[0].type == "identifier"
        ):
            declared.add(_name(node))
        elif node.type in {"loop_variable", "loop_enumerator"}:
            declared.add(_text(node))
    return [
        f"{file.name}:{node.start_point.row + 1}: {_text(node)} is not declared"
        for node in _descendants(root)
        if node.type == "identifier" and _is_used(node) and _text(node) not in declared | _functions(node)
    ]


def _is_used(node: Node) -> bool:
    """Tell whether an identifier stands for a value, and is not the key of a property."""
    parent = node.parent
    assert parent is not None
    is_key = parent.type == "object_property" and parent.named_children[0] == node
    return not is_key and parent.type != "output_declaration"


def _functions(node: Node) -> set[str]:
    parent = node.parent
    is_called = parent is not None and parent.type == "call_expression" and parent.named_children[0] == node
    return FUNCTIONS if is_called else set()


def _name(declaration: Node) -> str:
    return _text(declaration.named_children[0])

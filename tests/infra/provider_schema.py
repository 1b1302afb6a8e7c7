"""The schema of a Terraform provider, read from its published CDK package.

The package's jsii assembly has an interface for the arguments of every resource and data source, and a class
that has the computed attributes too. What it does not tell: which values are allowed, and whether a list is a
set. Source: packages/@cdktn/provider-generator in https://github.com/open-constructs/cdk-terrain.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-untyped]  # as published

from infra.published import jsii_assembly, package_metadata

Type = Any  # the JSON of a Terraform type: "string", ["list", "string"], ["object", {...}]
Nesting = pb.Schema.NestedBlock

PRIMITIVES: dict[str, Type] = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
CLASSES: dict[str, Type] = {
    "IResolvable": "bool",
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": "dynamic",
}
OWN = {"tfResourceType", "internalValue", "fqn"}  # the CDK's own properties, not the provider's


class Property(NamedTuple):
    """One argument or attribute."""

    name: str
    shape: dict[str, Any]
    required: bool
    summary: str


class Provider:
    """One provider: its own arguments, its resources and its data sources."""

    def __init__(self, requirement: str, prefix: str) -> None:
        self.prefix = prefix
        self.version = package_metadata(requirement, r"provider version (\d+\.\d+\.\d+)")
        self.types: dict[str, dict[str, Any]] = json.loads(jsii_assembly(requirement))["types"]
        self.classes = {
            "resource": dict(self._classes("TerraformResource")),
            "data": dict(self._classes("TerraformDataSource")),
            "provider": dict(self._classes("TerraformProvider")),
        }

    def _classes(self, base: str) -> Iterator[tuple[str, str]]:
        """Yield Terraform's name of each class, read from a documentation link, and the class."""
        for fqn, declared in self.types.items():
            if str(declared.get("base", "")).endswith("." + base):
                links = json.dumps(self.types[fqn + "Config"])
                if found := re.search(r"/docs/(?:resources|data-sources)/(\w+)#", links):
                    yield f"{self.prefix}_{found[1]}", fqn
                elif base == "TerraformProvider":
                    yield self.prefix, fqn

    def schema(self, kind: str, name: str) -> pb.Schema:
        """Return the schema of a `resource`, a `data` source or the `provider`. Raise KeyError for none."""
        fqn = self.classes[kind][name]
        return pb.Schema(version=0, block=self._block(fqn + "Config", fqn))

    def _block(self, arguments: str, computed: str) -> pb.Schema.Block:
        block = pb.Schema.Block()
        settable = {prop.name: prop for prop in self._arguments(arguments)}
        for prop in settable.values():
            struct, many = self._struct(prop.shape)
            if struct and prop.summary == f"{prop.name} block.":
                block.block_types.append(
                    Nesting(
                        type_name=prop.name,
                        block=self._block(struct, struct + "OutputReference"),
                        nesting=Nesting.SINGLE if prop.name == "timeouts" else Nesting.LIST,
                        min_items=int(prop.required),
                        max_items=0 if many or prop.name == "timeouts" else 1,
                    )
                )
            else:
                block.attributes.append(
                    pb.Schema.Attribute(
                        name=prop.name,
                        type=json.dumps(self._type(prop.shape)).encode(),
                        required=prop.required,
                        optional=not prop.required,
                        computed=not prop.required and prop.name == "id",
                    )
                )
        for prop in self._computed(computed):
            if prop.name not in settable:
                block.attributes.append(
                    pb.Schema.Attribute(
                        name=prop.name, type=json.dumps(self._type(prop.shape)).encode(), computed=True
                    )
                )
        return block

    def _arguments(self, fqn: str) -> Iterator[Property]:
        for declared in self.types[fqn].get("properties", []):
            docs = declared["docs"]
            link = re.search(r"/docs[\w/-]*#(\w+) ", json.dumps(docs))
            assert link, f"no documentation link at {fqn}.{declared['name']}"
            yield Property(link[1], declared["type"], not declared.get("optional"), docs.get("summary", ""))

    def _computed(self, fqn: str) -> Iterator[Property]:
        for declared in self.types.get(fqn, {}).get("properties", []):
            name: str = declared["name"]
            if declared.get("immutable") and not name.endswith("Input") and name not in OWN:
                snake = re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()
                yield Property(snake, declared["type"], required=False, summary="")

    def _struct(self, shape: dict[str, Any]) -> tuple[str, bool]:
        """Return the interface that a property is made of ("" for none), and whether there may be many."""
        for option in shape.get("union", {}).get("types", [shape]):
            many = option.get("collection", {}).get("kind") == "array"
            fqn = option["collection"]["elementtype"].get("fqn", "") if many else option.get("fqn", "")
            if fqn in self.types and self.types[fqn]["kind"] == "interface":
                return fqn, many
        return "", False

    def _type(self, shape: dict[str, Any]) -> Type:
        if "primitive" in shape:
            return PRIMITIVES[shape["primitive"]]
        if "union" in shape:
            options = [
                option for option in shape["union"]["types"] if option.get("fqn") != "cdktn.IResolvable"
            ]
            return self._type(options[0])
        if "collection" in shape:
            element = self._type(shape["collection"]["elementtype"])
            kind = {"array": "list", "map": "map"}[shape["collection"]["kind"]]
            return "dynamic" if element == "dynamic" else [kind, element]
        return self._class_type(shape["fqn"])

    def _class_type(self, fqn: str) -> Type:
        if fqn not in self.types:
            return CLASSES[fqn.rpartition(".")[2]]
        if fqn.endswith("List") and fqn.removesuffix("List") + "OutputReference" in self.types:
            return ["list", self._class_type(fqn.removesuffix("List") + "OutputReference")]
        if self.types[fqn]["kind"] == "interface":
            return ["object", {prop.name: self._type(prop.shape) for prop in self._arguments(fqn)}]
        return ["object", {prop.name: self._type(prop.shape) for prop in self._computed(fqn)}]


@cache
def azurerm() -> Provider:
    return Provider("cdktn-provider-azurerm==18.9.0", "azurerm")


@cache
def azapi() -> Provider:
    return Provider("cdktn-provider-azapi==1.0.0", "azapi")

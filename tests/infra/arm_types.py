"""The types of Azure Resource Manager, read from the models of Microsoft's own management packages.

Bicep and azapi both speak the language of the REST API, and so do these packages, which Microsoft generates
from the same specifications. They tell a type's API version, its properties, their kinds, which are required
or read-only, and the allowed values. The packages are read, not installed.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from infra.published import wheel

type Value = str | int | bool | Code | list[Value] | dict[str, Value]


class Code(NamedTuple):
    """A value that is known only when it is deployed: the text of an expression."""

    text: str


class Field(NamedTuple):
    """A property of a model: its kind is a primitive, a model, `[kind]` for a list or `{kind}` for a map."""

    kind: str
    required: bool
    read_only: bool
    allowed: frozenset[str]


class Source(NamedTuple):
    """Where a resource type is described: a package, the folder of its models, and the model for a PUT."""

    requirement: str
    folder: str
    model: str


STORAGE = "azure-mgmt-storage==24.0.0"
WEB = "azure-mgmt-web==11.0.1"
MONITOR = "azure-mgmt-monitor==7.0.0"
EVENT_GRID = "azure-mgmt-eventgrid==10.4.0"

SOURCES = {
    "Microsoft.Authorization/locks": Source(
        "azure-mgmt-resource-locks==1.0.0", "azure/mgmt/resource/locks", "ManagementLockObject"
    ),
    "Microsoft.Authorization/roleAssignments": Source(
        "azure-mgmt-authorization==4.0.0",
        "azure/mgmt/authorization/v2022_04_01",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.EventGrid/systemTopics": Source(EVENT_GRID, "azure/mgmt/eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": Source(
        EVENT_GRID, "azure/mgmt/eventgrid", "EventSubscription"
    ),
    "Microsoft.Insights/actionGroups": Source(MONITOR, "azure/mgmt/monitor", "ActionGroupResource"),
    "Microsoft.Insights/components": Source(
        "azure-mgmt-applicationinsights==4.1.0",
        "azure/mgmt/applicationinsights/v2020_02_02",
        "ApplicationInsightsComponent",
    ),
    "Microsoft.Insights/diagnosticSettings": Source(
        "azure-mgmt-monitor==6.0.2", "azure/mgmt/monitor/v2021_05_01_preview", "DiagnosticSettingsResource"
    ),
    "Microsoft.Insights/scheduledQueryRules": Source(
        MONITOR, "azure/mgmt/monitor", "ScheduledQueryRuleResource"
    ),
    "Microsoft.KeyVault/vaults": Source(
        "azure-mgmt-keyvault==13.0.0", "azure/mgmt/keyvault", "VaultCreateOrUpdateParameters"
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Source(
        "azure-mgmt-msi==7.1.0", "azure/mgmt/msi/v2024_11_30", "Identity"
    ),
    "Microsoft.OperationalInsights/workspaces": Source(
        "azure-mgmt-loganalytics==13.1.1", "azure/mgmt/loganalytics", "Workspace"
    ),
    "Microsoft.Resources/resourceGroups": Source(
        "azure-mgmt-resource==26.0.0", "azure/mgmt/resource/resources", "ResourceGroup"
    ),
    "Microsoft.Storage/storageAccounts": Source(
        STORAGE, "azure/mgmt/storage", "StorageAccountCreateParameters"
    ),
    "Microsoft.Storage/storageAccounts/blobServices": Source(
        STORAGE, "azure/mgmt/storage", "BlobServiceProperties"
    ),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Source(
        STORAGE, "azure/mgmt/storage", "BlobContainer"
    ),
    "Microsoft.Storage/storageAccounts/localUsers": Source(STORAGE, "azure/mgmt/storage", "LocalUser"),
    "Microsoft.Storage/storageAccounts/managementPolicies": Source(
        STORAGE, "azure/mgmt/storage", "ManagementPolicy"
    ),
    "Microsoft.Storage/storageAccounts/queueServices": Source(
        STORAGE, "azure/mgmt/storage", "QueueServiceProperties"
    ),
    "Microsoft.Storage/storageAccounts/queueServices/queues": Source(
        STORAGE, "azure/mgmt/storage", "StorageQueue"
    ),
    "Microsoft.Storage/storageAccounts/tableServices": Source(
        STORAGE, "azure/mgmt/storage", "TableServiceProperties"
    ),
    "Microsoft.Storage/storageAccounts/tableServices/tables": Source(STORAGE, "azure/mgmt/storage", "Table"),
    "Microsoft.Web/serverfarms": Source(WEB, "azure/mgmt/web", "AppServicePlan"),
    "Microsoft.Web/sites": Source(WEB, "azure/mgmt/web", "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": Source(
        WEB, "azure/mgmt/web", "CsmPublishingCredentialsPoliciesEntity"
    ),
}

RESOURCE_PROPERTIES = {"name", "parent", "scope", "dependsOn"}  # Bicep's own, part of the address in REST
BUILDER = re.compile(r"^def build_\w+_request\(.*?(?=^def |^class )", re.MULTILINE | re.DOTALL)
VERSION = re.compile(r'"api-version", "([\w-]+)"')
ADDRESS = re.compile(r'"(/[^"\n]*\{[^"\n]*)"')


def _put_types(text: str) -> Iterator[tuple[str, str]]:
    """Yield type and API version of every PUT that an operations module can build."""
    for builder in BUILDER.findall(text):
        version = VERSION.search(builder)
        if version and 'method="PUT"' in builder:
            address = "".join(ADDRESS.findall(builder))
            provider, _, rest = address.rpartition("/providers/")[2].partition("/")
            if "/providers/" not in address:  # a resource group is addressed without a provider
                provider, rest = "Microsoft.Resources", "resourceGroups/{name}"
            yield f"{provider}/{'/'.join(rest.split('/')[::2])}".lower(), version[1]


@cache
def api_versions(requirement: str, folder: str) -> frozenset[tuple[str, str]]:
    """Return each type, in lower case, with the API version that the package speaks for it."""
    with wheel(requirement) as package:
        modules = [
            name
            for name in package.namelist()
            if name.startswith(folder + "/operations/") and name.endswith("_operations.py")
        ]
        return frozenset(pair for name in modules for pair in _put_types(package.read(name).decode()))


class Models:
    """The models of one package, by name."""

    def __init__(self, requirement: str, folder: str) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        with wheel(requirement) as package:
            for name in package.namelist():
                if re.fullmatch(rf"{folder}/models/_(models(_py3)?|\w*enums)\.py", name):
                    module = ast.parse(package.read(name))
                    self.classes |= {
                        node.name: node for node in module.body if isinstance(node, ast.ClassDef)
                    }

    @cache  # noqa: B019 - lives as long as the test run
    def fields(self, model: str) -> dict[str, Field]:
        """Return the properties of a model by their names on the wire, `a.b` where they are flattened."""
        declared = self.classes[model]
        found: dict[str, Field] = {}
        for base in declared.bases:
            if isinstance(base, (ast.Name, ast.Attribute)):
                name = base.id if isinstance(base, ast.Name) else base.attr
                found |= self.fields(name) if name in self.classes else {}
        return found | dict(self._mapped(declared)) | dict(self._annotated(declared))

    def _mapped(self, declared: ast.ClassDef) -> Iterator[tuple[str, Field]]:
        """Read the older form: _attribute_map and _validation, with the enum named in the docstring."""
        tables = {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in declared.body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id in {"_attribute_map", "_validation"}
        }
        docs = ast.get_docstring(declared) or ""
        for name, entry in tables.get("_attribute_map", {}).items():
            rules = tables.get("_validation", {}).get(name, {})
            enum = re.search(rf":vartype {name}: str or\s+~[\w.]+\.(\w+)", docs)
            yield (
                entry["key"],
                Field(
                    entry["type"],
                    rules.get("required", False),
                    rules.get("readonly", False),
                    self._values(enum[1]) if enum else frozenset(),
                ),
            )

    def _annotated(self, declared: ast.ClassDef) -> Iterator[tuple[str, Field]]:
        """Read the newer form: annotated class variables with rest_field."""
        for statement in declared.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Call):
                assert isinstance(statement.target, ast.Name)
                call = ast.unparse(statement.value)
                wire = re.search(r"name='([^']+)'", call)
                annotation = ast.unparse(statement.annotation)
                models = re.findall(r"_models\.(\w+)", annotation)
                enums = [name for name in models if self._values(name)]
                kind = next((name for name in models if name not in enums), None)
                kind = kind or next(
                    (word for word in ("str", "int", "bool", "float") if word in annotation), "object"
                )
                if "list[" in annotation.lower():
                    kind = f"[{kind}]"
                elif "dict[" in annotation.lower():
                    kind = f"{{{kind}}}"
                yield (
                    wire[1] if wire else statement.target.id,
                    Field(
                        kind,
                        not annotation.startswith("Optional"),
                        "visibility=['read']" in call,
                        self._values(enums[0]) if enums else frozenset(),
                    ),
                )

    def _values(self, enum: str) -> frozenset[str]:
        declared = self.classes.get(enum)
        if declared is None or "Enum" not in ast.unparse(ast.Tuple(elts=declared.bases)):
            return frozenset()
        return frozenset(
            str(statement.value.value)
            for statement in declared.body
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        )

    def subtype(self, model: str, body: dict[str, Value]) -> str:
        """Return the model that the discriminator in the body selects, or the model itself."""
        for statement in self.classes[model].body:
            text = ast.unparse(statement)
            if text.startswith("_subtype_map"):
                assert isinstance(statement, ast.Assign)
                for name, choices in ast.literal_eval(statement.value).items():
                    wire = next(
                        entry["key"]
                        for attribute, entry in self._attribute_map(model).items()
                        if attribute == name
                    )
                    return str(choices.get(body.get(wire), model))
        return model

    def _attribute_map(self, model: str) -> dict[str, dict[str, str]]:
        for statement in self.classes[model].body:
            if ast.unparse(statement).startswith("_attribute_map"):
                assert isinstance(statement, ast.Assign)
                table: dict[str, dict[str, str]] = ast.literal_eval(statement.value)
                return table
        return {}

    def problems(self, model: str, body: dict[str, Value], at: str, prefix: str = "") -> Iterator[str]:
        """Yield what is wrong with a body, each with the place."""
        fields = self.fields(model)
        for name, value in body.items():
            path = f"{prefix}{name}"
            here = f"{at}.{name}"
            if path in fields:
                yield from self._wrong_value(fields[path], value, here)
            elif any(known.startswith(path + ".") for known in fields):
                if isinstance(value, dict):
                    yield from self.problems(model, value, here, path + ".")
            else:
                yield f"{here}: {model} has no such property"
        for known, field in fields.items():
            if field.required and known.startswith(prefix) and "." not in known.removeprefix(prefix):
                name = known.removeprefix(prefix)
                if name not in body and not field.read_only:
                    yield f"{at}.{name}: is required"

    def _wrong_value(self, field: Field, value: Value, at: str) -> Iterator[str]:
        if field.read_only:
            yield f"{at}: is read-only"
        elif isinstance(value, Code):
            return
        elif field.kind.startswith("["):
            if not isinstance(value, list):
                yield f"{at}: wants a list"
                return
            inner = field._replace(kind=field.kind[1:-1])
            for number, item in enumerate(value):
                yield from self._wrong_value(inner, item, f"{at}[{number}]")
        elif field.kind.startswith("{"):
            if not isinstance(value, dict):
                yield f"{at}: wants an object"
        elif field.kind in self.classes and not field.allowed:
            if isinstance(value, dict):
                yield from self.problems(self.subtype(field.kind, value), value, at)
            else:
                yield f"{at}: wants an object of {field.kind}"
        else:
            yield from self._wrong_primitive(field, value, at)

    @staticmethod
    def _wrong_primitive(field: Field, value: Value, at: str) -> Iterator[str]:
        kinds = {"str": str, "duration": str, "int": int, "long": int, "float": int, "bool": bool}
        wanted = kinds.get(field.kind, object)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            yield f"{at}: wants {field.kind}, not {value!r}"
        elif field.allowed and value not in field.allowed:
            yield f"{at}: {value!r} is none of {', '.join(sorted(field.allowed))}"


@cache
def models(requirement: str, folder: str) -> Models:
    return Models(requirement, folder)


def problems(resource_type: str, version: str, body: dict[str, Value], at: str) -> list[str]:
    """Return what the published type does not admit in the body of a resource, each with the place."""
    source = SOURCES.get(resource_type)
    if source is None:
        return [f"{at}: add the type {resource_type} and its source to SOURCES"]
    found = []
    spoken = {known for name, known in api_versions(*source[:2]) if name == resource_type.lower()}
    if version not in spoken:
        found.append(
            f"{at}: {source.requirement} knows {resource_type} in {sorted(spoken)}, not in {version}"
        )
    package = models(*source[:2])
    body = {name: value for name, value in body.items() if name not in RESOURCE_PROPERTIES}
    return found + list(package.problems(source.model, body, at))

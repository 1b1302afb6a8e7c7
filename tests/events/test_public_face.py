"""The package offers what it says, no more and no less."""

from types import ModuleType

import pytest

import events
from events import models
from events.catalogue import payload_types


@pytest.mark.parametrize("package", [events, models])
def test_all_names_are_there_and_no_other_public_one(package: ModuleType) -> None:
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(package.__all__)


@pytest.mark.parametrize("model", list(payload_types()))
def test_every_object_has_a_schema_that_names_all_its_fields(model: type[models.Payload]) -> None:
    schema = model.model_json_schema(mode="serialization")
    assert set(schema["properties"]) == {field.alias or name for name, field in model.model_fields.items()}
    assert schema["additionalProperties"] is True

"""The package offers what it says, no more and no less."""

from types import ModuleType

import pytest

import events
from events import models


@pytest.mark.parametrize("package", [events, models])
def test_all_names_are_there_and_no_other_public_one(package: ModuleType) -> None:
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(package.__all__)

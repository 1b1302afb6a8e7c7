"""Modules that are imported on first use, so that a cold start does not wait for them."""

import importlib.util
import sys
from types import ModuleType


def later(name: str) -> ModuleType:
    """Return a module that loads itself when something in it is first asked for.

    Its parent packages are imported at once. Type checkers need a plain import under TYPE_CHECKING beside it.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, leaf = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], leaf, module)
    return module

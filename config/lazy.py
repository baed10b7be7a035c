"""Modules that others import but that nothing here uses: loaded when somebody looks into them."""

import importlib
import sys
from types import ModuleType
from typing import Any


def load_when_used(name: str) -> None:
    """Put off the loading of module ``name``, unless it is loaded already."""

    def look_into(attribute: str) -> Any:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    stand_in = ModuleType(name)
    stand_in.__dict__["__getattr__"] = look_into
    sys.modules.setdefault(name, stand_in)

"""Fields of Params whose value would not reach the task, as parameters travel as JSON."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr


def unfaithful_fields(
    model: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Fields whose value pydantic hides or leaves out when it writes JSON: name and problem."""
    for name, field in model.model_fields.items():
        if field.exclude or getattr(field, "exclude_if", None) is not None:
            yield name, f"{model.__name__}.{name} is left out of JSON (exclude)"
        for part in _parts_of(field.annotation):
            if issubclass(part, Secret | SecretStr | SecretBytes):
                yield name, f"{model.__name__}.{name} is masked in JSON ({part.__name__})"
            elif issubclass(part, BaseModel) and part not in seen:
                yield from unfaithful_fields(part, seen | {part, model})


def _parts_of(annotation: Any) -> Iterator[type]:
    """All classes that a type is made of."""
    origin = get_origin(annotation)
    if isinstance(origin or annotation, type):
        yield origin or annotation
    aliased = getattr(annotation, "__value__", None)  # of `type X = ...`
    for part in (*get_args(annotation), *([aliased] if aliased else [])):
        yield from _parts_of(part)

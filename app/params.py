"""A task's parameters on their way to the queue: checked by its own model, then written as JSON.

Params is the task's, and so are its validators and serializers: code that may fail in any way. What
it does about something that a client sent is that request's mistake and no error of the server.
"""

import logging
import traceback
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.errors import UnwritableParamsError
from app.schemas import ConcurrencyParams
from config.finite import holds_non_finite
from config.logs import event
from config.registry import TaskSpec
from config.task_rules import CONCURRENCY_FIELD

log = logging.getLogger("fasttask.app")

FAILURES = (Exception, SystemExit)  # argparse and the like end the process for a wrong value


class _Guarded(BaseModel):
    """Params whose own code does not harm the server."""

    # A job's parameters travel as JSON, where NaN and infinity would silently become null.
    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _guarded(cls, sent: Any, check: ModelWrapValidatorHandler["_Guarded"]) -> "_Guarded":
        try:
            return check(sent)
        except ValidationError:
            raise
        except FAILURES as error:
            raised = _told(cls.__name__, error)
            text = "the task's own check of it raised {raised}"
            raise PydanticCustomError("check_failed", text, {"raised": raised}) from None


def request_model(spec: TaskSpec) -> type[BaseModel]:
    """A task's Params with the optional concurrency parameters, under a name of its own."""
    # The example says null: who tries the task out from the docs page does not mean to limit it.
    # It is no parameter of the function, so it is left out when these are written. It has its name
    # even if Params makes up other ones for its fields.
    unlimited = Field(None, alias=CONCURRENCY_FIELD, examples=[None], exclude=True)
    extra: dict[str, Any] = {CONCURRENCY_FIELD: (ConcurrencyParams | None, unlimited)}
    return create_model(f"{spec.name}_Params", __base__=(_Guarded, spec.params), **extra)


def written(params: BaseModel) -> bytes:
    """The parameters as JSON, under the names of the function's arguments.

    Raises:
        UnwritableParamsError: they cannot be said in JSON.
    """
    try:
        text = params.model_dump_json(by_alias=False, exclude_computed_fields=True)
        # In a model within Params the number has not been refused.
        is_changed = "null" in text and holds_non_finite(params.model_dump())
    except FAILURES as error:
        raise UnwritableParamsError(_told(type(params).__name__, error)) from None
    if is_changed:
        raise UnwritableParamsError("a number in it is infinite or none (NaN)")
    return text.encode()


def _told(model: str, error: BaseException) -> str:
    """An error of the task's code in a line; the log gets to know where it comes from."""
    why = traceback.format_exception_only(error)[-1].strip()  # whatever its __str__ does
    frames = traceback.extract_tb(error.__traceback__)
    event(log, logging.WARNING, "params_failed", model=model, why=why,
          at=f"{frames[-1].filename}:{frames[-1].lineno}")  # fmt: skip
    return why

"""What Schemathesis cannot read in our OpenAPI, and two checks of our own."""

from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData

from tests.integration.app.openapi_fuzz.links import link
from tests.integration.app.openapi_fuzz.models import STRICT, TASKS, is_params, is_record

KEY = "Idempotency-Key"


@schemathesis.hook
def before_load_schema(_context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Say which answers other requests are made of."""
    link(raw_schema["paths"])


@schemathesis.hook
def before_call(_context: HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """A key is new for each job: a used one is refused with any other body, rightly."""
    in_order = case.meta is None or not case.meta.is_negative_at(ParameterLocation.HEADER)
    if in_order and KEY in case.headers:
        case.headers[KEY] = uuid4().hex


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Whether it is a failure of ours, and not of pydantic's to say in JSON Schema what it does.

    It takes `false` for 0 unless it is told to be strict, "five" for no decimal, and writes
    decimals and time spans in ways that it does not describe. What its models take and refuse is
    what a task's author wants; of `STRICT` alone, all that is not described has to be refused.
    """
    task = case.path.rpartition("/")[2]
    if task not in TASKS:
        return True
    match failure:
        case AcceptedNegativeData():
            return task == STRICT or not is_params(task, response.request.body)
        case RejectedPositiveData():
            return is_params(task, response.request.body)
        case JsonSchemaError() if response.status_code == 200:
            return task == STRICT or not is_record(task, response.content)
    return True


@schemathesis.check
def answers_like_all_others(_context: CheckContext, response: Response, case: Case) -> None:
    """Every error is JSON and says why, and no answer tells what the server is."""
    assert not {"server", "x-powered-by"} & {name.lower() for name in response.headers}
    assert response.headers["x-content-type-options"] == ["nosniff"]
    if response.status_code >= 400 and case.method.upper() != "HEAD":
        assert response.headers["content-type"] == ["application/json"]
        assert set(response.json()) == {"detail"}
    if response.status_code in (429, 503):
        assert int(response.headers["retry-after"][0]) > 0


@schemathesis.check
def answers_401(_context: CheckContext, response: Response, _case: Case) -> bool | None:
    """Who does not say who he is gets nothing else; skipped for those who do."""
    if "Authorization" in response.request.headers:
        return True
    assert response.status_code == 401
    assert response.headers["www-authenticate"]
    return None

"""`/docs`, `/redoc` and `/openapi.json`."""

from typing import Any

import httpx
import pytest

TASKS = ["act", "add", "constrained", "doze", "everything", "hold", "store", "strict"]


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def model(schema: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """The model behind a `$ref`."""
    found: dict[str, Any] = schema["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    return found


def body_of(schema: dict[str, Any], path: str) -> dict[str, Any]:
    content = schema["paths"][path]["post"]["requestBody"]["content"]
    return model(schema, content["application/json"]["schema"])


def answer_of(schema: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    content = schema["paths"][path][method]["responses"]["200"]["content"]
    return model(schema, content["application/json"]["schema"])


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_read_the_schema(client: httpx.Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text
    assert "<title>FastTask</title>" in answer.text


def test_the_head_is_the_projects(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.")
    assert schema["info"]["title"] == "FastTask"
    assert set(schema["info"]) == {"title", "summary", "description", "version"}


def test_each_task_has_a_tag_that_says_what_it_does(schema: dict[str, Any]) -> None:
    assert [tag["name"] for tag in schema["tags"]] == TASKS
    assert schema["tags"][1]["description"] == "Add two integers of any size."


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("method", "route"), [("post", "run"), ("post", "create"), ("get", "check")]
)
def test_each_route_of_a_task_bears_its_tag(
    schema: dict[str, Any], task: str, method: str, route: str
) -> None:
    assert schema["paths"][f"/{route}/{task}"][method]["tags"] == [task]


def test_operation_ids_are_unique(schema: dict[str, Any]) -> None:
    ids = [op["operationId"] for path in schema["paths"].values() for op in path.values()]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", ["run", "create"])
def test_params_are_typed_with_the_concurrency_params(schema: dict[str, Any], route: str) -> None:
    body = body_of(schema, f"/{route}/add")

    assert set(body["properties"]) == {"a", "b", "fasttask_concurrency_params"}
    assert body["required"] == ["a"]
    assert body["properties"]["a"] == {"type": "integer", "title": "A", "examples": [2]}
    assert body["properties"]["b"]["default"] == 0


def test_params_are_named_by_their_aliases(schema: dict[str, Any]) -> None:
    assert "reNamed" in body_of(schema, "/run/everything")["properties"]
    assert "renamed" not in body_of(schema, "/run/everything")["properties"]


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/run/add"), ("post", "/create/add"), ("get", "/check/add")]
)
def test_results_are_typed_in_a_job_record(schema: dict[str, Any], method: str, path: str) -> None:
    record = answer_of(schema, method, path)
    kinds = record["properties"]["result"]["anyOf"]
    result = next(model(schema, kind) for kind in kinds if "$ref" in kind)

    assert set(record["properties"]) == {
        "id", "state", "result", "result_type", "created_at", "started_at", "finished_at",
        "updated_at", "tries", "worker",
    }  # fmt: skip
    assert result["properties"] == {"total": {"type": "integer", "title": "Total", "examples": [5]}}
    assert {"type": "string"} in kinds


def test_the_answers_example_is_made_of_the_fields_examples(schema: dict[str, Any]) -> None:
    (example,) = answer_of(schema, "post", "/run/add")["examples"]

    assert example["state"] == "SUCCESS"
    assert example["result"] == {"total": 5}
    assert "examples" not in answer_of(schema, "post", "/run/strict")


def test_the_states_are_listed(schema: dict[str, Any]) -> None:
    assert schema["components"]["schemas"]["State"]["enum"] == [
        "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED",
    ]  # fmt: skip


def test_logging_in_is_offered_and_not_required(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]

    assert schemes == {
        "basic": {"type": "http", "scheme": "basic"}, "token": {"type": "http", "scheme": "bearer"},
    }  # fmt: skip
    assert schema["security"] == [{"basic": []}, {"token": []}, {}]


def test_every_path_is_described(schema: dict[str, Any]) -> None:
    tasks = {f"/{route}/{task}" for route in ("run", "create", "check") for task in TASKS}
    others = {"/check/{job_id}", "/revoke", "/upload", "/download", "/status_info", "/healthz",
              "/readyz", "/dead_letters", "/dead_letters/replay"}  # fmt: skip

    assert set(schema["paths"]) == tasks | others


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/run/add", {200, 401, 413, 415, 422, 429, 503}),
        ("get", "/check/add", {200, 401, 422, 429, 503}),
        ("get", "/check/{job_id}", {200, 401, 404, 422, 429, 503}),
        ("post", "/revoke", {200, 401, 413, 415, 422, 429, 503}),
        ("get", "/status_info", {200, 401, 429, 503}),
        ("post", "/upload", {200, 400, 401, 413, 415, 429, 503, 507}),
        ("get", "/download", {200, 206, 400, 401, 403, 404, 416, 422, 429, 503}),
        ("get", "/healthz", {200, 401, 429, 503}),
    ],
)
def test_all_that_a_route_may_answer_is_described(
    schema: dict[str, Any], method: str, path: str, statuses: set[int]
) -> None:
    assert {int(status) for status in schema["paths"][path][method]["responses"]} == statuses


def test_a_refusal_may_be_a_sentence(client: httpx.Client, schema: dict[str, Any]) -> None:
    """Such as of a key that was used before: 422, but no list of mistakes."""
    for a in (1, 2):
        answer = client.post("/create/add", json={"a": a}, headers={"Idempotency-Key": "a-key"})
    content = schema["paths"]["/create/add"]["post"]["responses"]["422"]["content"]
    detail = model(schema, content["application/json"]["schema"])["properties"]["detail"]

    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert {"type": "string"} in detail["anyOf"]

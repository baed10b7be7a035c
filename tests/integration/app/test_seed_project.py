"""The requirement's example project, as printed there, runs as it is."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.app.cluster import PROJECT, Certificate, Cluster

GET_HYPOTENUSE = """\
from typing import Union
from pydantic import BaseModel

from packages.tools import xx, sleep_random


class Params(BaseModel):
    a: Union[float, int]
    b: Union[float, int]


class Result(BaseModel):
    hypotenuse: Union[float, int]


def get_hypotenuse(a, b):
    if a <= 0 or b <= 0:
        raise ValueError("side length must > 0")
    print("running...")
    sleep_random()
    result = Result(hypotenuse=(xx(a) + xx(b))**0.5)
    return result.model_dump()
"""
TOOLS = """\
import random
import time


def sleep_random():
    time.sleep(random.random() / 100)


def xx(x):
    return x**2
"""
SETTING = """\
project_title = "test_project"
project_description = "测试项目"
project_summary = "a summary"
project_version = "2.3.4"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project, laid out as the requirement shows."""
    folder = tmp_path_factory.mktemp("test_project")
    (folder / "tasks" / "packages").mkdir(parents=True)
    (folder / "tasks" / "get_hypotenuse.py").write_text(GET_HYPOTENUSE)
    (folder / "tasks" / "packages" / "tools.py").write_text(TOOLS)
    (folder / "setting.py").write_text(SETTING)
    (folder / "requirements.txt").touch()
    return folder


@pytest.fixture(scope="module")
def api(certificate: Certificate, project: Path) -> Iterator[httpx.Client]:
    """A client of a node that serves it."""
    with Cluster(certificate, project / "tasks") as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker()
        cluster.wait_ready()
        with gateway.client() as client:
            yield client


def test_the_shipped_example_is_the_printed_one() -> None:
    shipped = PROJECT / "tasks" / "get_hypotenuse.py"

    assert shipped.read_text(encoding="utf-8") == GET_HYPOTENUSE


@pytest.mark.parametrize(
    ("a", "b", "hypotenuse"), [(3, 4, 5), (1, 1, math.sqrt(2)), (0.3, 0.4, 0.5), (5, 12, 13)]
)
def test_it_runs(api: httpx.Client, a: Any, b: Any, hypotenuse: float) -> None:
    created = api.post("/create/get_hypotenuse", json={"a": a, "b": b}).json()
    record = api.get("/check/get_hypotenuse", params={"result_id": created["id"], "wait": 20})

    assert record.json()["result"] == {"hypotenuse": pytest.approx(hypotenuse)}


def test_its_error_is_told_with_the_whole_traceback(api: httpx.Client) -> None:
    record = api.post("/run/get_hypotenuse", json={"a": -3, "b": 4}).json()

    assert record["state"] == "FAILURE"
    assert record["result"].startswith("Traceback")
    assert record["result"].endswith("ValueError: side length must > 0\n")


def test_its_params_are_checked(api: httpx.Client) -> None:
    answer = api.post("/run/get_hypotenuse", json={"a": "three", "b": 4})

    assert answer.status_code == 422
    assert {tuple(error["loc"][:2]) for error in answer.json()["detail"]} == {("body", "a")}


def test_its_setting_heads_the_documentation(api: httpx.Client) -> None:
    schema = api.get("/openapi.json").json()

    assert schema["info"] == {
        "title": "test_project", "summary": "a summary", "description": "测试项目",
        "version": "2.3.4",
    }  # fmt: skip
    assert [tag["name"] for tag in schema["tags"]] == ["get_hypotenuse"]


def test_the_shipped_tasks_run(certificate: Certificate) -> None:
    with Cluster(certificate, PROJECT / "tasks") as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker()
        cluster.wait_ready()
        with gateway.client() as client:
            area = client.post("/run/get_circle_area", json={"radius": 2}).json()
            hypotenuse = client.post("/run/get_hypotenuse", json={"a": 3, "b": 4}).json()

    assert area["result"] == {"area": pytest.approx(4 * math.pi)}
    assert hypotenuse["result"] == {"hypotenuse": 5}

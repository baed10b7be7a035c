"""Who x route x whose: what each caller is answered about what belongs to somebody.

To whom a job, a file or a task does not belong, it does not exist: the answer has to be the one
about an id, a name or a task that nobody ever made, to the byte.
"""

import itertools
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from config.passwords import hashed
from config.tokens import Token, digest_of, new_token, tokens_as_json
from tests.bench.markdown import table
from tests.integration.app.cluster import Cluster, Gateway
from tests.waiting import wait_until

PASSWORDS = {"ann": "ann's", "bob": "bob's", "few": "few's", "eve": "eve's"}
ADDRESSES = itertools.cycle(range(1, 255))
OK, UNKNOWN = "ok", "unknown"  # anything else that is expected is a status
VARIES = {"date", "etag", "last-modified", "retry-after"}


@dataclass(frozen=True)
class World:
    """A gateway with users, and what bob has on it."""

    gateway: Gateway
    client: httpx.Client
    tokens: dict[str, str]
    running_id: str
    job: str  #: has ended
    file: str  #: was uploaded
    task_file: str  #: was written by a task

    def headers(self, who: str) -> dict[str, str]:
        """What `who` shows."""
        if who in self.tokens:
            return {"Authorization": f"Bearer {self.tokens[who]}"}
        if who == "anonymous":
            return {}
        name, password = (who, PASSWORDS[who]) if who in PASSWORDS else ("bob", "ann's")
        return {"Authorization": httpx.BasicAuth(name, password)._auth_header}

    def ask(self, who: str, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""
        headers = {**self.headers(who), **options.pop("headers", {})}
        if who != "wrong password":
            return self.client.request(method, path, headers=headers, **options)
        with self._stranger() as client:
            return client.request(method, path, headers=headers, **options)

    def _stranger(self) -> httpx.Client:
        """A client at an address of its own, that wrong passwords may slow down for itself."""
        transport = httpx.HTTPTransport(
            verify=self.gateway.context, local_address=f"127.0.1.{next(ADDRESSES)}"
        )
        return httpx.Client(base_url=self.gateway.url, transport=transport, trust_env=False)

    def unknown_id(self) -> str:
        """The id of no job, as long as any."""
        return f"{self.running_id}-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def world(cluster: Cluster, gateway: Gateway) -> Iterator[World]:
    """Users with plain passwords and hashes; what bob has was made through another gateway."""
    assert gateway.folder.name == "fasttask", "the tests of files rely on it"
    gateway = cluster.add_gateway()
    gateway.wait_ready()
    tokens = {"bob's token": new_token(), "expired token": new_token()}
    now = int(time.time())
    kept = {
        digest_of(tokens["bob's token"]): Token("bob", now, now + 1000),
        digest_of(tokens["expired token"]): Token("bob", now - 2, now - 1),
    }
    conf = gateway.users_file.parent
    (conf / "tokens.json").write_bytes(tokens_as_json(kept))
    users = {
        "ann": PASSWORDS["ann"],
        "bob": hashed(PASSWORDS["bob"]),
        "few": {"password": PASSWORDS["few"], "tasks": ["sto?e", "every*"]},
        "eve": {"password": hashed(PASSWORDS["eve"]), "admin": True},
    }
    gateway.users_file.write_text(json.dumps(users))
    with gateway.client() as client:
        wait_until(lambda: client.get("/healthz").status_code == 401, within=2)
        bob = httpx.BasicAuth("bob", PASSWORDS["bob"])
        job = client.post("/run/add", json={"a": 1}, auth=bob).json()
        file = client.post("/upload", files={"file": ("x", b"bob's own")}, auth=bob).json()
        stored = {"file_name": f"by-a-task-{uuid.uuid4()}", "text": "a task's"}
        client.post("/run/store", json=stored, auth=bob)
        running_id = client.get("/status_info", auth=bob).json()["running_id"]
        yield World(
            gateway, client, tokens, running_id, job["id"], file["file_name"], stored["file_name"]
        )


Ask = Callable[[World, str, str], httpx.Response]


@dataclass(frozen=True)
class Route:
    """How to ask about a subject, and what whom is answered; `unknown` makes no such subject."""

    ask: Ask
    subject: Callable[[World], str] = lambda _: ""
    unknown: Callable[[World], str] = lambda _: ""
    ann: str | int = OK
    bob: str | int = OK
    few: str | int = OK
    eve: str | int = OK

    def expected(self, who: str) -> str | int:
        """What `who` is answered."""
        if who in ("anonymous", "wrong password", "expired token"):
            return 401
        name = "bob" if who == "bob's token" else who
        expected: str | int = getattr(self, name)
        return expected


def a_job(ask: Ask) -> Route:
    """About bob's job."""
    return Route(ask, lambda w: w.job, World.unknown_id, ann=UNKNOWN, few=UNKNOWN)


def bobs_file(ask: Ask) -> Route:
    """About bob's upload."""
    return Route(
        ask, lambda w: w.file, lambda _: f"{uuid.uuid4()}_x", ann=UNKNOWN, few=UNKNOWN
    )  # fmt: skip


def a_task(ask: Ask, **answers: Any) -> Route:
    """About the task `add`, which `few` may not run; `sub` is no task."""
    return Route(ask, lambda _: "add", lambda _: "sub", few=UNKNOWN, **answers)


def get(path: str, **headers: str) -> Ask:
    return lambda w, who, subject: w.ask(who, "GET", path.format(subject), headers=headers)


def post(path: str, body: Any, **headers: str) -> Ask:
    return lambda w, who, subject: w.ask(
        who, "POST", path.format(subject), json=body, headers=headers
    )


def about(method: str, path: str) -> Ask:
    """With the subject in the body."""
    return lambda w, who, subject: w.ask(who, method, path, json={"result_id": subject})


def upload(world: World, who: str, _subject: str) -> httpx.Response:
    return world.ask(who, "POST", "/upload", files={"file": ("y", b"anybody's own")})


ROUTES = {
    "check a job": a_job(get("/check/{}")),
    "check a job of a task": a_job(get("/check/store?result_id={}")),
    "wait for a job": a_job(get("/check/{}?wait=0.1")),
    "check another job than thought": a_job(get("/check/everything?result_id={}")),
    "revoke an ended job": a_job(about("POST", "/revoke")),
    "download a file": bobs_file(get("/download?file_name={}")),
    "download a part of a file": bobs_file(get("/download?file_name={}", Range="bytes=1-2")),
    "download a task's file": Route(get("/download?file_name={}"), lambda w: w.task_file),
    "upload": Route(upload),
    "run": a_task(post("/run/{}", {"a": 1})),
    "create": a_task(post("/create/{}", {"a": 1})),
    "create again": a_task(post("/create/{}", {"a": 1}, **{"Idempotency-Key": "k"})),
    "create with a slash": a_task(post("/create/{}/", {"a": 1}), ann=307, bob=307, eve=307),
    "create nonsense": a_task(post("/create/{}", {"b": []}), ann=422, bob=422, eve=422),
    "create by GET": a_task(get("/create/{}"), ann=405, bob=405, eve=405),
    "check nothing": a_task(get("/check/{}"), ann=422, bob=422, eve=422),
    "check an id of a task": a_task(get("/check/{}?result_id=x")),
    "status_info": Route(get("/status_info")),
    "docs": Route(get("/docs")),
    "redoc": Route(get("/redoc")),
    "openapi.json": Route(get("/openapi.json")),
    "healthz": Route(get("/healthz")),
    "readyz": Route(get("/readyz")),
    "dead letters": Route(get("/dead_letters"), ann=403, bob=403, few=403),
    "replay": Route(about("POST", "/dead_letters/replay"), lambda _: "x",
                    ann=403, bob=403, few=403, eve=404),
    "no such path": Route(get("/no/such/path"), ann=404, bob=404, few=404, eve=404),
}  # fmt: skip
WHO = ["anonymous", "wrong password", "expired token", "ann", "bob", "bob's token", "few", "eve"]


def seen(answer: httpx.Response, subject: str) -> tuple[int, dict[str, str], str]:
    """All that a client can tell of an answer, the subject made out."""
    headers = {k: v for k, v in answer.headers.items() if k not in VARIES}
    # Not within the RUNNING_ID, which is hexadecimal as the name `add` is.
    alone = rf"(?<![0-9a-f-]){re.escape(subject)}(?![0-9a-f-])"
    return answer.status_code, headers, re.sub(alone, "SUBJECT", answer.text)


Matrix = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    """What each was answered; shown as a table at the end, beside what was expected (pytest -s)."""
    answered: Matrix = {}
    yield answered
    rows = [
        [name, *(f"{route.expected(who)}: {answered.get((name, who), '-')}" for who in WHO)]
        for name, route in ROUTES.items()
    ]
    sys.stdout.write("\n" + table(["", *WHO], rows, texts=len(WHO) + 1))


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", ROUTES)
def test_each_sees_what_is_his(world: World, matrix: Matrix, name: str, who: str) -> None:
    route, expected = ROUTES[name], ROUTES[name].expected(who)
    subject = route.subject(world)
    answer = route.ask(world, who, subject)
    matrix[name, who] = str(answer.status_code)

    if expected == UNKNOWN:
        nothing = route.unknown(world)
        assert seen(answer, subject) == seen(route.ask(world, who, nothing), nothing)
        assert b"bob" not in answer.content
    else:
        assert answer.status_code in ([200, 206] if expected == OK else [expected]), answer.text
    if answer.status_code == 401:
        assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("who", WHO)
def test_only_the_owner_and_an_admin_take_a_running_job_back(world: World, who: str) -> None:
    job_id = world.ask("bob", "POST", "/create/doze", json={"seconds": 60}).json()["id"]
    answer = world.ask(who, "POST", "/revoke", json={"result_id": job_id})
    state = world.ask("bob", "GET", f"/check/{job_id}").json()["state"]
    world.ask("bob", "POST", "/revoke", json={"result_id": job_id})

    is_his = who in ("bob", "bob's token", "eve")
    assert (state == "REVOKED") == is_his
    if not is_his and answer.status_code == 200:
        nothing = world.unknown_id()
        about_nothing = world.ask(who, "POST", "/revoke", json={"result_id": nothing})
        assert seen(answer, job_id) == seen(about_nothing, nothing)


def test_the_same_idempotency_key_is_another_for_everybody(world: World) -> None:
    def create(who: str) -> str:
        answer = world.ask(
            who, "POST", "/create/store", json={"file_name": "z", "text": ""},
            headers={"Idempotency-Key": "the-same"},
        )  # fmt: skip
        return str(answer.json()["id"])

    ids = {who: create(who) for who in ("ann", "bob", "bob's token", "few", "eve")}

    assert ids["bob"] == ids["bob's token"]
    assert len(set(ids.values())) == 4


@pytest.mark.parametrize(
    ("who", "tasks"),
    [("few", {"everything", "store"}), ("ann", {"add", "act", "constrained", "doze", "everything",
                                                "hold", "store", "strict"})],
)  # fmt: skip
def test_nothing_tells_of_tasks_that_he_may_not_run(
    world: World, who: str, tasks: set[str]
) -> None:
    hidden = {"add", "act", "constrained", "doze", "hold", "strict"} - tasks
    schema = world.ask(who, "GET", "/openapi.json").json()
    status = world.ask(who, "GET", "/status_info").json()
    workers = status["worker_status"]["worker_details"].values()

    paths = {path.rpartition("/")[2] for path in schema["paths"] if path.startswith("/run/")}
    assert paths == {tag["name"] for tag in schema["tags"]} == tasks
    assert not [m for m in schema["components"]["schemas"] if m.partition("_")[0] in hidden]
    assert "/dead_letters" not in schema["paths"]
    assert schema["security"] == [{"basic": []}, {"token": []}]
    assert set(status["pending_task_count"]) == tasks
    assert {k for k in status if k.startswith("task_info_")} == {
        "task_info_total", *(f"task_info_{task}" for task in tasks)
    }  # fmt: skip
    assert all(set(worker["tasks"]) == tasks for worker in workers)


def test_running_jobs_are_shown_to_whom_they_belong(world: World) -> None:
    job_id = world.ask("bob", "POST", "/create/doze", json={"seconds": 60}).json()["id"]

    def running(who: str) -> set[str]:
        workers = world.ask(who, "GET", "/status_info").json()["worker_status"]["worker_details"]
        return {job["id"] for worker in workers.values() for job in worker["active_tasks"]}

    wait_until(lambda: job_id in running("eve"), within=5)
    assert job_id in running("bob")
    assert running("ann") == running("few") == set()
    world.ask("bob", "POST", "/revoke", json={"result_id": job_id})


def test_what_was_made_before_there_were_users_is_the_admins_and_files_are_everybodys(
    world: World, client: httpx.Client
) -> None:
    job_id = client.post("/run/add", json={"a": 1}).json()["id"]
    file = client.post("/upload", files={"file": ("x", b"before")}).json()["file_name"]

    states = {who: world.ask(who, "GET", f"/check/{job_id}").json()["state"] for who in PASSWORDS}
    assert states == {"ann": "FAILURE", "bob": "FAILURE", "few": "FAILURE", "eve": "SUCCESS"}
    for who in PASSWORDS:
        assert world.ask(who, "GET", f"/download?file_name={file}").content == b"before"


def test_a_link_to_a_file_is_the_files_owners(world: World, cluster: Cluster) -> None:
    folder = cluster.files / "folder-with-a-link"
    folder.mkdir()
    (folder / "link").symlink_to(f"../{world.file}")
    (cluster.files / "link-to-bobs").symlink_to(world.file)

    for name in ("link-to-bobs", "folder-with-a-link/link"):
        path = f"/download?file_name={name}"
        assert world.ask("ann", "GET", path).status_code == 404
        assert world.ask("bob", "GET", path).content == b"bob's own"

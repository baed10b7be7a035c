"""Who may in: HTTP Basic against the users file, on every route, without restarts."""

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.app.cluster import Cluster, Gateway
from tests.waiting import wait_until

USERS = {"user_A": "user_A_passwd", "用户 Ü": "pässwörd: 😀", "with": "co:lons:"}
GOOD = ("user_A", "user_A_passwd")
ROUTES = [
    ("POST", "/run/add"), ("POST", "/create/add"), ("GET", "/check/add"), ("GET", "/check/some-id"),
    ("POST", "/revoke"), ("POST", "/upload"), ("GET", "/download"), ("POST", "/status_info"),
    ("GET", "/status_info"), ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/openapi.json"),
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/"), ("GET", "/no/such/path"),
    ("POST", "/run/no_such_task"), ("OPTIONS", "/run/add"), ("PUT", "/upload"), ("HEAD", "/docs"),
]  # fmt: skip
WRONG = {
    "nothing": None,
    "empty": "",
    "no credentials": "Basic",
    "empty credentials": "Basic Og==",
    "not base64": "Basic !!!!",
    "no colon": "Basic " + base64.b64encode(b"user_A").decode(),
    "no UTF-8": "Basic " + base64.b64encode(b"user_A:\xff\xfe").decode(),
    "other scheme": "Bearer user_A:user_A_passwd",
    "digest": 'Digest username="user_A"',
    **{
        f"as {name!r} with {password!r}": "Basic "
        + base64.b64encode(f"{name}:{password}".encode()).decode()
        for name, password in [
            ("user_A", ""), ("user_A", "user_A_passw"), ("user_A", "user_A_passwd "),
            ("user_A", "USER_A_PASSWD"), ("user_a", "user_A_passwd"), ("", "user_A_passwd"),
            ("nobody", "user_A_passwd"), ("nobody", "\0"), ("user_A", "co:lons:"),
        ]
    },
}  # fmt: skip


def write_users(gateway: Gateway, text: str) -> None:
    """Change the users file at once, as an editor does."""
    new = gateway.users_file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(gateway.users_file)


@pytest.fixture(scope="module")
def locked(cluster: Cluster) -> Gateway:
    """A gateway with users, on the queue server of the others."""
    gateway = cluster.add_gateway()
    write_users(gateway, json.dumps(USERS))
    gateway.wait_ready()
    with gateway.client() as client:
        wait_until(lambda: client.get("/healthz").status_code == 401, within=2)
    return gateway


@pytest.fixture(scope="module")
def stranger(locked: Gateway) -> Iterator[httpx.Client]:
    """A client of it without credentials."""
    with locked.client() as client:
        yield client


@pytest.mark.parametrize("authorization", [None, "Basic Og==", "Basic bm86b25l", "nonsense"])
def test_without_users_everybody_is_anonymous(
    client: httpx.Client, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = client.get("/status_info", headers=headers)

    assert answer.status_code == 200
    assert answer.json()["username"] == "Anonymous"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_credentials(stranger: httpx.Client, method: str, path: str) -> None:
    answer = stranger.request(method, path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.headers["content-type"] == "application/json"
    assert method == "HEAD" or set(answer.json()) == {"detail"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_lets_a_user_in(stranger: httpx.Client, method: str, path: str) -> None:
    assert stranger.request(method, path, auth=GOOD).status_code not in (401, 403, 500)


@pytest.mark.parametrize("authorization", WRONG.values(), ids=WRONG)
def test_wrong_credentials_are_refused(stranger: httpx.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    assert stranger.get("/status_info", headers=headers).status_code == 401


@pytest.mark.parametrize(("name", "password"), USERS.items())
def test_right_credentials_name_the_user(stranger: httpx.Client, name: str, password: str) -> None:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    for scheme in ("Basic", "basic", "BASIC"):
        answer = stranger.get("/status_info", headers={"Authorization": f"{scheme} {credentials}"})

        assert answer.status_code == 200
        assert answer.json()["username"] == name


def test_a_stranger_starts_nothing(stranger: httpx.Client) -> None:
    def created() -> int:
        status = stranger.get("/status_info", auth=GOOD).json()["task_info_store"]
        return sum(status["status_to_amount"].values())

    before = created()
    stranger.post("/create/store", json={"file_name": "stranger", "text": ""})
    stranger.post("/run/store", json={"file_name": "stranger", "text": ""}, auth=("user_A", "no"))

    assert created() == before


def test_a_change_counts_within_two_seconds_without_restart(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway(NODE_TYPE="distributed_master", API_HOST="127.0.0.1",
                                      TASK_QUEUE_PASSWD="unused")  # fmt: skip
    own_cluster.wait_ready()
    with gateway.client() as client:

        def status(*user: str) -> int:
            return client.get("/status_info", auth=user or None).status_code

        def soon(expected: dict[tuple[str, ...], int]) -> bool:
            return bool(
                wait_until(lambda: {user: status(*user) for user in expected} == expected, within=2)
            )

        assert soon({(): 200})
        write_users(gateway, '{"a": "one"}')
        assert soon({(): 401, ("a", "one"): 200})
        write_users(gateway, '{"a": "two"}')
        assert soon({("a", "one"): 401, ("a", "two"): 200})
        write_users(gateway, '{"b": "two"}')
        assert soon({("a", "two"): 401, ("b", "two"): 200})
        write_users(gateway, '{"b": "two"')
        assert soon({(): 401, ("b", "two"): 401})
        assert "users_file_broken" in gateway.log
        assert "two" not in gateway.log
        write_users(gateway, '{"b": "two"}')
        assert soon({(): 401, ("b", "two"): 200})
        write_users(gateway, "{}")
        assert soon({(): 200})
        write_users(gateway, '{"b": "three"}')
        assert soon({(): 401})
        gateway.users_file.unlink()
        assert soon({(): 200})


def test_who_guesses_passwords_is_told_to_wait_and_others_are_not(locked: Gateway) -> None:
    def client_at(address: str) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=locked.context, local_address=address)
        return httpx.Client(base_url=locked.url, transport=transport, trust_env=False)

    with client_at("127.0.0.2") as guesser, client_at("127.0.0.3") as honest:
        answers = [guesser.get("/healthz", auth=("user_A", f"{n}")) for n in range(200)]
        statuses = [answer.status_code for answer in answers]

        assert statuses[:10] == [401] * 10
        assert statuses.count(429) >= 185
        assert 0 < int(answers[-1].headers["retry-after"]) <= 6
        assert set(answers[-1].json()) == {"detail"}
        assert guesser.get("/healthz", auth=GOOD).status_code == 429
        assert guesser.get("/healthz", auth=("with", USERS["with"])).status_code == 200
        assert honest.get("/healthz", auth=GOOD).status_code == 200

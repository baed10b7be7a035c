"""How people reach a node: its URLs, a line to paste, what a worker has to be told."""

import json
import shlex

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.certificate import fingerprint
from deploy.example import example_task
from deploy.gateway import Gateway, is_public
from deploy.users import first_user


def urls(settings: Settings) -> dict[str, str]:
    """The node's pages by name, as far as they are switched on; none without an API."""
    if not settings.has_api:
        return {}
    base = Gateway(settings).url
    pages = {"docs": settings.api_docs, "redoc": settings.api_redoc}
    return {"API": base, **{name: f"{base}/{name}" for name, on in pages.items() if on}}


def curl_line(settings: Settings) -> str:
    """A request to this node, ready to paste; curl asks for the password if there are users."""
    user = first_user(settings)
    login = ["-u", user.name] if user else []
    command = ["curl", "--cacert", str(settings.ssl_certfile), *login, *_request(settings)]
    return shlex.join(command)


def worker_line(settings: Settings) -> str:
    """What to run on another machine for a worker of this master; secrets are not shown.

    The node's certificate has to exist.
    """
    if settings.task_queue_url is not None:
        return "TASK_QUEUE_URL=<the one you set> make up-worker"
    words = ["MASTER_HOST=<this host's name or address>"]
    words.append(f"TASK_QUEUE_PORT={settings.task_queue_port}")
    if settings.task_queue_tls:
        words.append(f"TASK_QUEUE_TLS=True TASK_QUEUE_FINGERPRINT={fingerprint(settings)}")
    return " ".join([*words, "TASK_QUEUE_PASSWD=<the one you set> make up-worker"])


def warnings(settings: Settings) -> list[str]:
    """What whoever starts this node has to know about who can use it."""
    if not settings.has_api:
        return []
    try:
        anonymous = first_user(settings) is None
    except ConfigurationError as error:
        return [f"WARNING: nobody can log in: {line}" for line in error.lines]
    if not anonymous or not is_public(settings):
        return []
    return [
        f"WARNING: there are no users, so anybody who reaches port {settings.api_port} of this "
        "machine can run tasks on it.",
        "WARNING: to ask for passwords make a user: make user NAME=...",
    ]


def _request(settings: Settings) -> list[str]:
    base, example = Gateway(settings).url, example_task(settings)
    route = "run" if settings.api_run else "create" if settings.api_create else None
    if example is None or route is None:
        return [f"{base}/healthz"]
    header, body = "Content-Type: application/json", json.dumps(example.params)
    return [f"{base}/{route}/{example.task}", "-H", header, "-d", body]

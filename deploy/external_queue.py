"""A queue server of the user's own: it must not lose what FastTask has acknowledged."""

from config.errors import ConfigurationError
from config.settings import Settings

TIMEOUT_SECONDS = 5.0
NO_ADDRESS = (
    "TASK_QUEUE_URL is no address of a server; percent-encode / : @ # ? in the password, and after "
    "a ? name only options that redis-py knows"
)
WAY_OUT = "or say TASK_QUEUE_MAY_LOSE_JOBS=True"


def check_external_queue(settings: Settings) -> None:
    """See that the server of TASK_QUEUE_URL neither evicts nor forgets.

    A server that does not answer is not judged: a node may start before it.

    Raises:
        ConfigurationError: a line for each way in which it may lose jobs.
    """
    if settings.task_queue_url is None or settings.task_queue_may_lose_jobs:
        return
    # Loaded here: it is a tenth of what `make up` loads, and few nodes have such a server.
    from redis import Redis
    from redis.exceptions import RedisError

    url = settings.task_queue_url.get_secret_value()
    options = {"socket_timeout": TIMEOUT_SECONDS, **settings.queue_url_defaults}
    try:
        with Redis.from_url(url, **options) as server:
            problems = _ways_to_lose(server.info("memory"), server.info("persistence"))
    except (ValueError, TypeError):  # what the library says of it may hold a part of the password
        raise ConfigurationError([NO_ADDRESS]) from None
    except (RedisError, OSError):
        return
    if problems:
        raise ConfigurationError([f"TASK_QUEUE_URL: the server {p}, {WAY_OUT}" for p in problems])


def _ways_to_lose(memory: dict[str, object], persistence: dict[str, object]) -> list[str]:
    problems = []
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and policy != "noeviction":
        problems.append(f"evicts keys ({policy}); set its maxmemory-policy to noeviction")
    if not persistence.get("aof_enabled"):
        problems.append("keeps no append-only file; set its appendonly to yes")
    return problems

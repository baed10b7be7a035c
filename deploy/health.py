"""Whether this node does its work."""

import subprocess
import sys

from config.settings import Settings
from deploy.gateway import Gateway, GatewayError

WORKER_CHECK_SECONDS = 15.0


def ailment(settings: Settings) -> str | None:
    """Why the node is not healthy, in words; None if it is.

    Raises:
        ConfigurationError: the users file is broken, so nobody can log in.
    """
    return _ailment_of_api(settings) if settings.has_api else _ailment_of_worker()


def _ailment_of_api(settings: Settings) -> str | None:
    try:
        answer = Gateway(settings).get("/readyz")
    except GatewayError as error:
        return str(error)
    return None if answer.status == 200 else f"GET /readyz: {answer}"


def _ailment_of_worker() -> str | None:
    command = [sys.executable, "-m", "workers", "--check"]
    try:
        check = subprocess.run(
            command, capture_output=True, text=True, timeout=WORKER_CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "the queue server does not answer"
    if check.returncode == 0:
        return None
    return (check.stdout + check.stderr).strip() or "the queue server does not see this worker"

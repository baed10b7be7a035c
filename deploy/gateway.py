"""The node's own API, seen as a client sees it: over HTTPS, with its certificate checked."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

from config.hosts import EVERY_IPV6, in_url, is_loopback
from config.settings import Settings
from deploy.node_token import node_token
from deploy.users import first_user

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", EVERY_IPV6: "::1"}  # noqa: S104  what the setting may say


class GatewayError(Exception):
    """The API did not answer, or not as one that can be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError if it is none."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.body.decode(errors='replace')[:500]}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Requests to the API of this machine's node, with its own token if there are users."""

    settings: Settings

    @property
    def url(self) -> str:
        """Where the API is found from this machine."""
        return f"https://{in_url(reachable_host(self.settings))}:{self.settings.api_port}"

    def get(self, path: str, timeout: float = 5) -> Answer:
        """Raises GatewayError, and ConfigurationError for a users file that is broken."""
        return self._request("GET", path, None, timeout)

    def post(self, path: str, body: Any, timeout: float = 10) -> Answer:
        """Like `get`, with a JSON body."""
        return self._request("POST", path, json.dumps(body).encode(), timeout)

    def _request(self, method: str, path: str, body: bytes | None, timeout: float) -> Answer:
        try:
            connection = http.client.HTTPSConnection(
                reachable_host(self.settings),
                self.settings.api_port,
                timeout=timeout,
                context=_trust_in_own_certificate(self.settings),
            )
            try:
                connection.request(method, path, body, self._headers())
                response = connection.getresponse()
                return Answer(response.status, response.read())
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(f"{method} {self.url}{path}: {_reason(error)}") from None

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if first_user(self.settings) and (token := node_token(self.settings)):
            headers["Authorization"] = f"Bearer {token}"
        return headers


def reachable_host(settings: Settings) -> str:
    """The address under which this machine itself reaches the API."""
    return EVERY_ADDRESS.get(settings.api_host, settings.api_host)


def is_public(settings: Settings) -> bool:
    """Whether other machines can reach the API."""
    return not is_loopback(settings.api_host)


def _trust_in_own_certificate(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The one certificate that is expected is at hand. A user's own seldom names this address,
    # and the authority that signed it need not be in its file.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(settings.ssl_certfile)
    except FileNotFoundError:
        raise GatewayError(
            f"there is no {settings.ssl_certfile} yet; it is made when the node is started: make up"
        ) from None
    return context


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

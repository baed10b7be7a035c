"""With DEBUG: a line a request and a line an answer. Credentials are masked."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.logs import event

log = logging.getLogger("fasttask.app")

SHOWN_BODY = 2000  # bytes of a body that are shown
MASKED = {b"authorization", b"cookie", b"proxy-authorization"}


class RequestLog:
    """ASGI middleware that logs what goes in and what comes out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log one request and its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()

        async def heard() -> Message:
            message = await receive()
            if message.get("body"):
                event(log, logging.DEBUG, "request_body", path=scope["path"],
                      body=_shown(message["body"]))  # fmt: skip
            return message

        async def said(message: Message) -> None:
            if "status" in message:
                event(log, logging.DEBUG, "answer", path=scope["path"], status=message["status"],
                      seconds=time.monotonic() - began)  # fmt: skip
            if message.get("body"):
                event(log, logging.DEBUG, "answer_body", path=scope["path"],
                      body=_shown(message["body"]))  # fmt: skip
            await send(message)

        event(log, logging.DEBUG, "request", method=scope["method"], path=scope["path"],
              query=scope["query_string"].decode("latin-1"), headers=_headers(scope))  # fmt: skip
        await self._app(scope, heard, said)


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1"): "***" if name in MASKED else value.decode("latin-1")
        for name, value in scope["headers"]
    }


def _shown(body: bytes) -> str:
    return body[:SHOWN_BODY].decode("utf-8", "replace")

"""A file that may grow while it is downloaded, as those do that a task still writes.

Its length is told before it is read. What comes after that would not be part of the answer, and the
server would take the last piece, of which only the end is too much, for a mistake.
"""

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send


class GrowingFileResponse(FileResponse):
    """A file, or ranges of it, as long as it was when it was asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await super().__call__(scope, receive, _Announced(send).said)


class _Announced:
    """Passes on of a body what its head has announced, and nothing more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._left = 0
        self._is_over = False

    async def said(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._left = int(Headers(raw=message["headers"])["content-length"])
            await self._send(message)
        elif not self._is_over:
            await self._send(self._within(message))

    def _within(self, message: Message) -> Message:
        body = message["body"][: self._left]
        self._left -= len(body)
        more_body = message.get("more_body", False) and self._left > 0
        self._is_over = not more_body
        return {**message, "body": body, "more_body": more_body}

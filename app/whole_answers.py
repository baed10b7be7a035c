"""An answer that is known as a whole goes out as one message, in one piece.

ASGI has an answer begin with a message of its own, whose headers uvicorn checks one by one; then
head and body are a TLS record, a system call and often a wake-up of the client each. A plain answer
needs none of that, so our connections offer an ASGI extension for those:
https://asgi.readthedocs.io/en/latest/extensions.html.
"""

from fastapi import Response
from starlette.types import Receive, Scope, Send

# A message of what ASGI's two have together: `status`, `headers`, its own only, and `body`.
WHOLE = "fasttask.http.response.whole"
OFFERED: dict[str, dict[object, object]] = {WHOLE: {}}

CLOSE = (b"connection", b"close")


class WholeResponse(Response):
    """A response that is one message where whoever serves the request takes such."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if WHOLE not in scope.get("extensions", ()) or CLOSE in self.raw_headers:
            await super().__call__(scope, receive, send)
            return
        await send(
            {
                "type": WHOLE,
                "status": self.status_code,
                "headers": self.raw_headers,
                "body": self.body,
            }
        )

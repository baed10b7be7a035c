"""An answer that is known as a whole goes out as one message, in one piece.

ASGI has an answer begin with a message of its own, whose headers uvicorn checks one by one; then
head and body are a TLS record, a system call and often a wake-up of the client each. A plain answer
needs none of that, so our connections offer an ASGI extension for those:
https://asgi.readthedocs.io/en/latest/extensions.html.
"""

import asyncio

from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# A message of what ASGI's two have together: `status`, `headers`, its own only, and `body`.
WHOLE = "fasttask.http.response.whole"
OFFERED: dict[str, dict[object, object]] = {WHOLE: {}}


def takes_whole(scope: Scope) -> bool:
    """Whether whoever serves this request takes an answer in one message."""
    return WHOLE in scope.get("extensions", ())


class Answering(RequestResponseCycle):
    """A request that is being answered."""

    async def send(self, message: Message) -> None:  # type: ignore[override]  # it knows no others
        """ASGI's send."""
        if message["type"] != WHOLE:
            await super().send(message)  # type: ignore[arg-type]
            return
        # Answers that are ready now go out together. Each sent for itself would wake its client,
        # which often takes the core from who has the next one ready.
        await asyncio.sleep(0)
        if self._is_as_usual():
            self._write(message)
        else:
            for part in ("http.response.start", "http.response.body"):
                await super().send({**message, "type": part})  # type: ignore[arg-type]

    def _is_as_usual(self) -> bool:
        """Whether the client takes what it is sent, all of it, and goes on afterwards."""
        takes_it = not (self.disconnected or self.flow.write_paused)
        return takes_it and self.keep_alive and self.scope["method"] != "HEAD"

    def _write(self, message: Message) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        headers = (*self.default_headers, *message["headers"])
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        self.transport.write(
            b"%b%b\r\n%b" % (STATUS_LINE[message["status"]], lines, message["body"])
        )
        self.message_event.set()
        self.on_response()

"""What callers do, for the audit log: gathered for a moment, then written together by a thread."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.callers import Caller
from app.errors import CUT_SHORT, GONE
from config.audit import Deed, write_lines
from config.logs import event
from config.settings import Settings

log = logging.getLogger("fasttask.app")

GATHERED_SECONDS = 0.2  # what a gateway that is killed may lose
MOST_GATHERED = 20 * 2**20  # bytes, while the log cannot be written; then the oldest lines go
AUDITED = frozenset({"run", "create", "revoke", "upload", "download", "dead_letters"})
FAILED = 500
# In the request's state.
ABOUT, OUTCOME, SHA256 = "audit_about", "audit_outcome", "audit_sha256"


class AuditLog:
    """The audit log, as the routes' surroundings see it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "audit")
        self._gathered = bytearray()  # lines in one piece: thousands of small ones cost far more
        self._writing: asyncio.Task[None] | None = None
        self._is_broken = False

    def add(self, deed: Deed) -> None:
        """Have it written soon."""
        self._gathered += deed.line(time.time())
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())

    async def close(self) -> None:
        """Write what is left; nothing may be added any more."""
        if self._writing is not None:
            self._writing.cancel()
        if self._gathered:
            await self._write()
        self._thread.shutdown()

    async def _write_soon(self) -> None:
        try:
            while self._gathered:
                await asyncio.sleep(GATHERED_SECONDS)
                await self._write()
        finally:
            self._writing = None

    async def _write(self) -> None:
        lines, self._gathered = self._gathered, bytearray()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, write_lines, self._settings, lines)
            self._is_broken = False
        except OSError as error:
            self._gathered = _latest(lines + self._gathered)  # with the next ones again
            if not self._is_broken:
                self._is_broken = True
                event(log, logging.ERROR, "audit_log_cannot_be_written",
                      path=self._settings.audit_log_file, why=error)  # fmt: skip


class AuditTrail:
    """ASGI middleware behind the authentication: what callers do leaves a line each."""

    def __init__(self, app: ASGIApp, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass everything on, and note what was done and how it ended."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        return self._watched(scope, receive, send)

    def ended(self, scope: Scope, status: int) -> None:
        """Note how a request ended, which need not have passed through here, if it is audited."""
        if _first_part(scope["path"]) in AUDITED:
            self._audit.add(_deed(scope, status))

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = GONE

        def said(message: Message) -> Awaitable[None]:
            nonlocal status
            if "status" in message:
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, said)
        except asyncio.CancelledError:  # this process ends
            status = CUT_SHORT if status == GONE else status
            raise
        except Exception:
            status = FAILED
            raise
        finally:
            self.ended(scope, status)


def note(request: Request, about: str, outcome: str = "", sha256: str = "") -> None:
    """Say what a request is about, and its outcome if the status does not tell it."""
    state = request.scope["state"]
    state[ABOUT] = about
    if outcome:
        state[OUTCOME] = outcome
    if sha256:
        state[SHA256] = sha256


def failed_login(scope: Scope, claimed: str) -> Deed:
    """Wrong credentials; ``claimed`` is the user whose they should be, if there is such a user."""
    return Deed(claimed or "?", address_of(scope), "log in", 401)


def _latest(lines: bytearray) -> bytearray:
    """As many of the last lines as are kept."""
    surplus = len(lines) - MOST_GATHERED
    return lines[lines.index(b"\n", surplus) + 1 :] if surplus > 0 else lines


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]


def _deed(scope: Scope, status: int) -> Deed:
    state: dict[str, Any] = scope["state"]
    caller: Caller = state["caller"]
    what = scope["path"].strip("/").replace("/", " ")
    result = state.get(OUTCOME, status)
    about, sha256 = state.get(ABOUT, ""), state.get(SHA256, "")
    return Deed(caller.name, address_of(scope), what, result, about, sha256)


def address_of(scope: Scope) -> str:
    """Where a request comes from, as far as the server was told."""
    return scope["client"][0] if scope.get("client") else ""

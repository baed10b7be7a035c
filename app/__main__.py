"""Serve the API with UVICORN_WORKERS processes: ``python -m app``.

The supervisor opens the listening socket and hands it over as standard input, so that a process
that is replaced loses no connection that waits. Without such a socket one is opened here, as for
IPv6, of which the supervisor knows nothing.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from app.accepting import Loop
from app.certificate import LiveCertificate
from app.connections import Clients, Connection
from app.forwarded import ForwardedHeaders
from app.main import create_app
from app.processes import ApiProcesses
from app.resting import RestingServer
from app.security_headers import security_headers
from config.errors import ConfigurationError
from config.hosts import bound_socket
from config.logs import configure_logging, event, log_unraisable
from config.parent import die_with_parent
from config.registry import load_tasks
from config.settings import Settings, load_settings, supervisor_pid

log = logging.getLogger("fasttask.app")

BACKLOG = 2048  # connections that wait to be taken
GRACEFUL_SECONDS = 5  # how long open requests may go on when the process is told to stop


def main() -> int:
    """The exit status: 0 after a clean stop, 1 if the node is not configured well."""
    configure_logging(debug=False)  # until the settings tell: they may be what is wrong
    try:
        settings = load_settings()
        configure_logging(debug=settings.debug)
        app = create_app(settings, load_tasks(settings.tasks_dir, settings.loaded_tasks))
        certificate = LiveCertificate(settings)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            event(log, logging.ERROR, "cannot_start", why=line)
        return 1
    sys.unraisablehook = log_unraisable  # a name that is none in a TLS handshake leads there
    die_with_parent(parent=supervisor_pid())
    configuration = _configuration(app, settings, certificate)
    new_loop = partial(Loop, settings.request_read_seconds)
    serve = partial(_serve, configuration, certificate, listening_socket(settings), new_loop)
    if settings.uvicorn_workers > 1:
        return ApiProcesses(settings.uvicorn_workers, serve).run()
    serve()
    return 0


def _configuration(
    app: ASGIApp, settings: Settings, certificate: LiveCertificate
) -> uvicorn.Config:
    """How all processes serve: loaded once, so that they share it."""
    configuration = uvicorn.Config(
        app,
        http=partial(Connection, clients=Clients(settings)),  # type: ignore[arg-type]
        ws="none",
        ssl_context_factory=lambda *_: certificate.context,
        headers=security_headers(settings),
        log_config=None,
        log_level="warning",
        access_log=False,
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    configuration.load()
    configuration.loaded_app = ForwardedHeaders(
        configuration.loaded_app, configuration.forwarded_allow_ips
    )
    return configuration


def _serve(
    configuration: uvicorn.Config,
    certificate: LiveCertificate,
    listening: socket.socket,
    new_loop: Callable[[], Loop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve_until_told(configuration, certificate, listening))


async def _serve_until_told(
    configuration: uvicorn.Config, certificate: LiveCertificate, listening: socket.socket
) -> None:
    certificate.look()
    watching = asyncio.create_task(certificate.watch())
    try:
        await RestingServer(configuration).serve(sockets=[listening])
    finally:
        watching.cancel()


def listening_socket(settings: Settings) -> socket.socket:
    """The socket that was handed over as standard input, else a new one."""
    try:
        handed_over = socket.socket(fileno=0)
    except OSError:
        listening = bound_socket(settings.api_host, settings.api_port)
        listening.listen(BACKLOG)
        return listening
    return handed_over


if __name__ == "__main__":
    sys.exit(main())

"""Everything that can be known to be wrong before a node starts, all of it at once."""

from collections.abc import Callable
from pathlib import Path

from config.errors import ConfigurationError
from config.registry import check_schemas, load_tasks
from config.settings import Settings
from deploy.certificate import check_certificate
from deploy.external_queue import check_external_queue
from deploy.folders import check_uploads
from deploy.ports import check_ports
from deploy.queue_binary import queue_server_of
from deploy.sockets import prepare_sockets
from deploy.supervisor import supervisor_configuration

ANY_QUEUE_SERVER = Path("/whichever/is/found")


def check_node(settings: Settings) -> None:
    """See that the node, whose folders are made, can start.

    Raises:
        ConfigurationError: one line per problem.
    """
    problems: list[str] = []
    for check in _checks(settings):
        try:
            check(settings)
        except ConfigurationError as error:
            problems += error.lines
    if problems:
        raise ConfigurationError(problems)


def _checks(settings: Settings) -> list[Callable[[Settings], object]]:
    checks: list[Callable[[Settings], object]] = [
        prepare_sockets,
        queue_server_of,
        lambda s: supervisor_configuration(s, ANY_QUEUE_SERVER),
        check_ports,
        check_external_queue,
        _check_tasks,
    ]
    if settings.has_api:
        checks.append(check_certificate)
    if settings.has_api and settings.api_file_upload:
        checks.append(check_uploads)
    return checks


def _check_tasks(settings: Settings) -> None:
    specs = load_tasks(settings.tasks_dir, settings.loaded_tasks)
    if settings.has_api:
        check_schemas(specs, settings.tasks_dir)

"""Show the node of this FILES_DIR: its parts and its addresses."""

from config.settings import PlaceSettings
from deploy.columns import in_columns
from deploy.node import recall_node, running_pid
from deploy.parts import Part, SupervisorSilent, SupervisorStopping, parts_of_node
from deploy.terminal import say

NOT_RUNNING = 3  # as the Linux Standard Base defines it for service scripts


def status(settings: PlaceSettings) -> int:
    """Show the node; the command's exit status."""
    pid = running_pid(settings)
    if pid is None:
        say(f"no node runs with FILES_DIR={settings.files_dir}")
        return NOT_RUNNING
    node = recall_node(settings)
    say(f"{node.node_type}, supervisor process {pid}, FILES_DIR={settings.files_dir}")
    say(*(f"  {name:8} {url}" for name, url in node.urls.items()))
    say(*_table(settings))
    return 0


def _table(settings: PlaceSettings) -> list[str]:
    try:
        rows = map(_row, parts_of_node(settings))
    except SupervisorStopping as error:
        return [f"  {error}"]
    except SupervisorSilent as error:
        return [f"  the supervisor does not answer: {error}"]
    return [f"  {line}" for line in in_columns(("part", "state", "process", "up"), rows)]


def _row(part: Part) -> tuple[str, ...]:
    if not part.pid:
        return part.name, part.state, "-", part.error
    return part.name, part.state, str(part.pid), _span(part.uptime_seconds)


def _span(seconds: int) -> str:
    minutes, seconds = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (
        f"{days} d {hours:02}:{minutes:02}:{seconds:02}"
        if days
        else f"{hours:02}:{minutes:02}:{seconds:02}"
    )

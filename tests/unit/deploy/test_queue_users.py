"""The access control list names what our parts use, and nothing else."""

import fnmatch
import re

from deploy.queue_users import CHANNEL_PATTERNS, KEY_PATTERNS, OF_SCRIPTS, queue_users
from workers.queue import keys, scripts

NAMES = {k: v for k, v in vars(keys).items() if k.isupper() and isinstance(v, str)}
CHANNELS = {"CANCEL", "DONE"}


def test_scripts_may_use_just_the_commands_they_use() -> None:
    used = set()
    for path in scripts.FOLDER.rglob("*.lua"):
        for argument in re.findall(r"redis\.p?call\(\s*([^,)]+)", path.read_text()):
            assert argument[0] in "\"'", f"{path}: a command that is computed: {argument}"
            used.add(argument[1:-1].lower())
    assert used == set(OF_SCRIPTS), "name the new command in deploy/queue_users.py"


def test_every_name_of_ours_is_allowed() -> None:
    for constant, name in NAMES.items():
        patterns = CHANNEL_PATTERNS if constant in CHANNELS else KEY_PATTERNS
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), constant


def test_the_configuration_tells_no_password() -> None:
    lines = queue_users("of-workers", "of-admin")
    assert "of-workers" not in lines
    assert "of-admin" not in lines
    assert [line.split()[:3] for line in lines.splitlines()] == [
        ["user", "default", "on"],
        ["user", "admin", lines.splitlines()[1].split()[2]],
    ]

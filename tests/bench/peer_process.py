"""The peers' processes: asked something, or kept running for a while."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.environment import PROJECT, environment


def asked(
    programs: Path,
    module: str,
    *command: str,
    variables: Mapping[str, object],
    given: object = None,
) -> Any:
    """The answer of a peer's module to a command; ``given`` as JSON on its standard input.

    Raises:
        RuntimeError: there is none; how it ended.
    """
    done = subprocess.run(
        [programs / "python", "-m", "tests.bench.peers", module, *command],
        cwd=PROJECT, env=environment(variables), input=json.dumps(given),
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module} {command}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def running(
    program: Path, arguments: Sequence[object], variables: Mapping[str, object], log: Path
) -> Iterator[None]:
    """A process with all that it starts, until the block ends.

    Raises:
        RuntimeError: it ended before.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(
            [program, *map(str, arguments)],
            cwd=PROJECT, env=environment(variables), stdin=subprocess.DEVNULL, stdout=out,
            stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"{program.name} ended by itself")
    except Exception as error:
        error.add_note(log.read_text(errors="replace")[-2000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

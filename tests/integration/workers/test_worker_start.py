"""What keeps a worker from starting is a clear line."""

from pathlib import Path

import pytest

from tests.integration.workers.running import MakeWorker
from tests.queue_server import QueueServer


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("x = 1\ndef broken(:\n", 2, "syntax error"),
        ("import not_there_at_all\ndef broken(): ...\n", 1, "ModuleNotFoundError"),
    ],
)
async def test_a_broken_task_file_stops_the_start_with_one_clear_line(
    shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path,
    source: str, line: int, says: str,
) -> None:  # fmt: skip
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "broken.py").write_text(source)
    worker = make_worker(shared_server, TASKS_DIR=tmp_path / "tasks")
    worker.start()

    assert await worker.ended(within=10) == 1

    complaints = [text for text in worker.log.splitlines() if "ERROR" in text]
    assert len(complaints) == 1, worker.log
    assert f"broken.py:{line}: " in complaints[0]
    assert says in complaints[0]
    assert "Traceback" not in worker.log


async def test_wrong_settings_stop_the_start_with_all_mistakes(
    shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    worker = make_worker(shared_server, TIME_LIMIT=1, SOFT_TIME_LIMIT=2, WORKER_CONCURRENCY=0)
    worker.start()

    assert await worker.ended() == 1
    complaints = [text for text in worker.log.splitlines() if "cannot_start" in text]
    assert len(complaints) == 2
    assert "TIME_LIMIT=1" in worker.log
    assert "WORKER_CONCURRENCY=0" in worker.log
    assert "Traceback" not in worker.log


async def test_a_second_worker_on_the_same_files_is_refused(
    shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    await make_worker(shared_server, "same").ready()
    second = make_worker(shared_server, "same")
    second.start()

    assert await second.ended() == 1
    assert "another worker runs on FILES_DIR" in second.log

"""The arithmetic of status_info."""

from app.status import task_info, worker_status
from workers.queue.records import Statistics

STATISTICS = Statistics(
    totals={"a:SUCCESS": 100, "a:FAILURE": 7, "a:STARTED": 2, "a:RETRY": 3, "b:REVOKED": 1,
            "gone:SUCCESS": 9},
    waiting={"a": 8, "b": 0},
    completed_since={
        60: {"a:SUCCESS": 30}, 900: {"a:SUCCESS": 45, "a:FAILURE": 1},
        3600: {"a:SUCCESS": 90, "a:FAILURE": 2, "gone:SUCCESS": 9},
        86400: {"a:SUCCESS": 100, "a:FAILURE": 7},
    },
    workers={"w2": {"name": "w2"}, "w1": {"name": "w1"}},
)  # fmt: skip


def test_workers_are_listed_in_order() -> None:
    assert worker_status(STATISTICS.workers) == {
        "online_worker_count": 2,
        "online_workers_list": ["w1", "w2"],
        "worker_details": STATISTICS.workers,
    }


def test_pending_jobs_are_those_that_wait_and_were_not_started_before() -> None:
    info = task_info(STATISTICS, ["a", "b"])

    assert info["task_info_a"]["status_to_amount"] == {
        "PENDING": 5, "STARTED": 2, "RETRY": 3, "SUCCESS": 100, "FAILURE": 7, "REVOKED": 0,
    }  # fmt: skip
    assert info["task_info_total"]["status_to_amount"]["REVOKED"] == 1


def test_jobs_of_tasks_that_are_not_served_are_not_counted() -> None:
    total = task_info(STATISTICS, ["a", "b"])["task_info_total"]

    assert total["completed_counts"]["success_in_1_hour"] == 90


def test_rates_are_jobs_a_second_over_each_window() -> None:
    rates = task_info(STATISTICS, ["a"])["task_info_a"]["throughput_rates_per_second"]

    assert rates == {
        "success_in_1_minute": 0.5, "success_in_15_minute": 0.05, "success_in_1_hour": 0.03,
        "success_in_1_day": 0.0, "failure_in_1_minute": 0.0, "failure_in_15_minute": 0.0,
        "failure_in_1_hour": 0.0, "failure_in_1_day": 0.0,
    }  # fmt: skip


def test_a_gauge_and_a_queue_that_disagree_for_a_moment_do_not_show_less_than_none() -> None:
    torn = Statistics(
        {"a:RETRY": 2}, {"a": 1}, {window: {} for window in (60, 900, 3600, 86400)}, {}
    )

    assert task_info(torn, ["a"])["task_info_a"]["status_to_amount"]["PENDING"] == 0

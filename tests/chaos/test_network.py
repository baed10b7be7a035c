"""A worker in a network namespace reaches the queue server over that namespace's link only."""

import subprocess

import pytest

from tests.chaos.catalogue import Scenario
from tests.chaos.network import Namespace, has_namespaces, has_netem
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting, named

pytestmark = pytest.mark.skipif(not has_namespaces(), reason="needs root and iproute2")


async def one_job(setting: Setting) -> Outcome:
    """Run a job on a worker in a namespace."""
    async with setting.stage() as stage:
        namespace = stage.closing.enter_context(Namespace())
        node = await stage.add_node(namespace=namespace)
        client = await stage.play(nodes=0)
        assert namespace.host in node.link.url
        await client.create_all(named("job", 3))
        return await stage.outcome(injected=0)


async def test_a_worker_in_a_namespace_runs_jobs() -> None:
    setting = Scenario("8", "", "", False, False, one_job).setting(1, 1, 3, 0.5)
    outcome = await one_job(setting)
    assert outcome.holds, outcome
    assert outcome.jobs == 4


def test_a_namespace_is_gone_at_the_end() -> None:
    with Namespace() as namespace:
        name = namespace.prefix[-1]
        assert name in spaces()
    assert name not in spaces()


@pytest.mark.skipif(not has_netem(), reason="this kernel has no netem")
def test_a_link_is_made_worse() -> None:
    with Namespace() as namespace:
        namespace.worsen("delay", "50ms")
        ping = [*namespace.prefix, "ping", "-c", "1", namespace.host]
        answer = subprocess.run(ping, capture_output=True, text=True, check=True).stdout
    assert float(answer.partition("time=")[2].split()[0]) >= 100


def spaces() -> str:
    """The names of all namespaces."""
    return subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout

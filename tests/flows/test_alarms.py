"""A real Prefect server tells a real web server and a real mail server what happened, and what did not."""

import json
import queue
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Failed, Running, Scheduled

from flows.config import load
from flows.events import tell
from flows.schedule.alarms import set_alarms, set_triggers
from flows.schedule.catch_up import catch_up
from flows.schedule.config import ALARMS
from flows.schedule.deploy import deploy_retrain, deploy_watch, make_pool
from serving.process import free_port

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE = 60.0
TOLD_AGAIN = 20  # s; the watch, too, says what it finds each time it looks


@pytest.fixture(autouse=True)
def on_the_server(server):
    with temporary_settings({PREFECT_API_URL: server}):
        yield


def config_of(name, **schedule):
    config = load(SMOKE)
    return config.model_copy(update={"name": name, "schedule": config.schedule.model_copy(update=schedule)})


def deployed(name, **schedule):
    make_pool()
    config = config_of(name, **schedule)
    return config, deploy_retrain(config, SMOKE)


@pytest.fixture
def posted():
    """Address and queue of what a web server was sent."""
    received: queue.Queue[dict[str, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{httpd.server_port}/hook", received
    httpd.shutdown()


@pytest.fixture
def mailed():
    """Address and queue of what a mail server was sent."""
    received: queue.Queue[str] = queue.Queue()

    class Box:
        async def handle_DATA(self, _, __, envelope):
            received.put(f"{envelope.rcpt_tos} {envelope.content.decode()}")
            return "250 OK"

    port = free_port()
    controller = Controller(Box(), hostname="127.0.0.1", port=port)
    controller.start()
    yield f"mailto://127.0.0.1:{port}?from=encore@shop.example&to=night@shop.example&mode=insecure", received
    controller.stop()


def test_a_refusal_reaches_the_web_and_the_mail_box(posted, mailed):
    config, deployment = deployed("refusing")
    alarms = set_alarms("refusing", config.schedule, [posted[0], mailed[0]], deployment)
    assert alarms == ["refused", "alert", "failed", "overdue"]
    tell("refusing", "refused", {"reason": "NDCG@10 -3.1 %"})
    message = posted[1].get(timeout=PATIENCE)
    assert (message["title"], message["message"]) == ("Encore, refusing: refused", "NDCG@10 -3.1 %")
    mail = mailed[1].get(timeout=PATIENCE)
    assert "night@shop.example" in mail
    assert "Subject: Encore, refusing: refused" in mail


def test_nobody_is_told_what_was_not_asked_for_or_of_others(posted):
    config, deployment = deployed("quiet", alarms=("promoted",))
    assert set_alarms("quiet", config.schedule, [posted[0]], deployment) == ["promoted"]
    tell("quiet", "refused", {"reason": "no"})
    tell("another", "promoted", {"reason": "not ours"})
    tell("quiet", "promoted", {"reason": "ours"})
    assert posted[1].get(timeout=PATIENCE)["message"] == "ours"
    assert posted[1].empty()
    assert set_alarms("quiet", config.schedule, [], deployment) == []  # taken back with the address
    tell("quiet", "promoted", {"reason": "nobody hears"})
    with pytest.raises(queue.Empty):
        posted[1].get(timeout=5)


@pytest.mark.parametrize(("state", "said"), [(Failed, "row 7 has no price"), (Crashed, "killed by signal 9")])
def test_a_run_that_failed_or_died_is_told_with_its_reason(posted, state, said):
    config, deployment = deployed(f"failing-{said[-1]}")
    set_alarms(config.name, config.schedule, [posted[0]], deployment)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Running(), force=True)
        client.set_flow_run_state(run.id, state(message=said), force=True)
    message = posted[1].get(timeout=PATIENCE)
    assert message["title"] == f"Encore, {config.name}: failed"
    assert said in message["message"]


def test_silence_is_told(posted):
    config, deployment = deployed("overdue", overdue_hours=0.003, alarms=("overdue",))
    set_alarms("overdue", config.schedule, [posted[0]], deployment)
    message = posted[1].get(timeout=PATIENCE)
    assert message["title"] == "Encore, overdue: overdue"
    assert "No run came to its end in the last 0.003 hours" in message["message"]
    set_alarms("overdue", config.schedule, [], deployment)


def test_an_address_that_is_none_is_told_without_its_password():
    with pytest.raises(ValueError, match=r"ENCORE_ALARMS must hold .* number 1 \(gopher:\.\.\.\)") as refused:
        set_alarms("typo", config_of("typo").schedule, ["gopher://user:secret@host"], deployed("typo")[1])
    assert "secret" not in str(refused.value)


def test_new_data_and_drift_start_a_run_and_say_why():
    _, deployment = deployed("triggered")
    set_triggers("triggered", deployment)
    tell("triggered", "nothing", {"reason": "no"})
    with get_client(sync_client=True) as client:
        for second in range(int(PATIENCE)):
            if second % TOLD_AGAIN == 0:  # a server learns of an automation a moment after it took it
                tell("triggered", "new-data", {"reason": "+5,000 events"})
            threading.Event().wait(1)
            runs = runs_of(client, deployment)
            if runs:
                break
    assert {run.parameters["trigger"] for run in runs} == {"encore.new-data: +5,000 events"}


def runs_of(client, deployment):
    return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))


def late(client, deployment, minutes):
    when = datetime.now(UTC) - timedelta(minutes=minutes)
    return client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=when)).id


@pytest.mark.parametrize(("policy", "left"), [("latest", 1), ("none", 0), ("all", 3)])
def test_of_the_missed_runs_as_many_are_left_as_the_policy_says(policy, left):
    _, deployment = deployed(f"missed-{policy}")
    with get_client(sync_client=True) as client:
        newest = [late(client, deployment, minutes) for minutes in (180, 120, 60)][-1]
        assert catch_up(client, deployment, policy, alive=True) == (left, 3 - left)
        states = {run.id: run.state_type.name for run in runs_of(client, deployment)}
        assert sorted(states.values()) == ["CANCELLED"] * (3 - left) + ["SCHEDULED"] * left
        assert states[newest] == ("CANCELLED" if policy == "none" else "SCHEDULED")


def test_what_a_dead_machine_ran_is_run_again_once():
    _, deployment = deployed("restarted")
    with get_client(sync_client=True) as client:
        dead = client.create_flow_run_from_deployment(deployment).id
        client.set_flow_run_state(dead, Running(), force=True)
        assert catch_up(client, deployment, "latest", alive=True) == (0, 0)  # a living process has the home
        assert catch_up(client, deployment, "latest", alive=False) == (1, 0)
        runs = {run.id: run for run in runs_of(client, deployment)}
        assert runs.pop(dead).state_type.name == "CRASHED"
        (again,) = runs.values()
        assert again.parameters["trigger"] == "again, because its process was gone"
        assert catch_up(client, deployment, "latest", alive=False) == (1, 0)  # the one that waits, no other
        assert len(runs_of(client, deployment)) == 2


def test_projects_on_one_server_have_queues_of_their_own():
    with get_client(sync_client=True) as client:
        queues = [client.read_deployment(deployed(name)[1]).work_queue_name for name in ("shoes", "books")]
    assert queues == ["shoes", "books"]


def test_the_watch_is_deployed_only_where_it_is_wanted():
    make_pool()
    assert deploy_watch(config_of("no-watch"), SMOKE) is None
    watch = deploy_watch(config_of("watched", watch_minutes=30.0), SMOKE)
    with get_client(sync_client=True) as client:
        (schedule,) = client.read_deployment(watch).schedules
        assert schedule.schedule.interval.total_seconds() == 1800


def test_every_alarm_is_described():
    assert set(config_of("all", alarms=tuple(ALARMS)).schedule.alarms) == set(ALARMS)

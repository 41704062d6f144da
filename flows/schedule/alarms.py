"""Alarms: automations of the Prefect server that tell people, also when no worker is alive to do it."""

from datetime import timedelta
from uuid import UUID

from apprise import Apprise
from prefect.automations import Automation
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import get_client
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from pydantic import SecretStr

from flows.environment import ALARMS_VARIABLE
from flows.events import resource_of
from flows.schedule.config import Alarm, ScheduleConfig
from flows.schedule.watch import STARTS

ENDINGS = ("promoted", "unchanged", "refused")
REASON = "{{ event.payload.reason }}"
FAILURE = "{{ flow_run.state.message }}\n{{ flow_run|ui_url }}"


def set_alarms(project: str, config: ScheduleConfig, addresses: list[str], deployment: UUID) -> list[Alarm]:
    """Make the server's automations as the config has them; returns the alarms that reach somebody.

    Args:
        project: name of the config.
        config: which alarms.
        addresses: in Apprise's notation: json://host/path posts JSON, mailtos://user:password@host mails.
        deployment: that of the retraining.

    Raises:
        ValueError: an address that is none.
    """
    blocks = [_block(project, number, address) for number, address in enumerate(addresses)]
    set_now: list[Alarm] = []
    for alarm, trigger in _triggers(project, config, deployment).items():
        name = f"{project}: {alarm}"
        _remove(name)
        if blocks and alarm in config.alarms:
            subject, body = f"Encore, {name}", _body(alarm, config)
            actions = [
                SendNotification(block_document_id=each, subject=subject, body=body) for each in blocks
            ]
            Automation(name=name, trigger=trigger, actions=actions).create()
            set_now.append(alarm)
    return set_now


def set_triggers(project: str, deployment: UUID) -> None:
    """Let what the watch finds, and any program that sends the same events, start a retraining."""
    name = f"{project}: new data or drift"
    _remove(name)
    reason = {"__prefect_kind": "jinja", "template": "{{ event.event }}: " + REASON}
    events = {f"encore.{what}" for what in STARTS}
    Automation(
        name=name,
        trigger=EventTrigger(expect=events, match={"prefect.resource.id": resource_of(project)}),
        actions=[RunDeployment(deployment_id=deployment, parameters={"trigger": reason})],
    ).create()


def _triggers(project: str, config: ScheduleConfig, deployment: UUID) -> dict[Alarm, EventTrigger]:
    about = {"prefect.resource.id": resource_of(project)}
    of_deployment = {
        "prefect.resource.role": "deployment",
        "prefect.resource.id": f"prefect.deployment.{deployment}",
    }
    told: tuple[Alarm, ...] = ("refused", "promoted", "alert")
    triggers = {alarm: EventTrigger(expect={f"encore.{alarm}"}, match=about) for alarm in told}
    triggers["failed"] = EventTrigger(
        expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=of_deployment,
    )
    triggers["overdue"] = EventTrigger(
        posture=Posture.Proactive,
        expect={f"encore.{ending}" for ending in ENDINGS},
        match=about,
        within=timedelta(hours=config.overdue_hours),
    )
    return triggers


def _body(alarm: Alarm, config: ScheduleConfig) -> str:
    if alarm == "failed":
        return FAILURE
    if alarm != "overdue":
        return REASON
    return f"No run came to its end in the last {config.overdue_hours:g} hours. Is `encore schedule` alive?"


def _block(project: str, number: int, address: str) -> UUID:
    """Keep an address on the server; returns its id. The block's type is the one that takes any address."""
    if not Apprise().add(address):
        scheme = address.partition(":")[0]
        raise ValueError(
            f"${ALARMS_VARIABLE} must hold addresses that Apprise knows, such as json://host/path or "
            f"mailtos://user:password@host, but number {number + 1} ({scheme}:...) is none: mend it."
        )
    block = SlackWebhook(url=SecretStr(address))
    return UUID(str(block.save(f"encore-{project}-{number}".lower().replace("_", "-"), overwrite=True)))


def _remove(name: str) -> None:
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(name):
            client.delete_automation(old.id)

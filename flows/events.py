"""Events: what a project tells the Prefect server, for its automations and for other programs."""

from collections.abc import Mapping

from prefect.events import emit_event


def tell(project: str, what: str, facts: Mapping[str, str]) -> None:
    """Say that something happened; alarms and triggers wait for it.

    Args:
        project: name of the config.
        what: "promoted", "unchanged", "refused", "alert", "new-data" or "drift".
        facts: for people; an alarm shows `reason`.
    """
    resource = {"prefect.resource.id": resource_of(project), "prefect.resource.name": project}
    emit_event(event=f"encore.{what}", resource=resource, payload=dict(facts))


def resource_of(project: str) -> str:
    """What the events of a project are about.

    >>> resource_of("complete-journey")
    'encore.project.complete-journey'
    """
    return f"encore.project.{project}"

"""Catch up: what to do with runs that came due, or died, while nobody could run them."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed

Policy = Literal["latest", "none", "all"]


def catch_up(client: SyncPrefectClient, deployment: UUID, policy: Policy, *, alive: bool) -> tuple[int, int]:
    """Settle the past of a deployment before a worker starts.

    Args:
        client: of the server.
        deployment: whose runs.
        policy: "latest" leaves the newest missed run to the worker, "none" none of them, "all" all.
        alive: whether a process works on the project now; where none does, runs that the server believes in
            died with their machine, and count as missed.

    Returns:
        Runs that are left to the worker, and runs that were dropped.
    """
    died = [] if alive else _runs(client, deployment, StateType.RUNNING, StateType.PENDING)
    for run in died:
        client.set_flow_run_state(run.id, Crashed(message="Its process is gone."), force=True)
    now = datetime.now(UTC)
    scheduled = _runs(client, deployment, StateType.SCHEDULED)
    late = [run for run in scheduled if run.expected_start_time and run.expected_start_time < now]
    late.sort(key=lambda run: run.expected_start_time or now)
    keep = {"latest": late[-1:], "none": [], "all": late}[policy]
    for run in late:
        if run not in keep:
            client.set_flow_run_state(run.id, Cancelled(message=f"Missed; catch_up = {policy}."), force=True)
    again = policy != "none" and bool(died) and not keep
    if again:
        trigger = {"trigger": "again, because its process was gone"}
        client.create_flow_run_from_deployment(deployment, parameters=died[-1].parameters | trigger)
    return len(keep) + again, len(late) - len(keep)


def _runs(client: SyncPrefectClient, deployment: UUID, *states: StateType) -> list[FlowRun]:
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
        ),
        limit=200,
    )

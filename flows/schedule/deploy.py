"""Deploy: the retraining and the watch as Prefect deployments on a work pool of local processes."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from flows.config import RunConfig
from flows.retrain import retrain
from flows.schedule.config import ScheduleConfig
from flows.schedule.watch import watch

POOL = "encore"


def make_pool() -> None:
    """The work pool, made if missing; machines that run its jobs are added by starting a worker there."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(
                WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
            )


def deploy_retrain(config: RunConfig, path: Path) -> UUID:
    """The retraining by clock, one at a time; returns the deployment's id.

    A run that comes due while one is at work is dropped: the next one sees its data. With catch_up = "all" it
    waits instead.
    """
    parameters = {"config_file": str(path.resolve()), "trigger": "by clock"}
    return _deploy(retrain, config, parameters, clock(config.schedule))


def deploy_watch(config: RunConfig, path: Path) -> UUID | None:
    """The watch; None where the config wants none."""
    minutes = config.schedule.watch_minutes
    if minutes is None:
        return None
    return _deploy(watch, config, {"config_file": str(path.resolve())}, Interval(timedelta(minutes=minutes)))


def clock(config: ScheduleConfig) -> Schedule | None:
    """When a retraining is due; None for by data only."""
    if config.every_minutes is not None:
        return Interval(timedelta(minutes=config.every_minutes))
    return None if config.cron is None else Cron(config.cron, timezone=config.timezone)


def _deploy(
    flow: Flow[..., Any], config: RunConfig, parameters: dict[str, Any], schedule: Schedule | None
) -> UUID:
    waits = config.schedule.catch_up == "all"
    strategy = ConcurrencyLimitStrategy.ENQUEUE if waits else ConcurrencyLimitStrategy.CANCEL_NEW
    deployment = RunnerDeployment.from_flow(
        flow,
        name=config.name,
        schedule=schedule,
        parameters=parameters,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=strategy),
        work_pool_name=POOL,
        work_queue_name=config.name,  # a worker of another project must not run this in its home
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["encore"],
    )
    return UUID(str(deployment.apply()))

"""The command line. Every command imports what it needs when it is called, so that help is instant."""

import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

CONFIG = Path("configs/default.toml")
CRASHED, MISUSED, REFUSED = 1, 2, 3

app = typer.Typer(
    help="""Encore keeps a generative recommender **fresh, honest and served**.

First time? `encore retrain configs/smoke.toml` takes a minute, then `encore up` shows everything it left.
All of it lies in `./var`, or in the folder that `ENCORE_HOME` names.""",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 refused by the gate.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LEARN, SERVE, RECORD = "Learn", "Serve", "Keep the record"
ConfigArgument = Annotated[Path, typer.Argument(help="A complete run as TOML.")]
Port = Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65_535)]


class Protocol(StrEnum):
    """How users and targets are chosen."""

    test = "test"
    valid = "valid"
    loo = "loo"


@app.command(rich_help_panel=LEARN)
def retrain(config: ConfigArgument = CONFIG) -> None:
    """Ingest, validate, tune, train, judge, package, prove, **promote**.

    Steps whose inputs did not change are not run again; started after a kill it goes on where it was.
    Exits with 0 if a champion stands at the end, with 3 if the gate refused the challenger.

    Example: `encore retrain configs/smoke.toml`
    """
    from flows.commands.retrain import run

    raise typer.Exit(0 if run(config) else REFUSED)


@app.command(rich_help_panel=LEARN)
def validate(config: ConfigArgument = CONFIG) -> None:
    """Read the data and check them, nothing else; says which rows broke which rule.

    Example: `encore validate configs/default.toml`
    """
    from flows.commands.validate import run

    raise typer.Exit(0 if run(config) else CRASHED)


@app.command(rich_help_panel=LEARN)
def drift(config: ConfigArgument = CONFIG) -> None:
    """Compare today's data with what the champion was trained on; exit code 3 where a person should look.

    Example: `encore drift configs/default.toml`
    """
    from flows.commands.drift import run

    raise typer.Exit(REFUSED if run(config) == "alert" else 0)


@app.command(rich_help_panel=LEARN)
def evaluate(
    subject: Annotated[
        str, typer.Argument(metavar="FAMILY_OR_BUNDLE", help="A family's name, a folder, or champion.")
    ] = "champion",
    config: Annotated[Path, typer.Option(help="Run whose data and cut-offs are used.")] = CONFIG,
    protocol: Annotated[
        Protocol, typer.Option(help="Time windows test and valid; loo: leave one out, as papers do.")
    ] = Protocol.test,
    export: Annotated[Path | None, typer.Option(help="CSV of user_key, rank, item_key.")] = None,
) -> None:
    """Score the champion, any bundle, or a family with its configured settings, under a named protocol.

    Example: `encore evaluate`

    Example: `encore evaluate repeats`

    Example: `encore evaluate var/work/train-sasrec-…/bundle --protocol valid --export lists.csv`
    """
    from flows.commands.evaluate import run

    run(subject, config, protocol.value, export)


@app.command(rich_help_panel=LEARN)
def benchmark(
    name: Annotated[
        str, typer.Argument(help="A file of configs/benchmarks, such as amazon-loo, or its path.")
    ],
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets of the config.")],
    families: Annotated[str, typer.Option(help="Names, commas between; without it all.")] = "",
    datasets: Annotated[str, typer.Option(help="Names, commas between; without it all.")] = "",
    seeds: Annotated[int, typer.Option(help="Fits of each family with its best settings.", min=1)] = 3,
    cold: Annotated[
        float, typer.Option(help="Share of items to hold out, such as 0.05.", min=0, max=0.5)
    ] = 0,
    refit: Annotated[bool, typer.Option(help="Also a table fitted on train + validation.")] = True,
    ablations: Annotated[bool, typer.Option(help="Also each family's ablations.")] = True,
    found: Annotated[bool, typer.Option("--found", help="Settings of the result file, no tuning.")] = False,
    workers: Annotated[
        int, typer.Option(help="Processes that share the families, each with the config's threads.", min=1)
    ] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("benchmarks/results"),
) -> None:
    """Compare families as papers do: leave one out, equal tuning for all, full catalogue, several seeds.

    Started again it goes on where it was. Writes JSON, Markdown and plots; all runs are in MLflow.

    Example: `encore benchmark amazon-loo --data DIR --workers 2`

    Example: `encore benchmark amazon-loo --data DIR --datasets beauty --families popularity,sasrec`
    """
    from flows.benchmark.asked import Asked
    from flows.commands.benchmark import run

    chosen = (_names(families), _names(datasets))
    run(name, Asked(data, *chosen, seeds, refit, cold, ablations, found, workers), out)


@app.command(rich_help_panel=LEARN)
def schedule(
    config: ConfigArgument = CONFIG,
    cron: Annotated[str | None, typer.Option(help="Minute, hour, day, month, weekday.")] = None,
    every: Annotated[float | None, typer.Option(help="Minutes, instead of --cron.", min=0.1)] = None,
) -> None:
    """Retrain without anybody: by clock, by new data and by drift, with alarms; runs until Ctrl-C.

    What the config says in `[schedule]`, unless a clock is given here. Needs a Prefect server: `encore up` in
    another terminal, or `PREFECT_API_URL`. Alarms go where `ENCORE_ALARMS` says (Apprise addresses).

    Example: `encore schedule`

    Example: `encore schedule configs/smoke.toml --every 10`
    """
    from flows.commands.schedule import run

    run(config, cron, every)


@app.command(rich_help_panel=SERVE)
def serve(
    port: Port = 3000,
    host: Annotated[str, typer.Option(help="Other than loopback needs ENCORE_TOKEN.")] = "127.0.0.1",
    challenger: Annotated[
        str | None,
        typer.Option(help="Second model: a Bento's tag, an act or digest of `encore history`, a folder."),
    ] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="The challenger sees requests only.")] = False,
    canary: Annotated[
        float | None, typer.Option(help="Share of the users that it answers, such as 0.1.")
    ] = None,
    trial: Annotated[
        Path | None, typer.Option(help="TOML with its limits and more, such as configs/trial.toml.")
    ] = None,
) -> None:
    """Serve the champion over HTTP until Ctrl-C, alone or with a challenger that is tried beside it.

    Example: `encore serve --port 3000`

    Example: `encore serve --challenger 2 --shadow`

    Example: `encore serve --challenger recommender:0929ddb44350-1f0a2b3c --canary 0.1`
    """
    from flows.commands.serve import run

    run(port, host, challenger, shadow, canary, trial)


@app.command("trial", rich_help_panel=SERVE)
def trial_report(
    challenger: Annotated[
        str, typer.Option(help="First digits of its bundle; without it the newest trial.")
    ] = "",
    days: Annotated[float, typer.Option(help="An event counts so many days after an answer.", min=0.001)] = 7,
    k: Annotated[int, typer.Option("-k", help="First items of a list that count.", min=1, max=100)] = 10,
    config: Annotated[
        Path | None,
        typer.Option(help="Run whose source is read anew and whose [gate] judges; else the newest snapshot."),
    ] = None,
) -> None:
    """What happened after the answers of champion and challenger? Exit code 3 where it does worse.

    Example: `encore trial`

    Example: `encore trial --days 1 --config configs/default.toml`
    """
    from flows.commands.trial import run

    raise typer.Exit(REFUSED if run(challenger, days, k, config) == "worse" else 0)


@app.command(rich_help_panel=SERVE)
def recommend(
    user: Annotated[str | None, typer.Option(help="Key of a known user.")] = None,
    history: Annotated[str | None, typer.Option(help="Item keys, oldest first, commas between.")] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the list.", min=1, max=100)] = 10,
) -> None:
    """Ask the champion without a server.

    Example: `encore recommend --user 900 -k 5`

    Example: `encore recommend --history 1082185,995242`
    """
    from flows.commands.recommend import run

    run(user, history, k)


@app.command(rich_help_panel=SERVE)
def up(
    prefect_port: Port = 4200,
    mlflow_port: Port = 5000,
    service_port: Port = 3000,
) -> None:
    """Prefect, MLflow and the champion's service on this machine, in one terminal, until Ctrl-C.

    Example: `encore up`
    """
    from flows.commands.up import run

    run(prefect_port, mlflow_port, service_port)


@app.command(rich_help_panel=RECORD)
def history() -> None:
    """List every promotion, refusal and rollback.

    Example: `encore history`
    """
    from flows.commands.ledger import show

    show()


@app.command(rich_help_panel=RECORD)
def trace(name: Annotated[str, typer.Argument(metavar="ID", help="Of an answer: its field `id`.")]) -> None:
    """Which model, data, run and verdict gave an answer, and does it give it again? Exit code 1 where not.

    Example: `encore trace 0f8b7c…`
    """
    from flows.commands.trace import run

    raise typer.Exit(0 if run(name) else CRASHED)


@app.command(rich_help_panel=RECORD)
def doctor() -> None:
    """Do ledger, pointer, registry, bundle and Bento agree? Changes nothing; exit code 1 where not.

    Example: `encore doctor`
    """
    from flows.commands.doctor import run

    raise typer.Exit(0 if run() else CRASHED)


@app.command(rich_help_panel=RECORD)
def promote(
    reason: Annotated[str, typer.Option(help="One line for the ledger.")],
    force: Annotated[bool, typer.Option("--force", help="Say it: the gate is overruled.")],
    config: ConfigArgument = CONFIG,
) -> None:
    """Overrule the gate: promote the challenger of a run that was refused, after the same proof.

    Finished steps are not run again. What does not answer as it was evaluated is not promoted.

    Example: `encore promote configs/default.toml --force --reason "the slice is a known artefact"`
    """
    from flows.commands.retrain import run

    if not force or not reason.strip():
        raise typer.BadParameter("overruling the gate needs --force and a --reason that says why.")
    raise typer.Exit(0 if run(config, reason.strip()) else REFUSED)


@app.command(rich_help_panel=RECORD)
def rollback(
    reason: Annotated[str, typer.Option(help="One line for the ledger.")],
    to: Annotated[
        str | None,
        typer.Option(help="An earlier champion: its tag, or its number in the history. Else the one before."),
    ] = None,
) -> None:
    """Let an earlier champion answer again.

    Example: `encore rollback --reason "too many cat toys"`
    """
    from flows.commands.ledger import roll_back

    roll_back(reason, to)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main() -> None:
    """Run the command line; an error that a person can mend is one line on the error stream."""
    from flows.environment import home, hush, prepare

    prepare()
    hush()
    if not {"-h", "--help"}.intersection(sys.argv) and len(sys.argv) > 1:
        home()
    try:
        app()
    except (ValueError, FileNotFoundError, ModuleNotFoundError, RuntimeError, TimeoutError) as error:
        sys.stderr.write(f"encore: {error}\n")
        if type(error).__name__ == "ConfigError":
            sys.exit(MISUSED)
        log = home().logs / "error.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        sys.stderr.write(f"encore: where it happened: {log}\n")
        sys.exit(CRASHED)

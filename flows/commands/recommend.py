"""encore recommend: one question to the champion, without a server."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.commands.champion import champion
from models import bundle
from serving.answers.answerer import Answerer
from serving.door.schemas import RecommendRequest


def run(user: str | None, history: str | None, k: int) -> None:
    """Print the list."""
    if (user is None) == (history is None):
        raise ValueError("recommend needs --user or --history, but got both or neither: give one of them.")
    release = champion()
    answerer = Answerer(bundle.load(Path(release.bundle_path)), release.bundle, release.bento)
    keys = None if history is None else [key.strip() for key in history.split(",") if key.strip()]
    answer = answerer.recommend([RecommendRequest(user=user, history=keys, k=k)])[0]
    table = Table(title=f"{release.family} · {release.bento}")
    for column in ("rank", "item", "title", "score"):
        table.add_column(column)
    for place in answer.items:
        table.add_row(str(place.rank), place.item, place.title, f"{place.score:.4f}")
    console = Console()
    console.print(table)
    if answer.notice:
        console.print(answer.notice)

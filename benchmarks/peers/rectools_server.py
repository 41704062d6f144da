"""RecTools' SASRec behind a small HTTP service: run by `benchmarks.serving_peers` in its own environment.

    python rectools_server.py events.csv settings.json

Fits, checks that both ways give the same lists, and answers `POST /recommend` with `history` (item keys,
oldest first) and `k`. Way "recommend" is RecTools' public call for users that it was not fitted on, with the
sent histories as their data set; way "network" calls its PyTorch network alone, which is the least that a
service around it could do. Requests that wait are answered by one call. Knows nothing of this project.
"""

import asyncio
import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
import uvicorn  # noqa: E402
from pytorch_lightning import Trainer  # noqa: E402
from rectools import Columns  # noqa: E402
from rectools.dataset import Dataset  # noqa: E402
from rectools.models import SASRecModel  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

MAX_BATCH = 64


def main() -> None:
    """Fit, check, serve."""
    settings = json.loads(Path(sys.argv[2]).read_text())
    torch.set_num_threads(1)
    events = pd.read_csv(sys.argv[1], dtype={"user_id": str, "item_id": str}, parse_dates=["datetime"])
    model = fitted(events, settings)
    ways = {"recommend": Public(model), "network": Network(model, settings["max_length"])}
    histories = [list(rows) for _, rows in events.groupby("user_id")["item_id"]][:20]
    one, other = ([keys for keys, _ in way(histories, 10)] for way in ways.values())
    if one != other:
        raise SystemExit(
            "both ways must give the same lists, but they do not: the network is called wrongly."
        )
    app = served(ways[settings["way"]])
    port = settings["port"]
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


def fitted(events: pd.DataFrame, settings: dict) -> SASRecModel:
    """The model, one epoch: speed does not depend on what it learned."""

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    model = SASRecModel(
        loss="softmax",
        n_factors=settings["d_model"],
        n_blocks=settings["n_blocks"],
        n_heads=settings["n_heads"],
        session_max_len=settings["max_length"],
        batch_size=128,
        recommend_batch_size=MAX_BATCH,
        get_trainer_func=trainer,
    )
    model.fit(Dataset.construct(events))
    return model


class Public:
    """`SASRecModel.recommend` for users whose data set is the histories; an empty one gets no items."""

    def __init__(self, model: SASRecModel) -> None:
        self._model = model

    def __call__(self, histories: list[list[str]], k: int) -> list[tuple[list[str], list[float]]]:
        """Keys and scores of the k best items of each history."""
        users = np.repeat(np.arange(len(histories)), [len(each) for each in histories])
        days = np.concatenate([np.arange(len(each)) for each in histories])
        frame = pd.DataFrame(
            {
                Columns.User: users,
                Columns.Item: [item for each in histories for item in each],
                Columns.Weight: 1,
                Columns.Datetime: pd.to_datetime(days, unit="D"),
            }
        )
        asked = np.unique(users)
        found = self._model.recommend(asked, Dataset.construct(frame), k, filter_viewed=False)
        rows = dict(tuple(found.groupby(Columns.User)))
        lists = {
            user: (row[Columns.Item].tolist(), row[Columns.Score].tolist()) for user, row in rows.items()
        }
        return [lists.get(user, ([], [])) for user in range(len(histories))]


class Network:
    """The network on ids, and the best of its scores."""

    def __init__(self, model: SASRecModel, max_length: int) -> None:
        self._network = model.lightning_model.torch_model.eval()
        self._max_length = max_length
        prepared = model.data_preparator
        self._keys = prepared.item_id_map.external_ids
        known = set(prepared.get_known_item_ids())
        self._id_of = {key: place for place, key in enumerate(self._keys) if key in known}
        self._first = min(self._id_of.values())  # before it: padding
        with torch.inference_mode():
            self._items = self._network.item_model.get_all_embeddings()
            self._scored = self._network.similarity_module.item_tower_forward(self._items)[self._first :]

    def __call__(self, histories: list[list[str]], k: int) -> list[tuple[list[str], list[float]]]:
        """Keys and scores of the k best items of each history."""
        asked = torch.zeros(len(histories), self._max_length, dtype=torch.long)
        for row, history in zip(asked, histories, strict=True):
            ids = [self._id_of[key] for key in history if key in self._id_of][-self._max_length :]
            row[len(row) - len(ids) :] = torch.tensor(ids, dtype=torch.long)
        with torch.inference_mode():
            states = self._network.encode_sessions({"x": asked}, self._items)[:, -1, :]
            states = self._network.similarity_module.session_tower_forward(states)
            scores, places = (states @ self._scored.T).topk(k)
        keys = self._keys[places.numpy() + self._first]
        return [(key, score) for key, score in zip(keys.tolist(), scores.tolist(), strict=True)]


def served(answer: object) -> Starlette:
    """The service."""
    waiting: asyncio.Queue = asyncio.Queue()

    async def recommend(request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        future = asyncio.get_running_loop().create_future()
        waiting.put_nowait((body["history"], body.get("k", 10), future))
        keys, scores = await future
        return JSONResponse(
            {"items": [{"item": key, "score": score} for key, score in zip(keys, scores, strict=True)]}
        )

    async def work() -> None:
        while True:
            batch = [await waiting.get()]
            while len(batch) < MAX_BATCH and not waiting.empty():
                batch.append(waiting.get_nowait())
            histories, most = [each[0] for each in batch], max(each[1] for each in batch)
            try:
                lists = await asyncio.to_thread(answer, histories, most)
            except Exception as error:
                for _, _, future in batch:
                    future.set_exception(error)
                continue
            for (_, k, future), (keys, scores) in zip(batch, lists, strict=True):
                future.set_result((keys[:k], scores[:k]))

    async def ready(request: Request) -> PlainTextResponse:
        app.state.work = getattr(app.state, "work", None) or asyncio.create_task(work())
        return PlainTextResponse("ready")

    app = Starlette(routes=[Route("/recommend", recommend, methods=["POST"]), Route("/readyz", ready)])
    return app


if __name__ == "__main__":
    main()

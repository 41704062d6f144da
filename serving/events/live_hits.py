"""Live hits: was an item on the list that its user was shown? Remembers the newest answers only.

An event is judged by the answer that it names, else by the newest answer to its user within `LATELY_SECONDS`.
What users did days later is judged offline, from the answer log (`encore trial`).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from data.event_store.event import Event
from serving.trial.config import ArmName

N_ANSWERS = 20_000
LATELY_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Judged:
    """An event that could be joined to an answer.

    Attributes:
        arm: whose answer it was.
        is_hit: whether its item was on the list.
    """

    arm: ArmName
    is_hit: bool


@dataclass(frozen=True, slots=True)
class _Shown:
    arm: ArmName
    items: tuple[str, ...]
    when: float
    user: str | None


class LiveHits:
    """The newest answers, by id and by user.

    Args:
        n_answers: so many are remembered; the oldest are dropped.
    """

    def __init__(self, n_answers: int = N_ANSWERS) -> None:
        self._n_answers = n_answers
        self._by_id: OrderedDict[str, _Shown] = OrderedDict()
        self._by_user: OrderedDict[str, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def shown(
        self, name: str | None, user: str | None, arm: ArmName, items: tuple[str, ...], now: float
    ) -> None:
        """Remember an answer.

        Args:
            name: id of the answer, None where answers are not kept.
            user: as `UserKeys` writes it, None for a request by history.
            arm: who answered.
            items: its list.
            now: Unix seconds UTC.
        """
        answer = _Shown(arm, items, now, user)
        with self._lock:
            for book, key in ((self._by_id, name), (self._by_user, user)):
                if key is not None:
                    book.pop(key, None)
                    book[key] = answer
                    if len(book) > self._n_answers:
                        book.popitem(last=False)

    def judge(self, event: Event, now: float) -> Judged | None:
        """Whether the item of `event` was shown; None where no answer is known that it could belong to."""
        with self._lock:
            if event.answer is not None:
                answer = self._by_id.get(event.answer)
            else:
                answer = self._by_user.get(event.user_key)
                if answer is not None and now - answer.when > LATELY_SECONDS:
                    answer = None
        return None if answer is None else Judged(answer.arm, event.item_key in answer.items)

    def forget(self, user: str) -> None:
        """Drop what was shown to `user`."""
        with self._lock:
            self._by_user.pop(user, None)
            for name in [name for name, answer in self._by_id.items() if answer.user == user]:
                del self._by_id[name]

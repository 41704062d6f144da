"""Pieces: made once, whoever asks for them at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.benchmark.pieces import Pieces


def test_a_piece_that_another_command_makes_is_waited_for(tmp_path):
    made, gate = [], threading.Barrier(2)

    def ask(_):
        def make(draft):
            made.append(draft)
            time.sleep(0.2)
            return {"n": len(made)}

        gate.wait()
        return Pieces(tmp_path).get("sasrec tune", ["content"], make).result

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [{"n": 1}, {"n": 1}]
    assert len(made) == 1


def test_a_reader_neither_makes_nor_waits(tmp_path):
    reader = Pieces(tmp_path, only_found=True)
    assert reader.get("sasrec tune", ["content"], lambda _: pytest.fail("made")) is None
    made = Pieces(tmp_path).get("sasrec tune", ["content"], lambda _: {"n": 1})
    assert reader.get("sasrec tune", ["content"], lambda _: pytest.fail("made")) == made
    assert not list(tmp_path.glob("*.draft"))


def test_what_failed_leaves_its_draft_and_no_lock(tmp_path):
    def fail(draft):
        (draft / "checkpoint").write_text("half")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        Pieces(tmp_path).get("sasrec tune", ["content"], fail)

    def goes_on(draft):
        return {"found": (draft / "checkpoint").read_text()}

    assert Pieces(tmp_path).get("sasrec tune", ["content"], goes_on).result == {"found": "half"}

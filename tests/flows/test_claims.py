"""Every job is done once, by whoever came first, and what was begun and not done is known."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from flows.compute.claims import Claims


def test_who_comes_second_takes_what_is_left(tmp_path):
    first, second = Claims(tmp_path, 3).take(), Claims(tmp_path, 3).take()
    assert [next(first), next(second), next(first)] == [0, 1, 2]
    assert list(second) == list(first) == []
    assert Claims(tmp_path, 3).left() == []


def test_what_was_begun_and_not_done_is_left(tmp_path):
    killed = Claims(tmp_path, 3).take()
    next(killed)
    killed.close()
    assert list(Claims(tmp_path, 3).take()) == [1, 2]
    assert Claims(tmp_path, 3).left() == [0]


@given(size=st.integers(0, 30), workers=st.integers(1, 5))
def test_many_at_once_share_all_jobs(tmp_path_factory, size, workers):
    claims = Claims(tmp_path_factory.mktemp("claims"), size)
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.extend(claims.take())) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(size))
    assert claims.left() == []

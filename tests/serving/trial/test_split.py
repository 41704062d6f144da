"""Who is in the share: always the same users, about as many as were asked for, others with another salt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.door.schemas import RecommendRequest
from serving.trial.split import is_in_share, place

KEYS = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())
REQUESTS = st.builds(RecommendRequest, user=KEYS) | st.builds(
    RecommendRequest, history=st.lists(KEYS, max_size=5)
)


@given(REQUESTS, st.text(max_size=5), st.integers(1, 100))
def test_the_same_user_has_the_same_place_whatever_else_is_asked(
    request_: RecommendRequest, salt: str, k: int
) -> None:
    assert 0 <= place(request_, salt) < 1
    other = request_.model_copy(update={"k": k, "exclude_seen": True, "exclude": ["x"]})
    assert place(other, salt) == place(request_, salt)


@given(REQUESTS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_who_is_in_a_share_stays_in_a_larger_one(
    request_: RecommendRequest, one: float, other: float
) -> None:
    small, large = sorted([one, other])
    assert not is_in_share(request_, share=small, salt="s") or is_in_share(request_, share=large, salt="s")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("salt", ["", "a"])
def test_a_share_of_the_users_is_in_it(share: float, salt: str) -> None:
    users = [RecommendRequest(user=str(number)) for number in range(2_000)]
    inside = sum(is_in_share(user, share=share, salt=salt) for user in users)
    # binomial: five standard deviations of a share of 2,000 users
    assert abs(inside - 2_000 * share) < 5 * (2_000 * share * (1 - share)) ** 0.5


def test_another_salt_draws_other_users() -> None:
    users = [RecommendRequest(user=str(number)) for number in range(2_000)]
    both = sum(all(is_in_share(user, share=0.5, salt=salt) for salt in ("a", "b")) for user in users)
    assert 400 < both < 600  # independent halves meet in a quarter, 500; sd 19


def test_keys_that_only_look_alike_have_places_of_their_own() -> None:
    histories = [["a", "b"], ["a,b"], ["ab"], ["user", "a"], ["b", "a"]]
    places = {place(RecommendRequest(history=each), "") for each in histories}
    places |= {place(RecommendRequest(user="a"), ""), place(RecommendRequest(history=["a"]), "")}
    assert len(places) == 7


def test_the_place_is_the_same_on_every_machine() -> None:
    """blake2b of '["salt", "user", "ann"]': a new version may not move the users of a running trial."""
    assert place(RecommendRequest(user="ann"), "salt") == pytest.approx(PINNED, abs=1e-12)


PINNED = 0.09489578550680093

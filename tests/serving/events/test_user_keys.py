"""User keys under a salt: in the code, and in a real service that never writes one plainly."""

import hashlib
import hmac
from pathlib import Path

import pytest

from data.event_store.users import UserKeys
from serving.bento import BentoInfo
from serving.process import running
from serving.settings import events, events_kinds

from .test_events_served import call, recommend, tell

SALT = "a secret of some length"


def test_a_hash_is_hmac_sha256_of_the_key_under_the_salt() -> None:
    expected = hmac.new(SALT.encode(), b"ann", hashlib.sha256).hexdigest()
    assert UserKeys(SALT).stored("ann") == expected
    assert UserKeys().stored("ann") == "ann"


def test_a_salt_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="ENCORE_USER_SALT must have 16 characters or more, but got 5"):
        UserKeys("short")


def test_a_fingerprint_tells_salts_apart_without_telling_them() -> None:
    prints = {UserKeys(salt).fingerprint for salt in (None, SALT, SALT + "!")}
    assert len(prints) == 3
    assert "" in prints
    assert not any(SALT in each for each in prints)


def test_settings_say_where_events_go_and_which_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCORE_EVENTS", raising=False)
    assert (events(), events_kinds()) == (None, ("purchase",))
    monkeypatch.setenv("ENCORE_EVENTS", "somewhere/events.db")
    monkeypatch.setenv("ENCORE_EVENTS_KINDS", "purchase, cart")
    found = events()
    assert found is not None
    assert found.path == Path("somewhere/events.db")
    assert events_kinds() == ("purchase", "cart")
    monkeypatch.setenv("ENCORE_EVENTS_KINDS", "purchase,,cart")
    with pytest.raises(ValueError, match="ENCORE_EVENTS_KINDS must be names with commas between"):
        events_kinds()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_with_a_salt_writes_no_user_key(
    built: BentoInfo, home: Path, stranger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCORE_USER_SALT", SALT)
    answers, store, log = tmp_path / "answers", tmp_path / "store" / "events.db", tmp_path / "log"
    user = "zoe@shop.example"
    with running(built.tag, home=home, log=log, python=stranger, events=str(store), answers=answers) as url:
        assert tell(url, "e1", user=user, item="10")[1]["new"] == 1
        answer = recommend(url, user=user, k=2, exclude_seen=True)[1]
        assert [line["item"] for line in answer["items"]] == ["11", "12"]
        assert (
            recommend(url, user="ann", k=1, exclude_seen=True)[1]["items"][0]["item"] == "12"
        )  # a plain bundle
        written = b"".join(
            file.read_bytes() for folder in (answers, store.parent) for file in folder.iterdir()
        )
        assert b"zoe@shop" not in written + log.read_bytes()
        assert UserKeys(SALT).stored(user).encode() in written
        said = call(url, "DELETE", f"/users/{user}")[1]
        assert (said["events"], said["answers"]) == (1, 1)
    monkeypatch.setenv("ENCORE_USER_SALT", "")
    with (
        pytest.raises(RuntimeError, match="here hashed with a salt of their own, but got no salt"),
        running(built.tag, home=home, log=log, python=stranger, events=str(store)),
    ):
        pass

"""Keys: who sent a secret, and which lists of keys are refused."""

import hashlib
import json
import re

import pytest

from serving.access.keys import ROLES, Key, Keyring, key_of, read_keys


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def listed(*keys: dict[str, object]) -> str:
    return json.dumps({"keys": keys})


SHOP = {"name": "shop", "roles": ["read"], "sha256": digest("s3cret")}


def test_the_owner_of_a_secret_is_found() -> None:
    ring = Keyring(read_keys(listed(SHOP, {**SHOP, "name": "old", "sha256": digest("0ld")}), is_toml=False))
    shop, old = ring.owner(b"s3cret"), ring.owner(b"0ld")
    assert shop is not None
    assert (shop.name, shop.roles) == ("shop", {"read"})
    assert old is not None
    assert old.name == "old"


@pytest.mark.parametrize(
    "sent", [b"", b"S3cret", b"s3cre", b"s3cret ", b"\xff\x00", digest("s3cret").encode()]
)
def test_nobody_owns_another_secret_nor_a_digest(sent: bytes) -> None:
    assert Keyring(read_keys(listed(SHOP), is_toml=False)).owner(sent) is None


def test_every_key_is_compared_whether_or_not_one_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(own: str, other: str) -> bool:
        compared.append(own)
        return own == other

    monkeypatch.setattr("serving.access.keys.hmac.compare_digest", compare)
    ring = Keyring(
        [Key.model_validate({**SHOP, "name": f"k{i}", "sha256": digest(f"{i}")}) for i in range(5)]
    )
    for secret in (b"0", b"4", b"none"):
        compared.clear()
        ring.owner(secret)
        assert compared == [digest(f"{i}") for i in range(5)]


def test_the_one_token_may_do_everything_and_need_not_be_ascii() -> None:
    owner = Keyring([key_of("gehéim")]).owner("gehéim".encode())
    assert owner is not None
    assert owner.roles == ROLES


def test_keys_may_be_toml() -> None:
    text = f'[[keys]]\nname = "shop"\nroles = ["read", "feedback"]\nsha256 = "{digest("s3cret")}"\n'
    assert read_keys(text, is_toml=True)[0].roles == ("read", "feedback")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the body must be JSON"),
        ("{}", "keys: field required"),
        (listed(), "keys: tuple should have at least 1 item"),
        (
            listed({**SHOP, "roles": ["root"]}),
            "keys.0.roles.0: input should be 'read', 'feedback' or 'admin'",
        ),
        (listed({**SHOP, "roles": []}), "keys.0.roles: tuple should have at least 1 item"),
        (listed({**SHOP, "sha256": "s3cret"}), "keys.0.sha256: string should match pattern"),
        (listed({**SHOP, "secret": "s3cret"}), "keys.0.secret: no such field"),
        (listed({**SHOP, "name": "a b"}), "keys.0.name: string should match pattern"),
        (listed({**SHOP, "name": "token"}), "the name token belongs to ENCORE_TOKEN"),
        (listed(SHOP, SHOP), "each key needs its own name, but shop is there 2 times"),
        (listed(SHOP, {**SHOP, "name": "other"}), "each key needs its own sha256"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line_that_repeats_no_secret(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_keys(text, is_toml=False)
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)


def test_wrong_toml_is_refused() -> None:
    with pytest.raises(ValueError, match="it must be TOML, but"):
        read_keys("[[keys", is_toml=True)

"""Which sites' pages may ask, and what an answer carries."""

import pytest

from serving.access.headers import Origins, dressed, read_origins


def test_origins_are_named_one_by_one() -> None:
    assert read_origins("https://a.example, http://localhost:8080,") == (
        "https://a.example",
        "http://localhost:8080",
    )
    assert read_origins("") == ()


@pytest.mark.parametrize(
    "text", ["*", "a.example", "https://a.example/", "https://*.example", "null", "file://x"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"an origin must be scheme://host"):
        read_origins(text)


def test_no_site_may_ask_by_default() -> None:
    assert Origins().headers(b"https://a.example") == []
    assert Origins().preflight(b"https://a.example", ["GET"]) is None


def test_only_a_listed_site_may_ask_and_only_what_exists() -> None:
    origins = Origins(["https://a.example"])
    assert (b"access-control-allow-origin", b"https://a.example") in origins.headers(b"https://a.example")
    assert origins.headers(b"https://b.example") == [(b"vary", b"origin")]
    assert origins.headers(b"") == [(b"vary", b"origin")]
    assert origins.preflight(b"https://a.example", []) is None


def test_what_the_page_says_of_itself_stays() -> None:
    headers = dict(dressed([(b"content-security-policy", b"mine"), (b"server", b"x")], "7", []))
    assert headers[b"content-security-policy"] == b"mine"
    assert b"server" not in headers
    assert headers[b"x-request-id"] == b"7"

"""The page in a real browser, against a real service."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",  # the page's requests are answered before the page is read
)


def seen(url: str, profile: Path) -> str:
    """Text of the page once its scripts have run."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed (Debian package chromium)")
    command = [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", url]
    page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_the_page_says_what_is_served(url: str, tmp_path: Path) -> None:
    assert "popularity, 5 items, 3 known users, recommender:" in seen(url, tmp_path)


def test_a_link_with_a_user_shows_the_list_with_titles_and_lineage(url: str, tmp_path: Path) -> None:
    text = seen(f"{url}/?user=ann&k=2", tmp_path)
    assert "0 milk 10 5.000 1 bread 11 4.000" in text
    assert "snap-1" in text
    assert "butter" not in text


def test_a_mistake_is_told_on_the_page(url: str, tmp_path: Path) -> None:
    assert "k: input should be less than or equal to 100, but got 500" in seen(
        f"{url}/?user=ann&k=500", tmp_path
    )


def test_a_user_that_nobody_knows_is_told_on_the_page(url: str, tmp_path: Path) -> None:
    assert "the user is not known" in seen(f"{url}/?user=zoe", tmp_path)

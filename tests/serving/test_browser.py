"""The page in a real browser, against a real service: what a person clicks and sees."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from data.catalogue import Catalogue
from models.bundle import Bundle, save
from models.fitting import fit_codes
from models.item_encoders.tfidf import TfidfConfig
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from serving.process import running
from serving.trial.config import TrialConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CODES = "\u203a"  # between the codes of a semantic ID
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no browser is installed (Debian package chromium)")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that fails the test if the page's scripts do."""
    tab, errors = browser.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.set_default_timeout(20_000)
    yield tab
    tab.close()
    assert errors == []


def rows(page: Page) -> list[str]:
    """Each line of the list as its words, once there is one."""
    lines = page.locator("tbody tr")
    expect(lines.first).to_be_visible()
    return [" ".join(line.inner_text().split()).replace(CODES, ">") for line in lines.all()]


def test_the_page_says_what_is_served(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#served")).to_contain_text("popularity, 5 items, 3 known users, recommender:")


def test_a_history_is_picked_and_recommended_from(page: Page, url: str) -> None:
    page.goto(url)
    page.fill("#item", "butt")
    expect(page.locator("#items option")).to_have_attribute("value", "12")
    page.fill("#item", "12")
    page.press("#item", "Enter")
    expect(page.locator("#history")).to_contain_text("butter")
    page.fill("#k", "3")
    page.get_by_role("button", name="Recommend", exact=True).click()
    assert rows(page) == [
        "0 milk counts 10 similar 0 > 0 like butter (1.00) 5.000",
        "1 bread counts 11 similar 1 > 0 4.000",
        "2 butter repeats 12 similar 0 > 1 3.000",
    ]
    assert (
        page.locator(".path").first.get_attribute("title") == "after code 1: 3 items, after code 2: 1 items"
    )


def test_a_link_with_a_user_shows_the_list_and_its_lineage(page: Page, url: str) -> None:
    page.goto(f"{url}/?user=ann&k=2")
    assert [line.split()[1] for line in rows(page)] == ["milk", "bread"]
    expect(page.locator("#lineage")).to_contain_text("snap-1")


def test_filters_and_stock_leave_items_out(page: Page, url: str) -> None:
    page.goto(f"{url}/?user=ann")
    assert len(rows(page)) == 5
    page.select_option("#field", "department")
    page.fill("#value", "dairy")
    page.press("#value", "Enter")
    page.press("#k", "Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.check("#stock")
    page.press("#k", "Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("#filters button")
    page.press("#k", "Enter")
    expect(page.locator("tbody tr")).to_have_count(4)


def test_an_item_leads_to_what_is_like_it(page: Page, url: str) -> None:
    page.goto(f"{url}/?user=ann&k=1")
    page.get_by_role("button", name="Items similar to milk").click()
    expect(page.locator("#heading")).to_have_text("Similar to milk")
    assert rows(page)[0].startswith("0 butter content 12")


def test_a_basket_is_completed(page: Page, url: str) -> None:
    page.goto(f"{url}/?item=11")
    page.click("#complete")
    expect(page.locator("#heading")).to_have_text("Belongs to the basket")
    assert rows(page)[0].split()[1] == "salt"


def test_a_mistake_is_told_on_the_page(page: Page, url: str) -> None:
    page.goto(f"{url}/?user=ann&k=500")
    expect(page.get_by_role("alert")).to_contain_text(
        "k: input should be less than or equal to 100, but got 500"
    )


def test_a_user_that_nobody_knows_is_told_on_the_page(page: Page, url: str) -> None:
    page.goto(f"{url}/?user=zoe")
    expect(page.locator("#notice")).to_contain_text("the user is not known")


def test_the_page_works_by_keyboard_alone(page: Page, url: str) -> None:
    page.goto(url)
    page.focus("#item")
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    for _ in range(30):
        if page.evaluate("document.activeElement.textContent") == "Recommend":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(rows(page)) == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_its_text_stands_out(browser: Browser, url: str, scheme: str) -> None:
    tab = browser.new_page(viewport=PHONE, color_scheme=scheme)
    tab.goto(f"{url}/?user=ann")
    rows(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert contrast(tab, "#notice") >= 4.5
    assert contrast(tab, "#form button.main") >= 4.5
    tab.close()


def contrast(page: Page, element: str) -> float:
    """WCAG 2.2 contrast ratio (section 1.4.3) of an element's text to what is painted behind it."""
    script = """element => {
      const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(value => value / 255)
          .map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
      };
      let behind = element;
      while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
      const pair = [light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)];
      return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    }"""
    return float(page.locator(element).evaluate(script))


def test_champion_and_challenger_are_shown_side_by_side(
    page: Page, bundle_folder: Path, challenger_folder: Path, tmp_path: Path
) -> None:
    trial = challenger_folder, TrialConfig.model_validate({"mode": "shadow"})
    with running(bundle_folder, log=tmp_path / "service.log", trial=trial) as address:
        page.goto(f"{address}/?user=ann&k=2")
        rows(page)
        page.click("#compare")
        expect(page.locator("table")).to_have_count(2)
        tables = page.locator("table").all()
        assert [each.locator("caption").inner_text() for each in tables] == ["champion", "challenger"]
        assert [line.split()[1] for line in rows(page)] == ["milk", "bread", "salt", "tea"]
        expect(page.locator("tr.moved")).to_have_count(4)


def test_an_item_is_added_hidden_and_comes_back(page: Page, bundle: Bundle, tmp_path: Path) -> None:
    codes = fit_codes(
        bundle.catalogue, bundle.histories, TfidfConfig(size=2), ResidualKMeansConfig(codebook_size=2), seed=0
    )
    save(replace(bundle, items=codes), tmp_path / "bundle")
    with running(tmp_path / "bundle", log=tmp_path / "service.log") as address:
        page.goto(f"{address}/?item=10")
        assert len(rows(page)) == 5
        page.click("#catalogue summary")
        page.fill("#key", "99")
        page.fill("#field-title", "oat milk")
        page.get_by_role("button", name="Put into the catalogue").click()
        expect(page.locator("#changed")).to_contain_text("oat milk is in version 1. Its semantic ID is")
        expect(page.locator("tr.fresh")).to_contain_text("oat milk")
        page.check("#hide")
        page.get_by_role("button", name="Put into the catalogue").click()
        expect(page.locator("#changed")).to_contain_text("It is hidden.")
        expect(page.locator("tbody")).not_to_contain_text("oat milk")
        page.click("#undo")
        expect(page.locator("#changed")).to_contain_text("Undone: version 3, 6 items.")
        expect(page.locator("tbody")).to_contain_text("oat milk")


def test_numbers_of_an_item_are_sent_as_numbers(page: Page, bundle: Bundle, tmp_path: Path) -> None:
    priced = bundle.catalogue.frame.with_columns(
        pl.Series("price", [1.5, None, 2.0, 3.25, 0.5]), pl.Series("grams", [1000, 500, None, 20, 250])
    )
    save(replace(bundle, catalogue=Catalogue(priced, ("title",))), tmp_path / "bundle")
    with running(tmp_path / "bundle", log=tmp_path / "service.log") as address:
        page.goto(address)
        page.click("#catalogue summary")
        page.fill("#key", "11")
        page.fill("#field-title", "7")
        page.fill("#field-price", "2.75")
        page.fill("#field-grams", "750")
        page.get_by_role("button", name="Put into the catalogue").click()
        expect(page.locator("#changed")).to_contain_text("7 is in version 1.")
        kept = page.request.get(f"{address}/items/11").json()["fields"]
        assert (kept["title"], kept["price"], kept["grams"]) == ("7", 2.75, 750)
        page.fill("#field-price", "")
        page.fill("#field-grams", "1.5")
        page.get_by_role("button", name="Put into the catalogue").click()
        expect(page.get_by_role("alert")).to_contain_text("grams")

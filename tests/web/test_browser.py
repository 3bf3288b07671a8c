"""The page in a real browser: files chosen, dropped and pasted, keys alone, small, dark, heard."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

SERIOUS = {"serious", "critical"}
DROP = """(files) => {
  const carried = new DataTransfer();
  for (const [name, bytes] of files) carried.items.add(new File([new Uint8Array(bytes)], name));
  document.body.dispatchEvent(
    new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""
PASTE = """(bytes) => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(bytes)], "pasted.png"));
  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: carried, bubbles: true}));
}"""


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, service):
    """A page at the service; whatever it complains of, or asks of others, fails the test."""
    contexts, trouble = [], []

    def visit(**choices):
        context = browser.new_context(**choices)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(f"a dialog: {dialog.message}"))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((service.url, "data:"))
                else trouble.append(f"it asks {asked.url}")
            ),
        )
        page.goto(f"{service.url}/")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [each for each in trouble if "status of 413" not in each] == []


def choose(page, *files):
    carried = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        for name, data in files
    ]
    page.set_input_files("#files", carried)
    page.click("button[type=submit]")
    page.wait_for_selector("#result")


def heading(page):
    return page.locator("#result h1").inner_text()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_chosen_file(visit, signed, javascript):
    page = visit(java_script_enabled=javascript)
    choose(page, ("0001.png", signed))
    assert heading(page) == "Trusted"
    assert page.title().startswith("Trusted: 0001.png")
    if javascript:
        assert page.locator("img.seen").evaluate("image => image.naturalWidth") > 0


def test_dropped_files(visit, signed, tampered):
    page = visit()
    page.evaluate(DROP, [["a.png", list(signed)], ["b.png", list(tampered)]])
    page.wait_for_selector("table.files")
    assert page.locator("table.files tbody tr").count() == 2
    page.click("text=b.png >> nth=0")
    expect(page.locator("#file-2 h2")).to_be_visible()


def test_a_pasted_picture(visit, stripped):
    page = visit()
    page.evaluate(PASTE, list(stripped))
    page.wait_for_selector("#result")
    assert heading(page) == "Known by its looks"


def test_hostile_files_run_nothing(visit, hostile):
    page = visit()
    choose(page, *hostile.items())
    assert page.locator("table.files tbody tr").count() == len(hostile)
    for name in hostile:
        assert page.get_by_role("link", name=name, exact=True).count() == 1


def test_two_hundred_megabytes_are_refused_before_they_are_sent(visit, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    page = visit()
    page.set_input_files("#files", large)
    expect(page.locator("#told")).to_have_text("That is 200 MiB, and at most 64 MiB are looked at.")
    page.click("button[type=submit]")
    assert page.locator("#result").count() == 0


def test_two_hundred_megabytes_without_javascript_get_an_answer(visit, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    page = visit(java_script_enabled=False)
    page.set_input_files("#files", large)
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_have_text("The request is too large.")


def test_keys_alone(visit, signed):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "files"
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": signed})
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result")
    assert page.evaluate("document.activeElement.id") == "result"
    page.keyboard.press("Tab")
    assert "Every step" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    expect(page.locator("table.steps")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_and_can_be_heard(visit, signed, tampered, stripped, hostile, scheme, width):
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 800})
    files = [("a.png", signed), ("b.png", tampered), ("c.png", stripped), *hostile.items()]
    for sent in ([], files[:1], files[1:2], files):
        if sent:
            choose(page, *sent)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        found = Axe().run(page).response["violations"]
        wrong = [
            (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in SERIOUS
        ]
        assert wrong == []

"""The page without a browser: what is told, what is escaped, what is left out."""

import io
import re
import typing
from importlib.resources import files

import pytest
from PIL import Image

from safegen.report.verdicts import STATE_HEADLINES, STATES
from safegen.schemas.verdict import State
from safegen.verification.options import VerificationOptions
from safegen.verification.reason_codes import CODES
from safegen.web.pictures import MAX_SIDE_PIXELS, has_moderate_size
from safegen.web.shown import STEP_TITLES, for_visitors
from tests.web.conftest import asking

PAGE = {"Accept": "text/html"}


def look_at(client, *files):
    return client.post("/", files=[("file", each) for each in files], headers=PAGE)


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_trusted_file_in_full(client, signed, made):
    answer = look_at(client, ("sent.png", signed))
    assert answer.status_code == 200
    text = words(answer.text)
    for told in (
        "Trusted: sent.png",
        "vouches for it",
        "Nothing that the manifest protects was changed",
        "It was made by a trained model",
        "The model",
        "In plain words: whatever somebody concludes from this model is at most",
        "Passed:",
        "the label that was asked for made",
        "Exactly this file was released",
        "what it was made with",
        "What this does not prove",
        "org.safegen.privacy",
    ):
        assert told in text, told
    assert str(made.folder) not in answer.text
    assert "--trust" not in text


@pytest.mark.parametrize(
    ("which", "headline"),
    [("tampered", "Do not rely on it"), ("stripped", "Known by its looks")],
)
def test_a_changed_and_a_stripped_file(client, request, which, headline):
    text = words(look_at(client, ("a.png", request.getfixturevalue(which))).text)
    assert f"{headline}: a.png" in text
    assert ("none of it need be true" in text) == (which == "tampered")


def test_a_signer_on_no_list(signed):
    with asking(VerificationOptions()) as client:
        text = words(look_at(client, ("a.png", signed)).text)
    assert "Intact, by an unknown signer" in text
    assert "anybody can make a certificate in any name" in text
    assert "--" not in text.partition("org.safegen")[0]


def test_several_files_give_a_table(client, signed, stripped):
    answer = look_at(client, ("a.png", signed), ("b.png", stripped))
    assert '<table class="files">' in answer.text
    assert "Trusted: 1; Known by its looks: 1." in words(answer.text)
    assert answer.text.count("<article") == 2


def test_names_are_shown_and_never_run(client, hostile):
    answer = look_at(client, *hostile.items())
    assert answer.status_code == 200
    assert "<img src=x" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;.txt" in answer.text
    assert "<script>alert" not in answer.text
    assert "data:image/svg" not in answer.text


def test_a_name_that_turns_writing_around_is_made_visible(client):
    text = look_at(client, ("a\u202egnp.exe", b"x")).text
    assert "\u202e" not in text
    assert "\ufffdgnp.exe" in text


def test_no_file_and_too_many_are_told_on_the_page(client, options):
    answer = client.post("/", files={"other": ("a", b"")}, headers=PAGE)
    assert answer.status_code == 422
    assert "Choose a file first." in answer.text
    with asking(options, max_files=1) as few:
        answer = look_at(few, ("a", b"x"), ("b", b"x"))
    assert answer.status_code == 400
    assert "Maximum number of files is 1" in answer.text


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client, signed):
    html = look_at(client, ("a.png", signed)).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/)", html)
    addresses = re.findall(r'(?:src|href|action)="([^"]+)"', html)
    assert all(each.startswith(("/", "#", "data:")) for each in addresses), addresses
    for address in (each for each in addresses if each.startswith("/static/")):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "url(" not in answer.text
        assert "http" not in answer.text


def test_every_state_has_words_a_mark_and_a_colour(client):
    states = set(typing.get_args(State))
    assert set(STATE_HEADLINES) == set(STATES) == states
    template = (files("safegen.web") / "templates" / "file.html.j2").read_text()
    assert all(f'"{state}": ' in template.partition("%}")[0] for state in states)


def test_every_step_has_a_title():
    assert {code.split(".")[1] for code in CODES} <= set(STEP_TITLES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no revocation list was given (--revoked).", "this service has no revocation list."),
        (
            "no list vouches for that authority; name its root with --time-trust.",
            "no list vouches for that authority.",
        ),
        ("A signed it; your list root.pem vouches", "A signed it; the list root.pem vouches"),
        (
            "any name. Name the roots that you trust with --trust. Its certificate",
            "any name. Its certificate",
        ),
        (
            "nobody vouches for that: name whom you trust about identities with --identity-trust.",
            "nobody vouches for that.",
        ),
    ],
)
def test_findings_are_put_for_those_who_have_no_options(text, told):
    assert for_visitors(text) == told


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_a_picture_is_shown_when_it_is_of_moderate_size(form):
    def picture(side):
        out = io.BytesIO()
        Image.new("L", (side, 2)).save(out, form)
        return out.getvalue()

    kind = f"image/{form.lower()}"
    assert has_moderate_size(kind, picture(MAX_SIDE_PIXELS))
    assert not has_moderate_size(kind, picture(MAX_SIDE_PIXELS + 1))
    assert not has_moderate_size(kind, picture(5)[:9])
    assert not has_moderate_size("image/svg+xml", picture(5))

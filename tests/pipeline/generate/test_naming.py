"""What the files of a release are called."""

import json

import c2pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import safegen
from safegen.errors import RequestError
from safegen.pipeline.generate.naming import (
    DEFAULT_NAME_PATTERN,
    FIELDS,
    MAX_NAME_BYTES,
    names_of,
    new_id,
)
from safegen.pipeline.generate.request import parse_request
from safegen.schemas.names import receipt_beside

CLASSES = ("T-shirt/top", "漢字", "../..", "\U0001f40b", "a b")


def requests(count=2, label=None):
    return parse_request(count=count, purpose="x", label=label, seed=9, classes=CLASSES)


def named(name, count=2, label=None):
    return names_of(requests(count, label), name, own="0123456789ab", suffix=".png")


def test_by_default_no_two_releases_share_a_name():
    first, second = (
        names_of(requests(3), DEFAULT_NAME_PATTERN, own=new_id(), suffix=".webp") for _ in range(2)
    )
    assert not set(first) & set(second)
    assert [name[12:] for name in first] == ["-0001.webp", "-0002.webp", "-0003.webp"]
    assert len({new_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("template", "label", "first"),
    [
        ("{number}", None, "1.png"),
        ("{number:3}", None, None),  # a space in front
        ("{label}-{seed}-{number:03}", 3, "3-9-001.png"),
        ("{label_name}-{id}-{number}", 0, "T-shirt-top-0123456789ab-1.png"),
        ("{label_name}-{number}", 1, "漢字-1.png"),
        ("{label_name}-{number}", 2, "2-1.png"),  # nothing of the name can be in a file's
        ("{label_name}-{number}", 3, "3-1.png"),
        ("{label_name}{number}", 4, "a-b1.png"),
    ],
)
def test_templates(template, label, first):
    if first is None:
        with pytest.raises(RequestError, match="cannot be a file's name"):
            named(template, label=label)
    else:
        assert named(template, label=label)[0] == first


@pytest.mark.parametrize(
    "template",
    ["{other}{number}", "{}", "{number:04d}", "{id:3}{number}", "{id.__class__}", "{number!r}",
     "{number", "number}", "{{number}}", "{number:999999999}"],
)  # fmt: skip
def test_a_template_that_cannot_be_filled_in(template):
    with pytest.raises(RequestError, match=r"cannot be filled in: its fields are \{id\}"):
        named(template)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", " a", "a ", "\u202egnp", "\x00", "x" * 201,
     "\u6f22" * 67, 7, None],
)  # fmt: skip
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(RequestError, match="cannot be a file's name"):
        named(lambda _: name, count=1)


@pytest.mark.parametrize("template", ["same", "{label_name}", "{seed}"])
def test_a_name_twice_in_one_release(template):
    with pytest.raises(RequestError, match="two outputs would be called"):
        named(template, count=2, label=0)


def test_names_that_differ_only_where_disks_do_not_look():
    for pair in (("Straße", "STRASSE"), ("é", "e\u0301"), ("A", "a")):
        with pytest.raises(RequestError, match="two outputs"):
            named(lambda request, pair=pair: pair[request.index])


@given(st.text(alphabet="{}:01abidnumber_.!/ ", max_size=30))
def test_any_template_gives_fit_names_or_a_sentence(template):
    try:
        names = named(template)
    except RequestError:
        return
    assert len(set(names)) == 2
    assert all("/" not in name and len(name.encode()) <= MAX_NAME_BYTES + 4 for name in names)


def test_the_hook_is_told_the_request():
    assert named(lambda request: f"{request.label_name[:1]}{request.index}") == (
        "T0.png",
        "漢1.png",
    )


def test_every_field_is_documented():
    doc = safegen.Model.generate.__doc__
    assert all(f"{{{field}}}" in doc for field in FIELDS)


def test_the_name_is_signed(model, tmp_path):
    """Manifest, receipt and file agree, for outputs and for their explanations."""
    release = model.generate(1, label=2, purpose="x", name="two-{id}", explain="full")
    (path,) = release.save(tmp_path)
    assert path.name == f"two-{release.id}.png" == release.names[0]
    assert title_of(path) == path.name
    assert json.loads(receipt_beside(path).read_bytes())["file"] == path.name
    assert title_of(tmp_path / "explanations" / path.name) == f"explanations/{path.name}"


def title_of(path):
    with path.open("rb") as file, c2pa.Reader("image/png", file) as reader:
        said = json.loads(reader.json())
    return said["manifests"][said["active_manifest"]]["title"]


def test_a_name_is_refused_before_anything_is_made(model, monkeypatch):
    monkeypatch.setattr(type(model._generator), "draw", None)
    with pytest.raises(RequestError, match="cannot be filled in"):
        model.generate(1, purpose="x", name="{nmber}")

"""Shapes of pictures as they ever were, and of other kinds of data by name."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.card import NamedShape, PictureShape
from safegen.schemas.config import Architecture, PackageConfig

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MADE = {"family": "vae", "classes": 2, "latent": 4, "base": 4}
RAMPS = NamedShape(
    kind="ramps", sides={"length": 16, "columns": 2}, settings={"low": -2.0, "names": ("a", "b")}
)


@pytest.mark.parametrize("name", ["config.json", "config-4.json", "config-3.json", "config-2.json"])
def test_what_every_version_wrote_of_pictures_is_written_so_again(name):
    """A shape that names no kind is that of pictures, and says so of itself nowhere."""
    text = (GOLDEN / name).read_text()
    config = PackageConfig.model_validate_json(text)
    assert config.architecture.shape.kind == config.data.shape.kind == "image"
    written = config.model_dump_json(indent=2)
    before = json.loads(text)["architecture"]
    now = json.loads(written)["architecture"]
    assert list(now)[:4] == ["family", "channels", "height", "width"]
    assert before.items() <= now.items()
    assert '"kind"' not in written
    assert '"shape": {' in written  # of the data's card alone
    assert written.count('"shape"') == 1


def test_another_kind_names_itself_and_comes_back():
    made = Architecture(**MADE, shape=RAMPS)
    said = json.loads(made.model_dump_json())
    assert said["shape"] == {
        "kind": "ramps",
        "sides": {"length": 16, "columns": 2},
        "settings": {"low": -2.0, "names": ["a", "b"]},
    }
    assert "channels" not in said
    assert Architecture.model_validate_json(made.model_dump_json()) == made
    assert Architecture.model_validate_json(canonical_bytes(made)) == made


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        ({"channels": 2, "height": 28, "width": 28}, "a picture has 1 channel or 3"),
        ({"height": 28, "width": 28}, "channels"),
        ({}, "shape"),
        ({"channels": 1, "height": 28, "width": 28, "depth": 3}, "depth"),
        ({"shape": {"kind": "Ramps", "sides": {"length": 3}}}, "kind"),
        ({"shape": {"kind": "ramps", "sides": {}}}, "sides"),
        ({"shape": {"kind": "ramps", "sides": {"length": 0}}}, "sides"),
        ({"channels": 1, "shape": {"kind": "ramps", "sides": {"length": 3}}}, "channels"),
    ],
)
def test_what_is_no_shape_is_refused(sides, why):
    with pytest.raises(ValidationError, match=why):
        Architecture(**MADE, **sides)


def test_pictures_are_of_their_kind():
    assert PictureShape(channels=1, height=28, width=28).kind == "image"

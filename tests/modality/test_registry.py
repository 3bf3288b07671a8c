"""Kinds of data by name: what breaks the protocol is refused when it is registered."""

import importlib.util
import sys
from pathlib import Path

import pytest

from safegen.errors import DataError, InputError, PlanError
from safegen.modality import registry
from safegen.modality.image import ImageModality
from safegen.models import registry as networks
from safegen.schemas.card import NamedShape, PictureShape
from safegen.training import pretraining_sources as sources
from safegen.training.presets import registry as presets

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _own(monkeypatch):
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
    for room in (networks, presets):
        monkeypatch.setattr(room.BY_KIND, "_known", dict(room.BY_KIND._known))
    kept = set(sources.PRIORS)
    yield
    for name in set(sources.PRIORS) - kept:
        del sources.PRIORS[name]


@pytest.fixture
def ramps(monkeypatch):
    spec = importlib.util.spec_from_file_location("ramps", HERE / "ramps.py")
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ramps", made)
    spec.loader.exec_module(made)
    return made


def without(kind, part):
    """The class, with one part of it hidden."""
    return type("Broken", (kind,), {part: None})


def test_what_keeps_the_protocol_is_known_by_its_name(ramps):
    assert registry.register(ramps.Ramps) is ramps.Ramps
    assert registry.kind_named("ramps") is ramps.Ramps
    assert registry.modality_of(ramps.SHAPE).dimensions == (1, 16)
    assert {"image", "ramps"} <= set(registry.known())
    registry.register(ramps.Ramps)  # again is no other


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("name", "has the name None"),
        ("one", "has no text `one`"),
        ("quantity", "has no text `quantity`"),
        ("formats", "has no tuple `formats`"),
        ("step", "has no `step`"),
        ("of", "has no method `of`"),
        ("to_float", "has no method `to_float`"),
        ("to_stored", "has no method `to_stored`"),
        ("encode", "has no method `encode`"),
        ("decode", "has no method `decode`"),
        ("fingerprint", "has no method `fingerprint`"),
        ("regions", "has no method `regions`"),
        ("show", "has no method `show`"),
        ("mime", "has no property `mime`"),
        ("embeds", "has no property `embeds`"),
        ("dimensions", "has no property `dimensions`"),
    ],
)
def test_a_part_that_is_missing_is_named(ramps, part, said):
    with pytest.raises(InputError, match=said):
        registry.register(without(ramps.Ramps, part))
    with pytest.raises(DataError, match="no kind of data is called 'ramps'"):
        registry.kind_named("ramps")


def test_a_method_that_cannot_be_asked_is_named(ramps):
    class Broken(ramps.Ramps):
        def show(self, axes):
            """It is given what to show as well."""

    with pytest.raises(InputError, match="cannot be asked `show` with 2 arguments"):
        registry.register(Broken)


def test_a_name_is_one_kinds(ramps):
    registry.register(ramps.Ramps)

    class Other(ramps.Ramps):
        """Another class by that name."""

    with pytest.raises(InputError, match="called 'ramps' already"):
        registry.register(Other)

    class Image(ramps.Ramps):
        name = "image"

    with pytest.raises(InputError, match="called 'image' already"):
        registry.register(Image)
    assert registry.kind_named("image") is ImageModality


def test_networks_presets_and_priors_of_no_kind_are_refused(ramps):
    for register in (
        lambda: networks.register("ramps", ramps.NETWORKS),
        lambda: presets.register("ramps", presets.Presets(choose=ramps.choose)),
        lambda: sources.register("lines", sources.Prior(kind="ramps", words="", draw=ramps.drawn)),
    ):
        with pytest.raises(DataError, match="no kind of data is called 'ramps'"):
            register()


def test_networks_presets_and_priors_that_cannot_be_used_are_refused(ramps):
    registry.register(ramps.Ramps)
    for register, why in (
        (lambda: networks.register("ramps", ramps.Decoder), "the networks of 'ramps' are a type"),
        (
            lambda: networks.register("ramps", networks.Networks(decoder=ramps.Decoder, encoder=3)),
            "the networks of 'ramps' have a encoder that cannot be made",
        ),
        (
            lambda: presets.register("ramps", presets.Presets(choose=lambda _: None)),
            "the presets of 'ramps' cannot be asked as they will be",
        ),
        (lambda: sources.register("lines", ramps.drawn), "'lines' is no prior"),
        (
            lambda: sources.register("leaves", sources.Prior(kind="ramps", words="", draw=print)),
            "a prior cannot be called 'leaves'",
        ),
    ):
        with pytest.raises(InputError, match=why):
            register()
    with pytest.raises(PlanError, match="'ramps' has no networks"):
        networks.networks_of("ramps")
    with pytest.raises(PlanError, match="'ramps' has no presets"):
        presets.presets_of("ramps")


def test_a_shape_of_another_kind_is_refused(ramps):
    with pytest.raises(DataError, match="no shape of pictures"):
        ImageModality.of(NamedShape(kind="image", sides={"channels": 1}))
    registry.register(ramps.Ramps)
    with pytest.raises(DataError, match="no shape of ramps"):
        ramps.Ramps.of(PictureShape(channels=1, height=28, width=28))


def test_an_installed_package_offers_its_kind(tmp_path, monkeypatch):
    """As pip lays it down: a module, and metadata that names it."""
    (tmp_path / "offered.py").write_text((HERE / "ramps.py").read_text() + "\n\nregister()\n")
    about = tmp_path / "offered-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[safegen.modalities]\nramps = offered\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.kind_named("ramps").__module__ == "offered"
    assert presets.presets_of("ramps").priors == ("lines",)
    sys.modules.pop("offered")


def test_an_installed_package_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[safegen.modalities]\nramps = nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="of nowhere_to_be_found cannot be loaded"):
        registry.kind_named("ramps")

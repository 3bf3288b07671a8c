"""What breaks the protocol of screens is refused by its name when it is registered."""

import importlib.metadata

import pytest

from safegen.data.dataset import DataSet
from safegen.errors import InputError
from safegen.screens import registry
from safegen.screens.screen import digest_of


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_KNOWN", dict(registry.registered()))


def screen(**changed):
    members = {"name": "blank", "measure": lambda _, batch: [0.0] * len(batch)} | changed
    return type("Blank", (), {name: value for name, value in members.items() if value is not None})


def holding_records(self):
    self.records = DataSet.__new__(DataSet)


def broken(self):
    raise ValueError("no weights")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": None}, "Blank has the name None"),
        ({"name": "Sharp-ness"}, "Blank has the name 'Sharp-ness'"),
        ({"name": "while"}, "Blank has the name 'while'"),
        ({"name": ""}, "Blank has the name ''"),
        ({"measure": None}, r"screen 'blank' \(Blank\) has no method measure\(batch\)"),
        ({"measure": 7}, "has no method measure"),
        ({"measure": lambda _: []}, "measure must take one batch, and does not"),
        ({"measure": lambda _, _batch, _more: []}, "measure must take one batch, and does not"),
        ({"__init__": broken}, "making it raised ValueError: no weights"),
        ({"__init__": holding_records}, "holds records .*spends privacy, and a screen has no"),
        ({"name": "contrast"}, "'contrast' is registered already, by safegen.screens.ready"),
    ],
)
def test_what_breaks_the_protocol_is_refused_by_name(changed, reason):
    before = registry.registered().keys()
    with pytest.raises(InputError, match=reason):
        registry.register(screen(**changed))
    assert registry.registered().keys() == before


def test_a_screen_that_keeps_the_protocol_is_known_by_its_name():
    kind = screen()
    assert registry.register(kind) is kind
    assert isinstance(registry.registered()["blank"], kind)


def test_a_class_that_is_imported_anew_is_the_same_screen():
    kept = registry.registered()["contrast"]
    registry.register(type(kept))
    assert registry.registered()["contrast"] is kept


def offer(monkeypatch, value):
    """An installed package that offers a screen."""
    point = importlib.metadata.EntryPoint("blank", value, registry.GROUP)
    monkeypatch.setattr(
        registry, "entry_points", lambda *, group: [point] * (group == registry.GROUP)
    )
    registry._discover.cache_clear()


def test_an_installed_package_offers_screens(monkeypatch, tmp_path):
    (tmp_path / "offered.py").write_text(
        "class Blank:\n    name = 'blank'\n    def measure(self, batch): return [0.0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    offer(monkeypatch, "offered:Blank")
    blank = registry.registered()["blank"]
    first = digest_of(blank)
    assert first.startswith("sha256:")
    (tmp_path / "offered.py").write_text("class Blank: ...  # another of the same name\n")
    assert digest_of(blank) != first
    registry._discover.cache_clear()


def test_a_package_whose_screen_cannot_be_loaded_is_named(monkeypatch):
    offer(monkeypatch, "not_there_at_all:Blank")
    with pytest.raises(InputError, match="'blank' of not_there_at_all:Blank cannot be loaded"):
        registry.registered()
    registry._discover.cache_clear()

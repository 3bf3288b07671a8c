"""While it measures, a screen reaches no records: by no file, connection, process or thread."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest

from safegen.data.dataset import DataSet
from safegen.data.sources import load as load_data
from safegen.errors import InputError
from safegen.screens.confined import ConfinedError, confined
from safegen.screens.measure import measure
from safegen.screens.records import records_held
from safegen.screens.registry import known_with, register
from safegen.screens.screen import Batch


def batch(count=2):
    return Batch(samples=np.zeros((count, 1, 4, 4), dtype=np.uint8), requests=())


def said(call, name="curious"):
    """What became of a screen that does something beside its measurement."""

    def answer(self, seen):
        call()
        return [0.5] * len(seen)

    screen = type("Curious", (), {"name": name, "measure": answer})()
    return measure([screen], batch())[0]


@pytest.fixture
def records(tmp_path):
    np.save(tmp_path / "records.npy", np.zeros(3))
    return tmp_path / "records.npy"


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (np.load, "it tried to open .*records.npy"),
        (lambda path: path.read_bytes(), "it tried to open .*records.npy"),
        (lambda path: np.memmap(path, mode="r"), "it tried to open .*records.npy"),
        (sqlite3.connect, "it tried to open .*records.npy"),
        (lambda path: list(path.parent.iterdir()), "it tried to list "),
        (lambda path: subprocess.run(["cat", path], check=True), "it tried to (start|open) "),
        (lambda path: os.system(f"cat {path}"), "it tried to start cat"),
        (lambda _: socket.create_connection(("127.0.0.1", 9)), "it tried to "),
        (lambda _: urllib.request.urlopen("http://127.0.0.1:9"), "it tried to "),
        pytest.param(
            lambda path: threading.Thread(target=path.read_bytes).start(),
            "it tried to start a thread",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="Python does not tell"),
        ),
        (lambda _: load_data("digits"), "it tried to open "),
    ],
)  # fmt: skip
def test_a_screen_that_reaches_for_data_denies_by_name_with_what_it_tried(records, attempt, reason):
    seen = said(lambda: attempt(records))
    assert seen.scores == {}
    assert seen.failures.keys() == {"curious"}
    assert re.match(reason, seen.failures["curious"])
    assert "reads no data" in seen.failures["curious"]


def test_a_screen_that_goes_on_without_what_it_tried_is_believed_no_score(records):
    def quietly():
        try:
            records.read_bytes()
        except PermissionError:
            return

    assert "records.npy" in said(quietly).failures["curious"]


def test_computing_and_importing_code_are_no_look_at_data():
    def compute():
        sys.modules.pop("colorsys", None)
        import colorsys

        assert colorsys.rgb_to_hsv(1, 0, 0)[2] == 1
        assert np.linalg.svd(np.eye(50))[1].sum() == 50

    assert said(compute).scores == {"curious": 0.5}


def test_what_a_screen_needs_it_opens_before(records):
    class Prepared:
        name = "prepared"

        def open(self):
            self.values = np.load(records)

        def measure(self, seen):
            return [float(self.values.sum())] * len(seen)

    assert measure([Prepared()], batch())[0].scores == {"prepared": 0.0}


def test_only_the_thread_that_measures_is_confined(records):
    read = []
    with confined() as attempts, pytest.raises(ConfinedError):
        records.read_bytes()
    assert attempts == [f"open {records}"]
    with confined():
        pass
    read.append(records.read_bytes())
    assert read


class Records:
    """What holds a data set, somewhere."""

    def __init__(self, place):
        held = DataSet.__new__(DataSet)
        if place == "attribute":
            self.data = held
        elif place == "list":
            self.data = [0, {"deep": (held,)}]
        elif place == "closure":
            self.look = lambda: held
        elif place == "object":
            self.data = type("Box", (), {})()
            self.data.inside = held
        elif place == "default":
            self.look = lambda seen=held: seen
        elif place == "class":
            type(self).data = held

    name = "holding"

    def measure(self, seen):
        return [0.0] * len(seen)


@pytest.mark.parametrize(
    "place", ["attribute", "list", "closure", "object", "default", "class"]
)  # fmt: skip
def test_a_screen_that_holds_records_is_refused_however_deep_they_lie(place):
    holding = type("Holding", (Records,), {})(place)
    assert records_held(holding) == "DataSet"
    with pytest.raises(InputError, match=r"screen 'holding' .* holds records \(DataSet\)"):
        known_with([holding])


def test_a_screen_that_says_that_it_reads_records_is_refused():
    kind = type("Honest", (Records,), {"reads_records": True, "__init__": lambda _: None})
    with pytest.raises(InputError, match=r"holds records .it says so itself.; what reads records"):
        register(kind)


def test_a_screen_without_records_is_none_that_holds_some():
    assert records_held(Records("nowhere")) is None

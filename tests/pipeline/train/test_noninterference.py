"""Two whole trainings whose records differ leave the same, once every mechanism's output is fixed.

`safegen.train` runs as it does for anybody: keys, budget, ledger, package, signature. Only what
leaves a mechanism is replaced (`outlet.Canned`), and what is drawn comes from a seed. The
second run has other records under the same public card: what is declared public stays the same.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import safegen
from safegen.audit.noninterference import DECLARED, differing, interference, plain
from safegen.data.dataset import assemble
from safegen.pipeline.train import course, run
from safegen.pipeline.train import train as training
from safegen.pipeline.train.planning import preset_for
from safegen.pipeline.train.sealing import sealed
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.mechanism.outlet import Canned
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.provenance.c2pa.sdk import read_store
from safegen.provenance.log.ledger import Ledger
from safegen.training import checkpoint

COUNT, CLASSES, STEPS = 42, 4, 24  # two checkpoints' worth
LONE = COUNT - 1  # the only record of the last class, and the last of the last group
GROUP = 3  # records of each group


def records():
    source = np.random.default_rng(0)
    images = (source.random((COUNT, 1, 28, 28)) * source.random((COUNT, 1, 1, 1)) * 200).round()
    labels = np.append(np.arange(COUNT - 1) % (CLASSES - 1), CLASSES - 1)
    return assemble(
        images.astype(np.uint8), labels, ("a", "b", "c", "d"),
        name="made up", source="a test", licence="none",
    )  # fmt: skip


def changed(change):
    """A way to put other records under the same seal."""

    def put(data):
        held = data.records._held
        pictures, labels = held.stored.clone(), held.labels.clone()
        groups = None if held.groups is None else held.groups.copy()
        change(pictures, labels, groups)
        return PrivateRecords(pictures, labels, groups)

    return put


def without_the_last(data):
    unit = LONE if data.records._held.groups is None else LONE // GROUP
    return data.records.without([unit])


def almost_nobody(data):
    groups = data.records._held.groups
    units = COUNT if groups is None else int(groups.max()) + 1
    return data.records.without(range(1, units))


def another_label(pictures, labels, groups):
    labels[LONE] = 0


def black(pictures, labels, groups):
    pictures[LONE] = 0


def white(pictures, labels, groups):
    pictures[LONE] = 255


def all_alike(pictures, labels, groups):
    pictures[:] = pictures[0]


def one_class_alone(pictures, labels, groups):
    labels[:] = 1


def another_group(pictures, labels, groups):
    """The last record goes to the first group, which then has one more."""
    if groups is not None:
        groups[LONE] = 0


NEIGHBOURS = {
    "less one": without_the_last,
    "almost nobody": almost_nobody,
    **{
        each.__name__: changed(each)
        for each in (another_label, black, white, all_alike, one_class_alone, another_group)
    },
}


def fix_everything(patch, neighbour=None):
    """Canned outputs, draws from a seed, few pictures to learn from, and other records."""
    whole_training = course.training_of

    def fixed(*asked, **options):
        made = whole_training(*asked, **(options | {"outlet": Canned()}))
        made.fix_draws(public=0, secret=0)
        return made

    def few(*asked):
        chosen = preset_for(*asked)
        recipe = chosen.recipe.model_copy(update={"prior_pictures": 300, "prior_epochs": 1})
        return dataclasses.replace(chosen, recipe=recipe)

    def put(data):
        held = sealed(data)
        if neighbour is None:
            return held
        card = held.card.model_copy(update={"digest": "sha256:" + "0" * 64})
        return dataclasses.replace(held, card=card, records=NEIGHBOURS[neighbour](held))

    patch.setattr(course, "training_of", fixed)
    patch.setattr(run, "training_of", fixed)
    patch.setattr(run, "Releases", functools.partial(run.Releases, outlet=Canned(seed=1)))
    patch.setattr(run, "preset_for", few)
    patch.setattr("safegen.training.releases.warmstart.DRAWN_PICTURES", 300)
    patch.setattr(training, "sealed", put)
    patch.setattr(run, "rehearse_run", lambda _: None)  # it would rehearse what is planted here


def trained(folder, keys, neighbour=None, stopped=None, **wishes):
    """Train, and give back all that it left as named bytes."""
    trace: dict[str, bytes] = {}

    def heard(stage, done, total):
        trace["progress"] = trace.get("progress", b"") + f"{stage} {done}/{total}\n".encode()

    fields = {
        "out": folder / "model", "steps": STEPS, "batch": 8, "canaries": 0, "epsilon": 9.0,
        "delta": 1e-3, "noise_multiplier": 6.0, "keys": keys, "ledger": folder / "ledger.db",
        "budget": str(folder / "budget.db"), "progress": heard, "device": "cpu",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        fix_everything(patch, neighbour)
        whole, kept = checkpoint.keep, []

        def keep(path, standing, tensors):
            name = f"checkpoint {len(kept)}"
            kept.append(name)
            trace[f"{name}: standing"] = plain(standing.model_dump_json())
            for part, tensor in tensors.items():
                trace[f"{name}: {part}"] = tensor.detach().numpy().tobytes()
            whole(path, standing, tensors)

        patch.setattr(checkpoint, "keep", keep)
        if stopped is not None:
            with patch.context() as inner:
                inner.setattr(*stopped)
                with pytest.raises(ZeroDivisionError):
                    safegen.train(records(), **(fields | wishes))
            places = {name: fields[name] for name in ("keys", "ledger", "budget")}
            safegen.resume(
                fields["out"],
                records(),
                execution=safegen.Execution(device="cpu"),
                workspace=safegen.Workspace(**places),
                progress=heard,
            )
        else:
            safegen.train(records(), **(fields | wishes))
    return trace | package_of(folder)


def package_of(folder):
    """The files of a package without what is declared to differ, and the two ledgers' rows."""
    model = folder / "model"
    trace = {"weights": (model / "weights.safetensors").read_bytes()}
    for name in ("config.json", "certificate.json"):
        trace[name] = plain((model / name).read_bytes())
    page = (model / "README.md").read_text()
    trace["README.md"] = undated(page)
    trace["files"] = "\n".join(sorted(each.name for each in model.iterdir())).encode()
    told = claims_of(model)
    trace["manifest"] = undated(told)
    trace["ledger"] = str(len(Ledger(folder / "ledger.db"))).encode()
    (account,) = Budget(str(folder / "budget.db")).accounts()
    trace["budget"] = repr(dataclasses.replace(account, digest="")).encode()
    return trace


def undated(text):
    """Without the time of day, and without digests of what is compared itself or committed to."""
    moments = r"20\d\d-\d\d-\d\dT[0-9:+]+"
    digests = r"(salted-)?sha256:[0-9a-f]{64}|[A-Za-z0-9+/]{43}="
    return re.sub(f"{moments}|{digests}", "", text).encode()


def claims_of(model):
    weights, beside = (
        (model / name).read_bytes() for name in ("weights.safetensors", "model.c2pa")
    )
    told = read_store(weights, "application/octet-stream", trust=None, beside=beside)
    (made,) = told["manifests"].values()
    return json.dumps(made["assertions"], sort_keys=True)


def undrawn(trace):
    """Without how many units were drawn, which is in checkpoints alone, and secret."""
    return {name: held for name, held in trace.items() if ": draws/" not in name}


def compare(one, other):
    assert differing(one, other) == ()
    assert interference([one, other]).sound
    assert len(one) > 100


@pytest.fixture
def keys(made):
    return made.keys


def group_file(folder):
    lines = [f"{number},{number // GROUP}" for number in range(COUNT)]
    path = folder / "groups.csv"
    path.write_text("\n".join(["record,group", *lines]))
    return path


def test_whoever_is_missing_the_same_is_published(keys, tmp_path, capfd, caplog):
    """The short one; the matrix below is the whole."""
    caplog.set_level(logging.DEBUG)
    wishes = {"model": "vae", "prior": "none", "warm_start": "moments"}
    found, told = [], []
    for number, neighbour in enumerate((None, "almost nobody")):
        folder = tmp_path / str(number)
        found.append(trained(folder, keys, neighbour, **wishes))
        lines = [each.getMessage() for each in caplog.records if each.name.startswith("safegen")]
        told.append((lines, capfd.readouterr()))
        caplog.clear()
    compare(*found)
    assert told[0] == told[1]


def test_with_real_outputs_the_same_comparison_fails(keys, tmp_path, monkeypatch):
    """So that it can: noise of its own is in every part that was noised."""
    monkeypatch.setattr(Canned, "__call__", lambda _, output: output.noisy)
    wishes = {"model": "vae", "prior": "none", "warm_start": "moments"}
    one, other = (trained(tmp_path / name, keys, **wishes) for name in "ab")
    found = differing(one, other)
    assert "weights" in found
    assert "checkpoint 2: private/encoder.head.weight" in found
    assert "certificate.json" not in found


STARTS = [("none", "none"), ("none", "moments"), ("strokes", "none"), ("leaves", "moments")]


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(("prior", "warm_start"), STARTS)
@pytest.mark.parametrize("family", ["vae", "gan"])
def test_every_sort_of_run_leaves_the_same(keys, tmp_path, family, prior, warm_start, grouped):
    wishes = {"model": family, "prior": prior, "warm_start": warm_start}
    if grouped:
        wishes["groups"] = group_file(tmp_path)
    first = trained(tmp_path / "first", keys, **wishes)
    for number, neighbour in enumerate(NEIGHBOURS):
        other = trained(tmp_path / str(number), keys, neighbour, **wishes)
        if neighbour == "another_group":  # a larger group takes more of the one seeded stream
            first, other = undrawn(first), undrawn(other)
        compare(first, other)


MOMENTS = {
    "before the first step": ("safegen.training.loop.Training._step", lambda *_: 1 / 0),
    "at the end": ("safegen.training.loop.Training._finish", lambda *_: 1 / 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_run_that_was_interrupted_leaves_the_same(keys, tmp_path, family, moment):
    wishes = {"model": family, "prior": "strokes", "warm_start": "moments"}
    wishes["stopped"] = MOMENTS[moment]
    first = trained(tmp_path / "first", keys, **wishes)
    for number, neighbour in enumerate(("less one", "white", "almost nobody")):
        compare(first, trained(tmp_path / str(number), keys, neighbour, **wishes))


PROGRAM = """
import importlib.util, os, pickle, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("noninterference", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
folder, keys, neighbour = Path(sys.argv[2]), sys.argv[3], sys.argv[4]
with tests.pytest.MonkeyPatch.context() as patch:
    tests.fix_everything(patch, None if neighbour == "-" else neighbour)
    tests.safegen.train(
        tests.records(), out=folder / "model", steps=tests.STEPS, batch=8, canaries=0, epsilon=9.0,
        delta=1e-3, noise_multiplier=6.0, keys=keys, ledger=folder / "ledger.db",
        budget=str(folder / "budget.db"), device="cpu", model=sys.argv[5], prior="none",
        warm_start="moments",
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize(("family", "port"), [("vae", 29641), ("gan", 29642)])
def test_two_processes_leave_the_same(keys, tmp_path, family, port):
    program, found = tmp_path / "program.py", []
    program.write_text(PROGRAM)
    for name in ("-", "less one", "white"):
        folder = tmp_path / family / name.replace(" ", "")
        folder.mkdir(parents=True)
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
                "--master-port", str(port), str(program), __file__, str(folder), str(keys), name,
                family,
            ],
            capture_output=True, text=True, check=False, timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(package_of(folder))
    for other in found[1:]:
        assert differing(found[0], other) == ()


def test_only_what_is_declared_is_left_out_of_a_comparison(made):
    for name in ("config.json", "certificate.json"):
        whole = json.loads((made.model / name).read_bytes())
        compared = json.loads(plain((made.model / name).read_bytes()))
        assert whole.keys() - compared.keys() <= {"created", "lower_bound"}
        assert whole["data"].keys() - compared["data"].keys() == {"digest"}
    facts = set(checkpoint.RunFacts.model_fields)
    assert facts & DECLARED.keys() == {"data_digest", "grouping", "token", "release_key"}


def test_a_leak_in_the_card_alone_is_seen(keys, tmp_path, monkeypatch):
    """A page that tells how bright the records are, to one decimal."""
    shades = []
    whole_sealed = PrivateRecords.derived

    def seen(self, make, *, rows):
        shades.append(float(self._held.stored.float().mean()))
        return whole_sealed(self, make, rows=rows)

    from safegen.pipeline.train import publish

    whole = publish.model_card
    monkeypatch.setattr(PrivateRecords, "derived", seen)
    monkeypatch.setattr(
        publish, "model_card", lambda *asked: whole(*asked) + f"\nbrightness {shades[-1]:.1f}\n"
    )
    wishes = {"model": "vae", "prior": "none", "warm_start": "none"}
    one, other = (trained(tmp_path / str(n), keys, n, **wishes) for n in (None, "all_alike"))
    assert differing(one, other) == ("README.md",)

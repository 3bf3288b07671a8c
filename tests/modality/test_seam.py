"""A new kind of data, through the seam alone: no file of safegen is touched, and none knows it.

`ramps.py` beside this file is all of it. It goes through what pictures go through: plan, budget,
engine, package, policy, explanation, sidecar, ledger, verification, evaluation and audit.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

import safegen
from safegen.config.evaluation import EvaluationConfig
from safegen.errors import PlanError, RequestError, TamperedError
from safegen.modality import registry
from safegen.models import registry as networks
from safegen.package import files
from safegen.pipeline.audit import audit_package
from safegen.pipeline.evaluate import Samples, evaluate
from safegen.pipeline.explain import made_again, read_explained
from safegen.provenance.keys import pki
from safegen.provenance.log.ledger import Ledger
from safegen.report.evaluation import render
from safegen.schemas.canonical import sha256
from safegen.training import pretraining_sources as sources
from safegen.training.presets import registry as presets


@pytest.fixture(scope="module")
def ramps():
    """The kind of data, known as long as this module's tests run."""
    spec = importlib.util.spec_from_file_location("ramps", Path(__file__).with_name("ramps.py"))
    made = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ramps", made)
        patch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
        for room in (networks, presets):
            patch.setattr(room.BY_KIND, "_known", dict(room.BY_KIND._known))
        spec.loader.exec_module(made)
        made.register()
        yield made
        del sources.PRIORS["lines"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    pki.init(folder / "keys")
    return safegen.Workspace(
        keys=folder / "keys", ledger=folder / "ledger.db", budget=str(folder / "budget.db")
    )


@pytest.fixture(scope="module")
def trained(ramps, house, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ramps") / "model"
    return safegen.train(ramps.data(), out=folder, workspace=house)


@pytest.fixture(scope="module")
def opened(ramps, house, trained):
    return safegen.load(trained.folder, workspace=house)


@pytest.fixture(scope="module")
def saved(opened, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ramps") / "out"
    release = opened.generate(
        4, seed=3, purpose="a test of the seam", name="{number:02}", explain="full"
    )
    return release.save(folder)


def root(house):
    return Path(house.keys) / "root.pem"


def test_a_run_is_certified_as_one_on_pictures_is(trained, ramps):
    certificate = trained.certificate
    assert certificate.epsilon <= 8
    assert certificate.lower_bound is not None
    assert certificate.data.shape == ramps.SHAPE
    assert any("lines: straight lines" in each for each in certificate.public_by_assumption)
    text = (trained.folder / "config.json").read_text()
    assert text.count('"kind": "ramps"') == 2  # of the architecture, and of the data
    assert '"channels"' not in text
    card = (trained.folder / "README.md").read_text()
    assert "that makes ramps of 16 values like those of prices" in card
    assert "conditional-ramps-generation" in card
    assert "picture" not in card.partition("## Privacy")[0]


def test_what_was_learnt_shows(ramps, opened):
    with pytest.warns(safegen.errors.UnsafeWarning):
        up, down = (
            opened.unsafe_sample(200, reason="a test", label=label, seed=0)
            for label in ("up", "down")
        )
    rise = [each[:, 0, -1].mean() - each[:, 0, 0].mean() for each in (up, down)]
    assert rise[0] > 0.1 > -0.1 > rise[1]


def test_outputs_leave_with_all_that_belongs_to_them(saved, opened):
    folder = saved[0].parent
    assert {each.name for each in folder.rglob("*") if each.is_file()} >= {
        f"{number:02}{suffix}"
        for number in (1, 2, 3, 4)
        for suffix in (".csv", ".csv.c2pa", ".receipt.json", ".png")
    }
    text = saved[0].read_text().split()
    assert text[0] == "value"
    assert len(text) == 17
    release = opened.generate(1, seed=3, purpose="in memory", label="down")
    (output,) = release.outputs
    assert b"c2pa" not in output.data
    assert b"c2pa" in output.beside
    assert (folder / "explanations" / "01.png").read_bytes()[:4] == b"\x89PNG"


def test_a_release_is_saved_once_and_not_over_a_strangers_manifest(opened, tmp_path):
    release = opened.generate(2, seed=1, purpose="twice", name="{number}")
    first = release.save(tmp_path / "out")
    assert release.save(tmp_path / "out") == first
    (tmp_path / "out" / "1.csv.c2pa").write_bytes(b"another's")
    with pytest.raises(safegen.errors.StorageError, match=r"1\.csv"):
        release.save(tmp_path / "out")
    other = opened.generate(1, seed=1, purpose="in the way", name="alone")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "alone.csv.c2pa").write_bytes(b"somebody's")
    with pytest.raises(safegen.errors.StorageError, match=r"already holds alone\.csv\.c2pa"):
        other.save(tmp_path / "taken")


def test_outputs_are_verified_where_nobody_knows_their_kind(saved, house, ramps, monkeypatch):
    """A verifier needs no plug-in: what is signed says all that it asks."""
    monkeypatch.setattr(registry, "_KNOWN", {})
    verdicts = safegen.verify_tree([saved[0].parent], trust=root(house), ledger=house.ledger)
    outputs = [each for each in verdicts if each.path.endswith(".csv")]
    assert [each.state for each in outputs] == ["trusted"] * 4
    found = {each.step: each.outcome for each in outputs[0].findings}
    assert {found[each] for each in ("manifest", "integrity", "signer", "ledger", "privacy")} == {
        "passed"
    }
    assert found["policy"] == "passed"
    assert found["fingerprint"] == "not_checked"  # it states none
    figures = [each for each in verdicts if each.path.endswith(".png")]
    assert [each.state for each in figures] == ["trusted"] * 4


def test_a_number_that_was_changed_is_found(saved, house, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(saved[0].parent, folder)
    text = (folder / "02.csv").read_text()
    (folder / "02.csv").write_text(text.replace(".", ".9", 1))
    verdict = safegen.verify(folder / "02.csv", trust=root(house), ledger=house.ledger)
    assert verdict.state == "invalid"
    with pytest.raises(TamperedError, match="is not what was signed"):
        read_explained(folder / "02.csv")


def test_the_ledger_knows_every_file(saved, house):
    log = Ledger(house.ledger)
    for path in saved:
        figure = path.parent / "explanations" / f"{path.stem}.png"
        kinds = [log.find(sha256(each.read_bytes()))[0].kind for each in (path, figure)]
        assert kinds == ["output", "explanation"]


def test_an_output_is_explained_and_made_again(saved, trained, house, ramps, tmp_path):
    explained = read_explained(saved[1])
    assert explained.modality.name == "ramps"
    assert (explained.explanation.grid.rows, explained.explanation.grid.columns) == (1, 4)
    assert explained.attributions.shape == (4, 4 + 1)  # regions; latents, and the label
    assert explained.explanation.completeness_gap < 0.05
    assert made_again(explained, trained.folder).same_sample
    other = safegen.train(
        ramps.data(seed=1), out=tmp_path / "other", workspace=house,
        training=safegen.TrainingConfig(pretraining="none", steps=2),
    )  # fmt: skip
    assert not made_again(explained, other.folder).same_sample


def test_a_certificate_follows_from_its_events(trained):
    assert safegen.verify(trained.folder / "weights.safetensors").findings


def test_evaluation_measures_what_it_can_and_shows_figures(ramps, trained, house):
    found = evaluate(
        trained.folder, ramps.data(), held_out=ramps.data(400, seed=7), trust=root(house),
        workspace=house, evaluation=EvaluationConfig(count=400), samples=Samples(columns=1),
    )  # fmt: skip
    assert found.report.utility is None  # no classifier of ramps is here
    assert "no classifier of them is here" in found.report.fidelity.features
    assert found.report.fidelity.frechet.value > 0
    assert found.report.neighbours is not None
    assert [each.data[:5] for each in found.shown] == [b"value", b"value"]
    page = render(found)
    assert page.count("data:image/png;base64") == 2


def test_members_are_attacked_as_pictures_are(ramps, trained, house):
    audit = audit_package(
        trained.folder, trust=root(house), members=ramps.data(), others=ramps.data(400, seed=7),
        budget=house.budget,
    )  # fmt: skip
    assert 0.3 < audit.membership.auc.value < 0.7
    assert {"canaries in the run", "membership inference"} <= {
        each.name for each in audit.report.attacks
    }


def test_what_a_kind_does_not_have_is_refused_in_a_sentence(ramps, opened, house, tmp_path):
    with pytest.raises(RequestError, match="no format of ramps 'png'; choose csv"):
        opened.generate(1, purpose="x", format="png")
    for training, why in (
        (safegen.TrainingConfig(family="gan"), "ramps are made by a VAE"),
        (safegen.TrainingConfig(pretraining="leaves"), "no prior 'leaves' of ramps data"),
    ):
        with pytest.raises(PlanError, match=why):
            safegen.train(
                ramps.data(seed=2), out=tmp_path / "x", workspace=house, training=training
            )
    with pytest.raises(safegen.errors.DataError, match="and prices-vae makes ramps of 16 values"):
        evaluate(opened.folder, _digits(), trust=root(house), workspace=house)


def test_a_package_of_a_kind_that_nobody_knows_names_it(trained, house, monkeypatch):
    monkeypatch.setattr(registry, "_KNOWN", {})
    assert files.read(trained.folder).config.data.shape.kind == "ramps"  # it is read all the same
    with pytest.raises(safegen.errors.DataError, match="no kind of data is called 'ramps' here"):
        safegen.load(trained.folder, workspace=house)


def _digits():
    return safegen.load_data("digits")

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import safegen
from safegen.config.evaluation import EvaluationConfig
from safegen.data.dataset import assemble
from safegen.data.sources import load
from safegen.errors import DataError, InputError, KeyMaterialError, TamperedError, TrainingError
from safegen.evaluation.measure import drawn_labels
from safegen.evaluation.protocols import PROTOCOLS
from safegen.pipeline.evaluate import Samples, device_named, evaluate, figures_of

ONCE = EvaluationConfig(seeds=1)


@pytest.fixture(scope="module")
def made(made_apart):
    """An evaluation writes its figures on the model card, which is everybody's."""
    return made_apart


@pytest.fixture(autouse=True, scope="module")
def _small_protocols():
    """A few steps instead of hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, changes in {
            "quick": {"pictures": 200, "least_pictures": 200, "seeds": 2, "least_steps": 12},
            "dpimagebench": {"pictures": 40, "least_pictures": 40, "epochs": 1, "least_steps": 1},
        }.items():
            small = dataclasses.replace(PROTOCOLS[name], batch=32, **changes)
            patch.setitem(PROTOCOLS, name, small)
        yield


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def others(digits):
    """Records like digits that are nobody's: each shifted by two pixels."""
    return other(digits, images=np.roll(digits.images, 2, axis=3)[:300], labels=digits.labels[:300])


@pytest.fixture(scope="module")
def done(made, digits, others):
    return evaluate(made.model, digits, held_out=others, trust=made.root)


def other(data, **changes):
    """Another data set like this one."""
    arrays = {"images": data.images, "labels": data.labels, "classes": data.card.classes} | changes
    name = changes.pop("name", "others")
    arrays.pop("name", None)
    return assemble(**arrays, name=name, source="a test", licence="none", public=True)


def test_every_figure_stands_beside_its_ceiling(done):
    report = done.report
    assert len(report.utility.synthetic.accuracy.runs) == 2
    assert 0 < report.utility.synthetic.accuracy.mean <= 1
    assert report.utility.real.accuracy.mean > 0.3  # well above chance after a dozen steps
    assert report.fidelity.frechet.value > 0
    assert report.fidelity.count == 200
    assert report.neighbours.records == 300
    assert not report.neighbours.copies
    assert report.method.seeds == (0, 1)
    assert (report.utility.pictures, report.utility.tested) == (200, 300)


def test_the_model_card_tells_the_figures_of_public_records(made, done):
    card = (Path(made.model) / "README.md").read_text()
    assert "accuracy, trained on synthetic records (quick protocol)" in card
    assert f"{done.report.utility.synthetic.accuracy.mean:.4g}" in card


def test_the_model_card_says_which_classifiers_were_alone(done):
    method = done.report.method.model_copy(update={"protocol": "dpimagebench"})
    names = []
    for networks in (("resnet", "wrn"), PROTOCOLS["dpimagebench"].networks):
        asked = method.model_copy(update={"networks": networks})
        names.append(figures_of(done.report.model_copy(update={"method": asked}))[0].name)
    kind = "accuracy, trained on synthetic records"
    assert names == [
        f"{kind} (dpimagebench protocol, resnet and wrn alone)", f"{kind} (dpimagebench protocol)",
    ]  # fmt: skip


def test_it_says_what_was_compared_with_what(done, made):
    report = done.report
    assert (
        report.model_digest
        == safegen.load(
            made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
        ).digest
    )
    assert report.same_records
    assert report.held_out.what == "the records of others, named as held out"
    assert not report.held_out.seen
    assert all("worse than guessing" in note for note in report.notes)  # so few steps may be
    assert (report.method.augment, report.method.augment_because) == (
        "affine", "by the data set's name, digits",
    )  # fmt: skip


def test_the_same_seed_measures_the_same(made, digits, others, done):
    again = evaluate(made.model, digits, held_out=others, trust=made.root)
    assert again.report == done.report
    other_seed = evaluate(
        made.model,
        digits,
        held_out=others,
        trust=made.root,
        evaluation=EvaluationConfig(seed=9, seeds=1),
    )
    assert other_seed.report.utility != done.report.utility


def test_without_held_out_records_it_says_so(made):
    report = evaluate(made.model, "digits", trust=made.root, evaluation=ONCE).report
    assert report.held_out.seen
    assert report.held_out.count == 359  # a fifth
    assert report.neighbours is None
    assert "There is no held-out set" in report.notes[0]
    assert "flatter" in report.notes[0]


def test_private_records_are_for_their_owner(made, digits, others):
    private = dataclasses.replace(others, card=others.card.model_copy(update={"public": False}))
    done = evaluate(made.model, digits, held_out=private, trust=made.root, evaluation=ONCE)
    assert done.report.outside_guarantee
    assert "outside the privacy guarantee" in done.report.publishing
    assert done.real is None
    public = evaluate(made.model, digits, held_out=others, trust=made.root, evaluation=ONCE)
    assert not public.report.outside_guarantee
    assert public.real is not None


def test_other_records_than_the_packages_are_named_as_such(made, digits, others):
    strangers = other(digits, images=np.roll(digits.images, 1, axis=2), name="strangers")
    told = []
    report = evaluate(
        made.model, strangers, held_out=others, trust=made.root, evaluation=ONCE,
        progress=lambda stage, *_: told.append(stage),
    ).report  # fmt: skip
    # Before any work.
    assert told[0] == "opening records that are not known to be those it was trained on"
    assert not report.same_records
    assert report.neighbours is None
    assert any("strangers is not the data set" in note for note in report.notes)


def test_training_records_are_no_held_out_ones(made, digits):
    with pytest.raises(DataError, match="training records too"):
        evaluate(made.model, digits, held_out=digits, trust=made.root)


def test_a_few_repeated_records_are_told_of(made, digits, others):
    mixed = other(
        digits,
        images=np.concatenate([others.images, digits.images[:7]]),
        labels=np.concatenate([others.labels, digits.labels[:7]]),
    )
    report = evaluate(made.model, digits, held_out=mixed, trust=made.root, evaluation=ONCE).report
    assert report.notes[0].startswith("7 of the records of others")


def test_labels_are_matched_by_their_names(made, digits, others):
    turned = other(
        digits, images=others.images, labels=9 - others.labels, classes=tuple("9876543210")
    )
    one, two = (
        evaluate(made.model, digits, held_out=each, trust=made.root, evaluation=ONCE).report.utility
        for each in (others, turned)
    )
    assert one == two


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((60, 1, 28, 28), np.uint8)}, "grey pictures of 28x28"),
        ({"images": np.zeros((60, 3, 32, 32), np.uint8)}, "RGB pictures of 32x32"),
        ({"classes": (*"012345678", "nine")}, "'nine'"),
    ],
)
def test_records_of_another_kind_are_refused(made, digits, change, words):
    arrays = {"images": digits.images[:60], "labels": digits.labels[:60]} | change
    with pytest.raises(DataError, match=words):
        evaluate(made.model, other(digits, **arrays), trust=made.root)


def test_too_few_test_records_are_refused(made, digits):
    few = other(digits, images=255 - digits.images[:19], labels=digits.labels[:19])
    with pytest.raises(DataError, match="20 or more"):
        evaluate(made.model, digits, held_out=few, trust=made.root)


def test_a_test_of_one_class_only_has_figures_for_that_class(made, digits, others):
    sevens = others.labels == 7
    held_out = other(digits, images=others.images[sevens], labels=others.labels[sevens])
    utility = evaluate(
        made.model, digits, held_out=held_out, trust=made.root, evaluation=ONCE
    ).report.utility
    assert [each.name for each in utility.by_class if each.recall_real is not None] == ["7"]


def test_a_package_of_a_stranger_is_not_evaluated(made, tmp_path):
    from safegen.provenance.keys import pki

    pki.init(tmp_path / "keys")
    with pytest.raises(TamperedError):
        evaluate(made.model, "digits", trust=tmp_path / "keys" / "root.pem")


def test_what_makes_no_sense_is_refused(made):
    for wrong in ({"count": 3}, {"seeds": 0}, {"seed": -1}, {"device": "tpu"}):
        with pytest.raises(InputError):
            evaluate(made.model, "digits", trust=made.root, evaluation=EvaluationConfig(**wrong))


def test_days_on_a_processor_are_not_begun_unasked(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"several weeks.*--device cpu"):
        device_named("auto", PROTOCOLS["dpimagebench"])
    assert device_named("cpu", PROTOCOLS["dpimagebench"]).type == "cpu"
    assert device_named("auto", PROTOCOLS["quick"]).type == "cpu"
    with pytest.raises(InputError, match="no CUDA device"):
        device_named("cuda", PROTOCOLS["quick"])


def test_a_full_gpu_is_named(made, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("safegen.evaluation.utility.fit", full)
    with pytest.raises(TrainingError, match=r"the GPU's memory ran out; .*--device cpu, and meas"):
        evaluate(made.model, "digits", trust=made.root)


def test_the_dpimagebench_protocol_averages_its_networks(made, digits, others, monkeypatch):
    small = dataclasses.replace(PROTOCOLS["dpimagebench"], networks=("resnet", "wrn"))
    monkeypatch.setitem(PROTOCOLS, "dpimagebench", small)
    report = evaluate(
        made.model, other(digits, images=digits.images[:120], labels=digits.labels[:120]),
        held_out=other(digits, images=others.images[:30], labels=others.labels[:30]),
        trust=made.root, evaluation=EvaluationConfig(protocol="dpimagebench", device="cpu"),
    ).report  # fmt: skip
    assert len(report.utility.synthetic.accuracy.runs) == 2
    assert "validation records, with noise" in report.method.chosen
    assert report.utility.records == 40
    assert report.method.augment == "none"


def test_samples_are_released_like_any_output(made, digits, others, tmp_path):
    ledger = tmp_path / "ledger.db"
    asked = {
        "samples": Samples(columns=2),
        "workspace": safegen.Workspace(keys=made.keys, ledger=ledger),
    }
    done = evaluate(made.model, digits, held_out=others, trust=made.root, evaluation=ONCE, **asked)
    assert len(done.shown) == 20
    assert done.real.shape == (20, 1, 32, 32)
    file = tmp_path / "saved.png"
    file.write_bytes(done.shown[3].data)
    verdict = safegen.verify(file, trust=made.root, ledger=str(ledger))
    assert verdict.state == "trusted"
    assert done.shown[3].receipt.request.label_name == "3"


def test_keys_that_are_not_there_are_missed_before_any_work(made, digits, others, tmp_path):
    told = []
    with pytest.raises(KeyMaterialError, match=r"no leaf\.pem in"):
        evaluate(
            made.model, digits, held_out=others, trust=made.root,
            samples=Samples(), workspace=safegen.Workspace(
                    keys=tmp_path / "nokeys", ledger=tmp_path / "ledger.db"
                ),
            progress=lambda stage, *_: told.append(stage),
        )  # fmt: skip
    assert not told


def test_samples_that_the_policy_refuses_are_withheld_with_its_reason(
    made, digits, others, tmp_path
):
    strict = tmp_path / "strict.yaml"
    strict.write_text(
        "name: strict\ndescription: Nothing leaves.\nrules:\n"
        "  - id: never\n    stage: request\n    require: model.epsilon < 0.0\n    because: Never.\n"
        "  - id: signed\n    stage: release\n    require: output.signed\n    because: Always.\n"
    )
    asked = {
        "samples": Samples(policy=strict),
        "workspace": safegen.Workspace(keys=made.keys, ledger=str(tmp_path / "l.db")),
    }
    done = evaluate(made.model, digits, held_out=others, trust=made.root, evaluation=ONCE, **asked)
    assert done.shown == ()
    assert done.withheld.startswith("the policy refused them")


def test_without_keys_nothing_leaves(done):
    assert done.shown == ()
    assert "--keys" in done.withheld


@pytest.mark.parametrize(("count", "classes"), [(7, 3), (20, 10), (1, 4), (30_000, 7)])
def test_every_class_is_drawn_alike(count, classes):
    labels = drawn_labels(count, classes)
    assert len(labels) == count
    assert np.ptp(np.bincount(labels, minlength=classes)) <= 1


def test_released_weights_would_be_followed():
    weights = np.array([0.1, 0.0, 0.6, 0.3])
    assert np.bincount(drawn_labels(1000, 4, weights)).tolist() == [100, 0, 600, 300]

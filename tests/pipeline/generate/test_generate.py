import json

import numpy as np
import pytest

import safegen
from safegen.errors import (
    KeyMaterialError,
    Refused,
    RequestError,
    SafegenError,
    StorageError,
    TamperedError,
)
from safegen.explain.arrays import array_digest
from safegen.modality.image import pixels_of
from safegen.pipeline.explain import made_again, read_explained
from safegen.provenance.c2pa.manifest import read
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.receipts import receipt_error
from safegen.schemas.canonical import digest, sha256
from safegen.schemas.receipt import Receipt


@pytest.fixture(scope="module")
def release(model):
    return model.generate(3, label="3", seed=5, purpose="  a figure  ", explain="full")


def pixels(output):
    return pixels_of(output.data)


def test_the_same_seed_makes_the_same_samples_again(model, release):
    """But for the mark, whose id is never given out twice."""
    one, again = (
        model.generate(3, label=3, seed=5, purpose="another", watermark="none") for _ in range(2)
    )
    other = model.generate(3, label=3, seed=6, purpose="another", watermark="none")
    for first, second in zip(one.outputs, again.outputs, strict=True):
        assert np.array_equal(pixels(first), pixels(second))
    assert not np.array_equal(pixels(one.outputs[0]), pixels(other.outputs[0]))
    assert not np.array_equal(pixels(one.outputs[0]), pixels(release.outputs[0]))


def test_without_a_seed_one_is_drawn_and_recorded(model):
    one, two = (model.generate(1, purpose="x") for _ in range(2))
    assert one.seed != two.seed
    assert one.outputs[0].receipt.request.seed == one.seed


def test_without_a_label_all_classes_come_in_turn(model):
    made = model.generate(12, seed=0, purpose="x")
    labels = [output.receipt.request.label for output in made.outputs]
    assert labels == [*range(10), 0, 1]


def test_the_manifest_says_what_it_must(model, made, release):
    manifest = read(release.outputs[1].data, "image/png", trust=trust_in(made.root.read_bytes()))
    assert manifest.state == "Trusted"
    assert not manifest.broken_ingredients
    said = manifest.assertions
    action, marked = said["c2pa.actions.v2"]["actions"]
    assert marked["action"] == "c2pa.watermarked.bound"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert action["softwareAgent"]["name"] == "safegen"
    assert said["c2pa.ai-disclosure"]["modelIdentifier"] == model.digest
    assert said["cawg.training-mining"]["entries"]["cawg.ai_training"] == {"use": "notAllowed"}
    assert said["c2pa.soft-binding"]["alg"] == "io.iscc.v0"
    # What reads JSON in the C2PA SDK may lose a number's last bit.
    assert said["org.safegen.privacy"]["epsilon"] == pytest.approx(
        model.certificate.epsilon, rel=1e-15
    )
    assert said["org.safegen.decision"]["allowed"] is True
    request = said["org.safegen.request"]
    assert request == {
        "purpose": "a figure", "label": 3, "label_name": "3", "seed": 5, "index": 1, "count": 3,
    }  # fmt: skip
    explained = release.outputs[1].receipt.explanation
    assert said["org.safegen.explanation"]["digest"] == digest(explained)


def test_no_signed_statement_is_shown_as_base64(release):
    """C2PA readers show arrays of numbers below 256 as base64; none may be in a statement."""
    manifest = read(release.outputs[0].data, "image/png")
    for label in ("privacy", "explanation", "decision", "request"):
        said = json.dumps(manifest.assertions[f"org.safegen.{label}"])
        assert not any(
            isinstance(v, list) and v and isinstance(v[0], int) for v in walk(json.loads(said))
        )
        assert "=" not in said.replace("<=", "").replace(">=", "")


def walk(value):
    yield value
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from walk(inner)


def test_a_receipt_stands_alone_and_falls_with_any_change(made, release):
    anchors = made.root.read_bytes()
    output = release.outputs[0]
    receipt = output.receipt
    assert receipt.file_digest == sha256(output.data)
    assert receipt_error(receipt, anchors) is None
    assert [decision.stage for decision in receipt.decisions] == ["request", "release"]
    for update in (
        {"file": "other.png"},
        {"model": "sha256:00"},
        {"file_digest": "sha256:00"},
        {"signature": None},
        {"proof": receipt.proof.model_copy(update={"root": "00" * 32})},
    ):
        assert receipt_error(receipt.model_copy(update=update), anchors) is not None


def test_a_receipt_of_a_stranger_does_not_stand(made, release, tmp_path):
    from safegen.provenance.keys import pki
    from safegen.provenance.keys.opener import open_signer
    from safegen.provenance.log.receipts import sign_receipt

    pki.init(tmp_path / "keys")
    unsigned = release.outputs[0].receipt.model_copy(update={"signature": None})
    forged = sign_receipt(unsigned, open_signer(tmp_path / "keys"))
    assert "trusted root" in receipt_error(forged, made.root.read_bytes())


def test_every_file_of_a_release_is_in_the_ledger(made, release):
    ledger = Ledger(made.ledger)
    for output in release.outputs:
        assert ledger.find(sha256(output.data))[0].kind == "output"
        assert ledger.find(sha256(output.figure))[0].kind == "explanation"
        assert ledger.holds(output.receipt.proof)


def test_saving_writes_outputs_receipts_and_explanations(release, tmp_path):
    paths = release.save(tmp_path / "deep" / "out")
    assert [path.name for path in paths] == [f"{release.id}-{n:04}.png" for n in (1, 2, 3)]
    for path, output in zip(paths, release.outputs, strict=False):
        assert path.read_bytes() == output.data
        assert (path.parent / "explanations" / path.name).read_bytes() == output.figure
        beside = path.with_name(f"{path.stem}.receipt.json")
        assert Receipt.model_validate_json(beside.read_bytes()) == output.receipt


def test_a_summary_has_numbers_and_no_picture(model, made, tmp_path):
    release = model.generate(3, label="3", seed=5, purpose="a test")
    paths = release.save(tmp_path / "out")
    kept = [path.name for path in (tmp_path / "out" / "explanations").iterdir()]
    assert kept == [f"{release.id}.safetensors"]
    for path, output in zip(paths, release.outputs, strict=True):
        assert output.figure is None
        said = output.receipt.explanation
        assert (said.detail, said.explainer) == ("summary", "shapley")
        explained = read_explained(path)
        assert (explained.attributions == output.attributions).all()
        (signed,) = read(output.data, "image/png").said("org.safegen.explanation")
        assert signed["arrays"] == array_digest(explained.attributions)
        again = made_again(explained, made.model)
        assert (again.same_sample, again.same_digest, again.farthest) == (True, True, 0)
    assert release.save(tmp_path / "out") == paths  # and nothing is written twice


def test_numbers_that_are_gone_are_made_again(model, made, tmp_path):
    release = model.generate(1, label="3", seed=5, purpose="a test")
    (path,) = release.save(tmp_path)
    (tmp_path / "explanations" / f"{release.id}.safetensors").unlink()
    explained = read_explained(path)
    assert explained.attributions is None
    again = made_again(explained, made.model)
    assert (again.same_digest, again.farthest) == (True, None)
    assert (again.attributions == release.outputs[0].attributions).all()


def test_numbers_of_another_release_are_not_taken_for_its_own(model, tmp_path):
    one, other = (model.generate(1, seed=n, purpose="a test") for n in (1, 2))
    (path,) = one.save(tmp_path)
    other.save(tmp_path)
    folder = tmp_path / "explanations"
    (folder / f"{other.id}.safetensors").replace(folder / f"{one.id}.safetensors")
    with pytest.raises(TamperedError, match="other numbers than were signed"):
        read_explained(path)


def test_a_detail_that_there_is_not(model):
    with pytest.raises(RequestError, match="explain is 'all'; choose summary or full"):
        model.generate(1, purpose="a test", explain="all")


def test_saving_never_writes_over_another_file(release, tmp_path):
    taken = tmp_path / release.names[1]
    taken.write_text("mine")
    with pytest.raises(StorageError, match=f"already holds {taken.name}"):
        release.save(tmp_path)
    assert list(tmp_path.iterdir()) == [taken]
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"label": 10}, "no label 10: this model makes 0"),
        ({"label": -1}, "no label -1"),
        ({"label": "seven"}, "no label 'seven'"),
        ({"count": 0}, "cannot make 0"),
        ({"count": 10_001}, "cannot make 10001"),
        ({"purpose": "two\nlines"}, "one line of printable text"),
        ({"purpose": "\x1b[2Ktrusted"}, "one line of printable text"),
        ({"purpose": "\u200b"}, "one line of printable text"),
        ({"purpose": "x" * 1001}, "1000 letters at most"),
        ({"seed": -1}, "the seed is -1"),
        ({"seed": 2**53}, "the seed is"),
    ],
)
def test_a_request_that_the_model_does_not_know(model, request_, reason):
    asked = {"count": 1, "purpose": "x"} | request_
    with pytest.raises(RequestError, match=reason):
        model.generate(asked.pop("count"), **asked)


def test_a_refusal_makes_nothing_and_is_logged(made, model):
    before = len(Ledger(made.ledger))
    with pytest.raises(Refused) as refusal:
        model.generate(2, purpose="   ")
    assert refusal.value.decision.stage == "request"
    assert len(Ledger(made.ledger)) == before + 1
    check_refusal(made, model, refusal.value)


def check_refusal(made, model, refused):
    """The log tells which policy refused which model's output, and nothing that was asked."""
    ledger = Ledger(made.ledger)
    logged = ledger.find_under(digest(refused.decision), None)  # under a signed head
    assert logged.entry.kind == "refused"
    assert logged.entry.model_digest == model.digest
    assert logged.entry.policy_digest == refused.decision.policy_digest
    assert logged.entry.note is None
    assert ledger.check(anchors=made.root.read_bytes()).faults == ()


def test_a_refusal_that_cannot_be_logged_is_a_refusal_that_says_so(made, model, monkeypatch):
    def full(self, entries, **_):
        raise StorageError("the ledger is full")

    monkeypatch.setattr(Ledger, "append", full)
    with pytest.raises(Refused, match=r"purpose.*could not be logged: the ledger is full"):
        model.generate(2, purpose="")


def test_a_refusal_at_release_is_logged_too(made, tmp_path):
    strict = tmp_path / "strict.yaml"
    strict.write_text(
        "name: strict\ndescription: Nothing is bright enough.\nrules:\n"
        "- {id: any, stage: request, require: 'true', because: Anybody may ask.}\n"
        "- {id: bright, stage: release, require: output.contrast > 0.49, because: It is dull.}\n"
    )
    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger), policy=strict
    )
    before = len(Ledger(made.ledger))
    with pytest.raises(Refused, match="bright: It is dull") as refusal:
        loaded.generate(1, purpose="x")
    assert refusal.value.decision.stage == "release"
    assert len(Ledger(made.ledger)) == before + 1
    check_refusal(made, loaded, refusal.value)


def test_a_rule_about_the_label_holds_for_each_output(made, tmp_path):
    """Asking for all classes in turn is no way around a rule about one of them."""
    no_sevens = tmp_path / "no-sevens.yaml"
    no_sevens.write_text(
        "name: no-sevens\ndescription: No sevens.\nrules:\n"
        "- {id: ask, stage: request, require: request.label != 7, because: No sevens.}\n"
        "- {id: leave, stage: release, require: request.label != 7, because: No sevens.}\n"
    )
    loaded = safegen.load(
        made.model,
        workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger),
        policy=no_sevens,
    )
    assert len(loaded.generate(7, purpose="0 to 6").outputs) == 7
    with pytest.raises(Refused, match="leave: No sevens"):
        loaded.generate(8, purpose="0 to 7")


@pytest.mark.parametrize(
    "rule", ["request.label_name != '7'", "request.label != 7 && output.signed"]
)
def test_a_batch_with_a_forbidden_class_is_refused_before_anything_is_made(
    made, tmp_path, monkeypatch, rule
):
    (tmp_path / "no-sevens.yaml").write_text(
        "name: no-sevens\ndescription: No sevens.\nrules:\n"
        "- {id: ask, stage: request, require: 'true', because: Anybody may ask.}\n"
        f'- {{id: leave, stage: release, require: "{rule}", because: No sevens.}}\n'
    )
    loaded = safegen.load(
        made.model,
        workspace=safegen.Workspace(keys=made.keys, ledger=tmp_path / "l.db"),
        policy=tmp_path / "no-sevens.yaml",
    )
    with monkeypatch.context() as patch:
        patch.setattr(type(loaded._generator), "draw", None)  # nothing can be sampled
        for asked in ({"count": 10_000}, {"count": 2, "label": 7}):
            with pytest.raises(Refused, match="leave: No sevens") as refusal:
                loaded.generate(asked.pop("count"), purpose="x", **asked)
            assert refusal.value.decision.stage == "release"
    assert len(Ledger(tmp_path / "l.db")) == 2
    assert len(loaded.generate(1, purpose="x", label=6)) == 1


def test_a_signature_that_does_not_hold_is_withheld(made, monkeypatch):
    """What is signed is read back as a stranger would, and a wrong signature never leaves."""
    from safegen.provenance.keys.custody.local import FileSigner

    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
    )
    right = FileSigner.sign
    monkeypatch.setattr(FileSigner, "key_pem", None)
    monkeypatch.setattr(FileSigner, "sign", lambda self, data: right(self, data + b"!"))
    before = len(Ledger(made.ledger))
    with pytest.raises(SafegenError):
        loaded.generate(1, purpose="x")
    assert len(Ledger(made.ledger)) == before


def test_a_file_that_changed_while_it_was_signed_is_withheld(made, monkeypatch):
    from safegen.cli.tamper import with_one_bit_changed
    from safegen.provenance.c2pa.sdk import sign_store

    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
    )
    monkeypatch.setattr(
        "safegen.provenance.c2pa.manifest.signing.sign_store",
        lambda *arguments, **named: with_one_bit_changed(sign_store(*arguments, **named)),
    )
    before = len(Ledger(made.ledger))
    with pytest.raises(SafegenError, match="was withheld"):
        loaded.generate(1, purpose="x")
    assert len(Ledger(made.ledger)) == before


def test_class_names_come_before_class_numbers():
    from safegen.pipeline.generate.request import parse_request

    def labels(label, classes):
        asked = {"count": 1, "purpose": "x", "seed": 0}
        return parse_request(label=label, classes=classes, **asked)[0].label

    assert labels("1", ("1", "2", "3")) == 0
    assert labels(1, ("1", "2", "3")) == 1
    assert labels("BAG", ("Shirt", "Bag")) == 1
    assert labels("a", ("A", "a")) == 1
    with pytest.raises(RequestError):
        labels("á", ("A", "a"))


def test_a_signer_that_fails_lets_nothing_out(made, monkeypatch):
    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
    )
    before = len(Ledger(made.ledger))

    def broken(self, data):
        raise ConnectionError("the key service is gone")

    monkeypatch.setattr("safegen.provenance.keys.custody.local.FileSigner.key_pem", None)
    monkeypatch.setattr("safegen.provenance.keys.custody.local.FileSigner.sign", broken)
    with pytest.raises(KeyMaterialError, match="the key service is gone"):
        loaded.generate(1, purpose="x")
    assert len(Ledger(made.ledger)) == before

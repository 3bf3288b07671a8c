"""What verify says of files that are sound, changed, foreign or broken."""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageOps

import safegen
from safegen.cli.tamper import with_one_bit_changed
from safegen.errors import InputError, KeyMaterialError, StorageError
from safegen.provenance.keys import pki
from safegen.provenance.keys.trust import read_trust
from safegen.verification.one_file import verify_file
from safegen.verification.steps import order

encypher_c2pa = pytest.importorskip("encypher_c2pa")


def text_of(verdict, step):
    return next(finding.text for finding in verdict.findings if finding.step == step)


def outcomes(verdict):
    return {finding.step: finding.outcome for finding in verdict.findings}


def stranger(data, root, mime="image/png"):
    """The second, independent verifier's answer."""
    found = encypher_c2pa.verify(
        data, mime, trust_pem=root.read_text(), no_default_trust=True, telemetry=False, online=False
    )
    return found["validation_state"]


def manifest_chunk(png):
    """Where the manifest's chunk begins and ends."""
    start = 8
    while True:
        length, kind = struct.unpack_from(">I4s", png, start)
        if kind == b"caBX":
            return start, start + 12 + length
        start += 12 + length


@pytest.fixture
def output(made, tmp_path):
    """A copy of an output with its receipt, free to be changed."""
    for name in ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, tmp_path)
    return tmp_path / "0001.png"


def test_a_released_output_is_trusted_at_every_step(made):
    verdict = safegen.verify(made.outputs / "0001.png", trust=made.root, ledger=made.ledger)
    assert verdict.state == "trusted"
    assert outcomes(verdict) == dict.fromkeys(order.NAMES, "passed") | {
        "identity": "not_checked",
        "time": "not_checked",
    }
    assert [finding.codes[0] for finding in verdict.findings] == [
        "safegen.manifest.embedded",
        "safegen.integrity.whole",
        "safegen.ingredients.sound",
        "safegen.signer.trusted",
        "safegen.identity.none",
        "safegen.time.none",
        "safegen.revocation.clear",
        "safegen.fingerprint.alike",
        "safegen.ledger.released",
        "safegen.privacy.recomputed",
        "safegen.policy.allowed",
    ]
    (model,) = verdict.ingredients
    assert (model.state, model.relationship) == ("sound", "inputTo")


def test_both_verifiers_agree_on_every_output(made):
    for path in sorted(made.outputs.rglob("*.png")):
        assert safegen.verify(path, trust=made.root).state == "trusted"
        assert stranger(path.read_bytes(), made.root) == "Trusted"


def test_both_verifiers_refuse_any_bit_flipped_outside_the_manifest(made, output):
    data = output.read_bytes()
    start, end = manifest_chunk(data)
    places = [*range(start), *range(end, len(data))]
    for place in places[:: len(places) // 40]:
        for bit in (0, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            output.write_bytes(changed)
            ours = safegen.verify(output, trust=made.root).state
            assert ours not in {"trusted", "valid"}, place
            try:
                theirs = stranger(bytes(changed), made.root)
            except Exception:  # noqa: BLE001 - it raises on files that are no PNG any more
                theirs = "unreadable"
            assert theirs != "Trusted", place


def test_with_the_ledger_any_changed_byte_is_reported(made, output):
    """C2PA leaves padding inside the manifest unprotected; the ledger's digest does not."""
    data = output.read_bytes()
    start, end = manifest_chunk(data)
    (output.parent / "0001.receipt.json").unlink()
    for place in range(start, end, (end - start) // 60):
        changed = bytearray(data)
        changed[place] ^= 1
        output.write_bytes(changed)
        assert safegen.verify(output, trust=made.root, ledger=made.ledger).state != "trusted"


def test_one_bit_of_one_pixel(made, output):
    output.write_bytes(with_one_bit_changed(output.read_bytes()))
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"
    finding = verdict.findings[1]
    assert finding.outcome == "failed"
    assert "assertion.dataHash.mismatch" in finding.codes


def test_without_trust_a_file_is_valid_and_its_signer_unknown(made, output):
    verdict = safegen.verify(output)
    assert verdict.state == "valid"
    assert outcomes(verdict)["signer"] == "not_checked"
    assert "--trust" in text_of(verdict, "signer")


def test_a_foreign_root_does_not_make_it_trusted(made, output, tmp_path):
    pki.init(tmp_path / "foreign")
    verdict = safegen.verify(output, trust=tmp_path / "foreign" / "root.pem")
    assert verdict.state == "valid"
    assert outcomes(verdict)["signer"] == "failed"


def test_a_receipt_without_the_ledger(made, output):
    assert outcomes(safegen.verify(output, trust=made.root))["ledger"] == "passed"
    assert outcomes(safegen.verify(output))["ledger"] == "not_checked"
    receipt = output.parent / "0001.receipt.json"
    changed = json.loads(receipt.read_text())
    changed["decisions"][0]["policy"] = "something else"
    receipt.write_text(json.dumps(changed))
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"
    assert "signature does not match" in text_of(verdict, "ledger")


def test_with_the_ledger_the_receipt_must_stand_as_well(made, output):
    receipt = output.parent / "0001.receipt.json"
    whole = json.loads(receipt.read_text())
    for change in (
        lambda said: said["request"].update(purpose="something else"),
        lambda said: said["decisions"][0].update(policy="another"),
        lambda said: said["explanation"].update(baseline="another"),
        lambda said: said.update(model="sha256:00"),
        lambda said: said.update(signature=None),
        lambda said: said.clear(),
    ):
        changed = json.loads(json.dumps(whole))
        change(changed)
        receipt.write_text(json.dumps(changed))
        verdict = safegen.verify(output, trust=made.root, ledger=made.ledger)
        assert verdict.state == "invalid"
        assert "receipt" in text_of(verdict, "ledger")
    receipt.write_text(json.dumps(whole))
    assert safegen.verify(output, trust=made.root, ledger=made.ledger).state == "trusted"


def test_a_receipt_of_another_file(made, output):
    shutil.copy(made.outputs / "0002.receipt.json", output.parent / "0001.receipt.json")
    assert outcomes(safegen.verify(output, trust=made.root))["ledger"] == "failed"


def test_a_file_that_was_never_released(made, output, tmp_path):
    """Of its own house, that is; `steps/test_ledgers_of_houses.py` has the others."""
    resign(made, output, lambda said: said)
    verdict = safegen.verify(output, trust=made.root, ledger=made.ledger)
    assert verdict.state == "invalid"
    assert "not a file that was released" in text_of(verdict, "ledger")


def test_a_rewritten_ledger_is_noticed(made, output, tmp_path):
    import sqlite3

    copy = tmp_path / "ledger.db"
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE entries SET entry = ? WHERE number = 1", (b"{}",))
    verdict = safegen.verify(output, trust=made.root, ledger=copy)
    assert verdict.state == "invalid"
    assert "rewritten" in text_of(verdict, "ledger")


def test_looking_does_not_touch_the_ledger(made):
    before = made.ledger.read_bytes(), sorted(made.folder.iterdir())
    safegen.verify(made.outputs / "0001.png", ledger=made.ledger)
    assert (made.ledger.read_bytes(), sorted(made.folder.iterdir())) == before


def resign(made, output, change):
    """Sign the output's picture again, by the real key, with other statements."""
    from safegen.package.files import read as read_package
    from safegen.pipeline.generate.signing import model_ingredient
    from safegen.provenance.c2pa.claims import Claim
    from safegen.provenance.c2pa.manifest import read, sign
    from safegen.provenance.keys.opener import open_signer

    said = read(output.read_bytes(), "image/png").assertions
    plain = without_manifest(output.read_bytes())
    assertions = []
    for label, data in change(json.loads(json.dumps(dict(said)))).items():
        if label == "c2pa.actions.v2":
            data["actions"][0]["parameters"] = {"ingredientIds": ["model"]}
        assertions.append({"label": label, "data": data, "created": True})
    claim = Claim(
        title="0001.png",
        mime="image/png",
        assertions=tuple(assertions),
        ingredients=(model_ingredient(read_package(made.model)),),
    )
    output.write_bytes(sign(plain, claim, open_signer(made.keys))[0])
    (output.parent / "0001.receipt.json").unlink()


def without_manifest(png):
    start, end = manifest_chunk(png)
    return png[:start] + png[end:]


def test_signing_again_unchanged_is_trusted(made, output):
    resign(made, output, lambda said: said)
    assert safegen.verify(output, trust=made.root).state == "trusted"


@pytest.mark.parametrize(
    ("step", "place", "value", "text"),
    [
        ("privacy", ("org.safegen.privacy", "epsilon"), 1.0, "its events give epsilon"),
        ("privacy", ("org.safegen.privacy", "epsilon"), -1.0, "cannot be read: epsilon"),
        ("privacy", ("org.safegen.privacy", "events"), [], "cannot be read: events"),
        ("privacy", ("org.safegen.privacy", "events", 0, "event"), "laplace", "cannot be read"),
        ("privacy", ("org.safegen.privacy", "delta"), 0.5, "not below 1/n"),
        ("privacy", ("org.safegen.privacy", "events", 0, "count"), 2**60, "cannot be read"),
        ("privacy", ("org.safegen.privacy", "events", 0, "count"), 10**7, "its events give"),
        ("privacy", ("org.safegen.privacy", "events", 0, "noise_multiplier"), 1e-9, "cannot be"),
        ("policy", ("org.safegen.decision", "allowed"), False, "did not allow it"),
        ("policy", ("org.safegen.decision", "findings", 0, "outcome"), "failed", "output-signed"),
        ("policy", ("org.safegen.decision", "findings"), [], "no rule passed"),
        ("fingerprint", ("c2pa.soft-binding", "blocks", 0, "value"), "//////////8=", "not the one"),
        ("fingerprint", ("c2pa.soft-binding", "blocks", 0, "value"), "?", "cannot be read"),
    ],
)
def test_a_lie_is_found_even_under_a_good_signature(made, output, step, place, value, text):
    def change(said):
        inner = said
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        return said

    resign(made, output, change)
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"
    finding = next(finding for finding in verdict.findings if finding.step == step)
    assert finding.outcome == "failed"
    assert text in finding.text


def test_a_picture_exchanged_under_its_fingerprint(made, output):
    """The soft binding is compared with the pixels, not believed."""
    from safegen.modality.image import fingerprint_pixels
    from safegen.modality.image_code import difference, image_code

    picture = (made.outputs / "0001.png").read_bytes()
    mirrored = io.BytesIO()
    ImageOps.mirror(Image.open(io.BytesIO(picture))).save(mirrored, "PNG")
    code = image_code(fingerprint_pixels(picture))
    assert difference(code, image_code(fingerprint_pixels(picture))) == 0
    assert difference(code, image_code(fingerprint_pixels(mirrored.getvalue()))) > 0


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_files_without_a_readable_manifest(made, tmp_path):
    data = (made.outputs / "0001.png").read_bytes()
    cases = {
        "plain.png": (without_manifest(data), "unsigned"),
        "cut.png": (data[: len(data) // 2], "unreadable"),
        "empty.png": (b"", "unreadable"),
        "noise.jpg": (b"\xff\xd8\xff" + bytes(100), "unreadable"),
        "notes.txt": (b"words", "unsupported"),
        "torn.png": (data[:8] + chunk(b"caBX", b"junk") + without_manifest(data)[8:], None),
    }
    for name, (content, state) in cases.items():
        (tmp_path / name).write_bytes(content)
        verdict = safegen.verify(tmp_path / name, trust=made.root)
        assert verdict.state == (state or verdict.state), name
        assert verdict.state in {"unsigned", "unreadable", "unsupported"}, name
        assert verdict.findings[0].outcome == "failed"
        assert [finding.step for finding in verdict.findings] == list(order.NAMES)


def test_a_folder_is_looked_through_and_companions_are_passed_over(made):
    verdicts = safegen.verify_tree([made.outputs], trust=made.root)
    names = [verdict.path.removeprefix(f"{made.outputs}/") for verdict in verdicts]
    assert names == [
        *(f"000{n}.png" for n in range(1, 5)),
        *(f"explanations/000{n}.png" for n in range(1, 5)),
    ]


def test_what_is_no_ordinary_file_is_unreadable(tmp_path, made):
    os.mkfifo(tmp_path / "pipe.png")
    assert safegen.verify(tmp_path / "pipe.png").state == "unreadable"
    with pytest.raises(InputError, match="no file or folder xxx"):
        safegen.verify("x" * 400)


def test_a_picture_without_its_suffix_is_not_passed_over(tmp_path, made):
    shutil.copy(made.outputs / "0001.png", tmp_path / "picture")
    shutil.copy(made.outputs / "0001.png", tmp_path / ".hidden.png")
    (tmp_path / "notes").write_text("words")
    verdicts = safegen.verify_tree([tmp_path], trust=made.root)
    assert len(verdicts) == 2


def test_a_step_that_breaks_on_a_file_is_a_finding_against_it(made, output, monkeypatch):
    def broken(evidence):
        raise ZeroDivisionError

    monkeypatch.setattr(order, "ALL", (*order.ALL[:-1], broken))
    verdict = verify_file(output, read_trust([made.root]))
    assert verdict.state == "invalid"
    assert "ZeroDivisionError" in verdict.findings[-1].text


def test_nothing_to_verify_is_wrong_use(tmp_path, made):
    with pytest.raises(InputError, match="nothing to verify"):
        safegen.verify_tree([tmp_path])
    with pytest.raises(InputError, match="no file or folder"):
        safegen.verify(tmp_path / "absent.png")
    with pytest.raises(KeyMaterialError, match="holds no PEM certificate"):
        safegen.verify(made.outputs / "0001.png", trust=made.outputs / "0001.receipt.json")
    with pytest.raises(StorageError, match="no database"):
        safegen.verify(made.outputs / "0001.png", ledger=tmp_path / "absent.db")


def test_a_model_package_is_verified_by_its_weights(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    verdict = safegen.verify(
        tmp_path / "model" / "weights.safetensors", trust=made.root, ledger=made.ledger
    )
    assert verdict.state == "trusted"
    config = tmp_path / "model" / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    changed = safegen.verify(tmp_path / "model" / "weights.safetensors", trust=made.root)
    assert changed.state == "invalid"
    assert "config.json" in changed.findings[1].text


STATES = {"Valid": "valid", "Invalid": "invalid", "ManifestNotFound": "unsigned"}


def test_signed_pictures_that_nobody_here_made(shared_data):
    """Nine verdicts that another implementation recorded."""
    folder = shared_data / "c2pa"
    recorded = json.loads((folder / "verdicts.json").read_text())
    for name, expected in recorded.items():
        verdict = safegen.verify(folder / name)
        assert verdict.state == STATES[expected["state_without_anchor"]], name
        codes = {code for finding in verdict.findings for code in finding.codes}
        assert {c for c in expected["failure_codes"] if ":" not in c} <= codes, name
        warned = outcomes(verdict)["ingredients"] == "warned"
        assert warned == name.endswith("CIE-sig-CA.jpg"), name


def test_a_folder_passes_over_nothing_that_has_its_manifest_beside_it(made, tmp_path):
    """By either name, and by its digest when one of the two was renamed."""
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db", "source": "model-data"}
    names = ("a.csv", "b.csv", "c.csv")
    for name in names:
        (tmp_path / name).write_text(f"{name}\n1\n")
        safegen.sign(tmp_path / name, **own)
    (tmp_path / "b.csv.c2pa").rename(tmp_path / "b.c2pa")
    (tmp_path / "c.csv").rename(tmp_path / "renamed.csv")
    (tmp_path / "other.csv").write_text("nobody's\n")
    verdicts = safegen.verify_tree([tmp_path], trust=made.root)
    assert [(Path(v.path).name, v.state) for v in verdicts] == [
        ("a.csv", "trusted"),
        ("b.csv", "trusted"),
        ("renamed.csv", "trusted"),
    ]


def test_a_file_beside_another_has_no_part_in_its_receipt(made, tmp_path):
    for name in ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, tmp_path / name)
    Image.open(tmp_path / "0001.png").save(tmp_path / "edited.jpg")
    safegen.sign(
        tmp_path / "edited.jpg",
        keys=made.keys,
        ledger=tmp_path / "ledger.db",
        parent=tmp_path / "0001.png",
    )
    (tmp_path / "edited.jpg").rename(tmp_path / "0001.jpg")
    assert safegen.verify(tmp_path / "0001.jpg", trust=made.root).state == "trusted"
    (tmp_path / "0001.png").unlink()  # then the receipt can only be meant for what is there
    assert safegen.verify(tmp_path / "0001.jpg", trust=made.root).state == "invalid"


def test_what_a_file_says_of_its_origin_is_told(made):
    verdict = safegen.verify(made.outputs / "0001.png", trust=made.root)
    assert "who says that it was made by a trained model." in verdict.findings[0].text


def test_a_manifest_is_sent_to_its_file(made, tmp_path):
    (tmp_path / "a.csv").write_text("1\n")
    own = {"keys": made.keys, "ledger": tmp_path / "l.db"}
    safegen.sign(tmp_path / "a.csv", source="model-data", **own)
    verdict = safegen.verify(tmp_path / "a.csv.c2pa", trust=made.root)
    assert (verdict.state, verdict.text) == (
        "unsupported",
        "It is a manifest itself; name the file that it lies beside.",
    )
    signed = safegen.verify(tmp_path / "a.csv", ledger=tmp_path / "l.db")
    assert "Exactly this file was signed at" in text_of(signed, "ledger")


def test_a_verification_loads_neither_networks_nor_arrays(made):
    """Each takes longer to load than all else that a picture needs."""
    code = (
        "import sys; from pathlib import Path\n"
        "from safegen.provenance.keys.trust import read_trust\n"
        "from safegen.verification.one_file import verify_file\n"
        "verdict = verify_file(Path(sys.argv[1]), read_trust([sys.argv[2]]))\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sqlalchemy', 'yaml'}\n"
        "print(verdict.state, heavy & set(sys.modules))\n"
    )
    safegen.verify(made.outputs / "0001.png")  # its epsilon is known from now on
    command = [sys.executable, "-c", code, made.outputs / "0001.png", made.root]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "trusted set()\n"

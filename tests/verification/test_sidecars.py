"""Manifests beside their files: found by name, found by digest, and of another file."""

import pytest

import safegen
from safegen.provenance.c2pa.claims import Claim
from safegen.provenance.c2pa.manifest import sign_beside
from safegen.provenance.keys.opener import open_signer

CREATED = {
    "label": "c2pa.actions.v2",
    "created": True,
    "data": {
        "allActionsIncluded": True,
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",
            }
        ],
    },
}
FILES = {
    "data.csv": ("text/csv", b"a,b\n1,2\n"),
    "data.json": ("application/json", b"[1, 2]"),
    "data.npz": ("application/octet-stream", b"PK\x03\x04 not really"),
    "notes": ("application/octet-stream", b"words"),
}


@pytest.fixture
def signed(made, tmp_path):
    signer = open_signer(made.keys)

    def sign(name):
        mime, content = FILES[name]
        claim = Claim(title=name, mime=mime, assertions=(CREATED,), ingredients=())
        path = tmp_path / name
        path.write_bytes(content)
        store, _ = sign_beside(content, claim, signer)
        path.with_name(f"{name}.c2pa").write_bytes(store)
        return path

    return sign


@pytest.mark.parametrize("name", FILES)
def test_any_file_with_its_manifest_beside_it(made, signed, name):
    path = signed(name)
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state == "trusted"
    assert verdict.manifest_beside == f"{path}.c2pa"
    assert verdict.findings[0].codes == ("safegen.manifest.beside",)
    assert f"{name}.c2pa" in verdict.findings[0].text
    folder = safegen.verify_tree([path.parent], trust=made.root)
    assert [each.path for each in folder] == [str(path)]


def test_a_file_that_was_changed_or_has_another_s_manifest(made, signed):
    path = signed("data.csv")
    path.write_bytes(path.read_bytes() + b"3,4\n")
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state == "invalid"
    assert verdict.findings[1].codes[0] == "safegen.integrity.beside"
    assert verdict.text == (
        "The manifest beside it, data.csv.c2pa, is of another file, or the file was changed after "
        "it was signed."
    )


def test_a_manifest_that_is_found_by_the_file_s_digest(made, signed):
    path = signed("data.csv")
    renamed = path.rename(path.with_name("renamed.csv"))
    verdict = safegen.verify(renamed, trust=made.root)
    assert verdict.state == "trusted"
    assert verdict.manifest_beside == f"{path}.c2pa"
    assert "data.csv.c2pa" in verdict.findings[0].text


def test_a_manifest_beside_it_that_is_none(made, signed):
    path = signed("data.csv")
    path.with_name("data.csv.c2pa").write_bytes(b"words")
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state in {"unreadable", "unsigned", "unsupported"}
    assert verdict.findings[0].outcome == "failed"
    path.with_name("data.csv.c2pa").unlink()
    assert safegen.verify(path).state == "unsupported"

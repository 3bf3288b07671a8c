"""How a manifest that lies beside its file is found again."""

import os

import pytest

from safegen.errors import StorageError
from safegen.provenance.c2pa import claims, manifest, sidecar

ROWS = b"age,income\n34,51000\n"
OTHER = b"age,income\n1,2\n"


def store(signer, data, *ingredients):
    claim = claims.created_claim(
        title="rows", mime="text/csv", source_type=claims.SOURCE_TYPES["algorithmic"]
    )
    if ingredients:
        claim = claims.edited_claim(
            title="rows", mime="text/csv", parent=ingredients[0],
            source_type=claims.SOURCE_TYPES["algorithm"],
        )  # fmt: skip
    return manifest.sign_beside(data, claim, signer)[0]


@pytest.fixture(scope="module")
def stores(made):
    """Manifests of `ROWS` and of `OTHER`."""
    from safegen.provenance.keys.opener import open_signer

    signer = open_signer(made.keys)
    return store(signer, ROWS), store(signer, OTHER)


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "rows.csv").write_bytes(ROWS)
    return tmp_path / "rows.csv"


def test_where_it_is_written(rows):
    assert sidecar.beside(rows) == rows.parent / "rows.csv.c2pa"


@pytest.mark.parametrize("name", ["rows.csv.c2pa", "rows.c2pa"])
def test_by_either_name(rows, stores, name):
    (rows.parent / name).write_bytes(stores[0])
    assert sidecar.find(rows, ROWS) == (rows.parent / name, stores[0])


def test_none_at_all(rows):
    assert sidecar.find(rows, ROWS) is None


def test_by_digest_after_either_was_renamed(rows, stores):
    (rows.parent / "rows.csv.c2pa").write_bytes(stores[0])
    renamed = rows.rename(rows.parent / "table.csv")
    assert sidecar.find(renamed, ROWS) == (rows.parent / "rows.csv.c2pa", stores[0])
    (rows.parent / "rows.csv.c2pa").rename(rows.parent / "elsewhere.c2pa")
    assert sidecar.find(renamed, ROWS) == (rows.parent / "elsewhere.c2pa", stores[0])


def test_its_own_before_one_that_only_has_its_name(rows, stores):
    (rows.parent / "rows.csv.c2pa").write_bytes(stores[1])
    (rows.parent / "zebra.c2pa").write_bytes(stores[0])
    assert sidecar.find(rows, ROWS) == (rows.parent / "zebra.c2pa", stores[0])


def test_another_files_by_name_alone_is_found_and_does_not_hold(rows, stores):
    """A file that was changed must not pass for one that never was signed."""
    (rows.parent / "rows.csv.c2pa").write_bytes(stores[1])
    (rows.parent / "other.c2pa").write_bytes(stores[1])
    found = sidecar.find(rows, ROWS)
    assert found == (rows.parent / "rows.csv.c2pa", stores[1])
    assert manifest.read(ROWS, "text/csv", beside=found[1]).state == "Invalid"


def test_another_files_under_another_name_is_not_found(rows, stores):
    (rows.parent / "other.c2pa").write_bytes(stores[1])
    assert sidecar.find(rows, ROWS) is None


def test_that_of_something_made_from_the_file_is_not_its_own(rows, stores, signer):
    """It holds the file's manifest too, but as an ingredient's."""
    parent = claims.Ingredient(
        name="parent", title="rows.csv", mime="text/csv", relationship="parentOf",
        content=ROWS, manifest=stores[0],
    )  # fmt: skip
    made_from_it = store(signer, OTHER, parent)
    assert stores[0][100:200] in made_from_it
    (rows.parent / "derived.c2pa").write_bytes(made_from_it)
    assert sidecar.find(rows, ROWS) is None
    (rows.parent / "own.c2pa").write_bytes(stores[0])
    assert sidecar.find(rows, ROWS)[0].name == "own.c2pa"
    (rows.parent / "other.csv").write_bytes(OTHER)
    assert sidecar.find(rows.parent / "other.csv", OTHER)[0].name == "derived.c2pa"


def test_a_folder_of_that_name_is_no_manifest(rows, stores):
    (rows.parent / "rows.csv.c2pa").mkdir()
    (rows.parent / "aaa.c2pa").mkdir()
    assert sidecar.find(rows, ROWS) is None
    (rows.parent / "rows.c2pa").write_bytes(stores[0])
    assert sidecar.find(rows, ROWS)[0].name == "rows.c2pa"


def test_a_huge_one_is_passed_over(rows, stores):
    huge = rows.parent / "aaa.c2pa"
    huge.write_bytes(stores[0])
    os.truncate(huge, sidecar.MAX_SIDECAR_BYTES + 1)
    assert sidecar.find(rows, ROWS) is None
    os.truncate(huge, len(stores[0]))
    assert sidecar.find(rows, ROWS)[0] == huge


def test_links_and_pipes_that_lead_nowhere_are_passed_over(rows):
    (rows.parent / "aaa.c2pa").symlink_to(rows.parent / "absent")
    (rows.parent / "rows.c2pa").symlink_to(rows.parent / "rows.c2pa")
    os.mkfifo(rows.parent / "bbb.c2pa")
    assert sidecar.find(rows, ROWS) is None


def test_beside_what_a_link_leads_to(rows, stores, tmp_path):
    (rows.parent / "rows.csv.c2pa").write_bytes(stores[0])
    (tmp_path / "deep").mkdir()
    link = tmp_path / "deep" / "link.csv"
    link.symlink_to(rows)
    assert sidecar.find(link, ROWS) == (rows.parent / "rows.csv.c2pa", stores[0])


def test_one_that_is_named_and_cannot_be_read_is_an_error(rows, stores, monkeypatch):
    """Otherwise a file with a history would pass for one without; a stranger's is passed over."""
    named, strange = rows.parent / "rows.csv.c2pa", rows.parent / "aaa.c2pa"
    for path in (named, strange):
        path.write_bytes(stores[1])
    whole = sidecar.read

    def read(path):
        if path in locked:
            raise StorageError(f"cannot read {path}")
        return whole(path)

    monkeypatch.setattr(sidecar, "read", read)
    locked = {strange}
    assert sidecar.find(rows, ROWS) == (named, stores[1])
    locked = {named}
    with pytest.raises(StorageError, match="rows"):
        sidecar.find(rows, ROWS)


@pytest.mark.parametrize("junk", [b"", b"x", bytes(9), bytes(100), b"\xff" * 100])
def test_what_is_no_store_at_all_is_searched_whole(rows, junk):
    import hashlib

    (rows.parent / "aaa.c2pa").write_bytes(junk)
    assert sidecar.find(rows, ROWS) is None
    (rows.parent / "aaa.c2pa").write_bytes(junk + hashlib.sha256(ROWS).digest())
    sidecar.find(rows, ROWS)  # found or not: nothing breaks


def test_a_manifest_has_none_of_its_own(rows, stores):
    own = rows.parent / "rows.c2pa"
    own.write_bytes(stores[0])
    assert sidecar.find(own, stores[0]) is None


def test_a_models_weights_have_theirs_in_model_c2pa(made):
    weights = made.model / "weights.safetensors"
    assert sidecar.find(weights, weights.read_bytes())[0] == made.model / "model.c2pa"

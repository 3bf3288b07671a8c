"""Proofs against the definitions of RFC 9162, written down once more as it states them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.provenance.log import merkle

# The tree of RFC 6962's own test vectors: eight entries, and the roots after each.
VECTORS = [
    b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Index, size and path; first size, second size and path: as the same project publishes them.
INCLUSION = [
    (0, 1, []),
    (0, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (5, 8, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (6, 8, [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 5, [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip


# 2.1.1, 2.1.3.1 and 2.1.4.1, letter for letter, on entries.
def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d):
    if not d:
        return hashlib.sha256().digest()
    if len(d) == 1:
        return hashlib.sha256(b"\x00" + d[0]).digest()
    k = split(len(d))
    return hashlib.sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m, d, whole):
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], whole=False), mth(d[:k])]


def ours(ranges, entries):
    """What a proof's ranges come to, by our own hashing."""
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    return [merkle.root_hash(leaves[start:end]) for start, end in ranges]


def test_roots_are_those_of_the_standard():
    leaves = [merkle.leaf_hash(data) for data in VECTORS]
    assert [merkle.root_hash(leaves[:n]).hex() for n in range(1, 9)] == ROOTS
    assert merkle.root_hash([]) == hashlib.sha256().digest()


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_standard(index, size, expected):
    found = ours(merkle.inclusion_ranges(index, size), VECTORS)
    assert [hashed.hex() for hashed in found] == expected
    leaf = merkle.leaf_hash(VECTORS[index])
    assert merkle.root_from_path(leaf, index, size, found).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("first", "second", "expected"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_standard(first, second, expected):
    found = ours(merkle.consistency_ranges(first, second), VECTORS)
    assert [hashed.hex() for hashed in found] == expected
    roots = (bytes.fromhex(ROOTS[size - 1]) for size in (first, second))
    assert merkle.is_consistent(first, second, *roots, found)


ENTRIES = [number.to_bytes(2, "big") for number in range(130)]
sizes = st.integers(1, 130).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))


@given(sizes)
def test_every_inclusion_proof_is_the_recursive_one_and_holds(of):
    index, size = of
    found = ours(merkle.inclusion_ranges(index, size), ENTRIES)
    assert found == path(index, ENTRIES[:size])
    leaf = merkle.leaf_hash(ENTRIES[index])
    root = mth(ENTRIES[:size])
    assert merkle.root_from_path(leaf, index, size, found) == root
    for wrong in (found[:-1], [*found, bytes(32)], [bytes(32), *found[1:]]):
        if wrong != found:
            assert merkle.root_from_path(leaf, index, size, wrong) != root
    for place in (index - 1, index + 1):
        assert merkle.root_from_path(leaf, place, size, found) != root or size == 1


@given(sizes)
def test_every_consistency_proof_is_the_recursive_one_and_holds(of):
    first, second = of
    found = ours(merkle.consistency_ranges(first, second), ENTRIES)
    assert found == (subproof(first, ENTRIES[:second], whole=True) if first else [])
    one, other = mth(ENTRIES[:first]), mth(ENTRIES[:second])
    assert merkle.is_consistent(first, second, one, other, found)
    for wrong in (found[:-1], [*found, bytes(32)], [bytes(32), *found[1:]]):
        if wrong != found:
            assert not merkle.is_consistent(first, second, one, other, wrong)
    assert not merkle.is_consistent(first, second, bytes(32), other, found)
    assert not merkle.is_consistent(first, second, one, bytes(32), found) or first == 0


@given(sizes)
def test_a_tree_over_other_entries_is_not_consistent(of):
    first, second = of
    other = [b"another", *ENTRIES[1:second]]
    found = ours(merkle.consistency_ranges(first, second), other)
    if first:
        assert not merkle.is_consistent(first, second, mth(ENTRIES[:first]), mth(other), found)


@pytest.mark.parametrize(
    ("first", "second"), [(-1, 3), (3, 2), (2, 2), (0, 3), (3, 7), (4, 8), (1, 1)]
)
def test_garbage_is_no_consistency_proof(first, second):
    for hashes in ([], [bytes(32)], [bytes(32)] * 9):
        assert not merkle.is_consistent(first, second, b"a" * 32, b"b" * 32, hashes)


@given(st.integers(0, 130))
def test_a_tree_that_grows_has_the_root_of_one_that_is_built(size):
    frontier = []
    for number, data in enumerate(ENTRIES[:size]):
        completed = merkle.grow(frontier, number, merkle.leaf_hash(data))
        for level, hashed in enumerate(completed):
            start = (number >> level) << level
            assert hashed == mth(ENTRIES[start : number + 1])
            assert number + 1 - start == 1 << level
    assert merkle.fold(frontier) == mth(ENTRIES[:size])
    assert len(frontier) == len(merkle.subtrees((0, size)))

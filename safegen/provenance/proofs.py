"""Inclusion proofs as records: made from a log's leaves, checked with nothing but an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.provenance import merkle
from safegen.records.canonical import canonical_bytes
from safegen.records.receipt import InclusionProof, LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence


def prove(leaves: Sequence[bytes], index: int) -> InclusionProof:
    """The proof that leaf `index` is in the tree of all `leaves`."""
    return InclusionProof(
        index=index,
        tree_size=len(leaves),
        root=merkle.root_hash(leaves).hex(),
        path=tuple(sibling.hex() for sibling in merkle.inclusion_path(leaves, index)),
    )


def proves(entry: LogEntry, proof: InclusionProof) -> bool:
    """Whether a proof leads from an entry to the root that it names."""
    try:
        path = [bytes.fromhex(sibling) for sibling in proof.path]
    except ValueError:
        return False
    leaf = merkle.leaf_hash(canonical_bytes(entry))
    root = merkle.root_from_path(leaf, proof.index, proof.tree_size, path)
    return root is not None and root.hex() == proof.root

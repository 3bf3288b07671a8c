"""Proofs as records, checked with nothing but what they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.provenance.log import merkle
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.log import InclusionProof

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.provenance.log.merkle import Range
    from safegen.schemas.log import ConsistencyProof, LogCheckpoint, LogEntry


def prove(index: int, size: int, hash_of: Callable[[Range], bytes]) -> InclusionProof:
    """The proof that row `index` is in the tree of the first `size` rows.

    Args:
        index: 0-based.
        size: how many rows the tree has.
        hash_of: gives the hash of any range of its rows that falls into complete subtrees.
    """
    return InclusionProof(
        index=index,
        tree_size=size,
        root=hash_of((0, size)).hex(),
        path=tuple(hash_of(rows).hex() for rows in merkle.inclusion_ranges(index, size)),
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


def leads_to(proof: InclusionProof, checkpoint: LogCheckpoint) -> bool:
    """Whether an inclusion proof is of the very tree that a checkpoint signs."""
    return (proof.tree_size, proof.root) == (checkpoint.tree_size, checkpoint.root)


def continues(proof: ConsistencyProof, first_root: str, second_root: str) -> bool:
    """Whether a proof shows that the tree under the second root begins with that of the first."""
    try:
        roots = bytes.fromhex(first_root), bytes.fromhex(second_root)
        path = [bytes.fromhex(hashed) for hashed in proof.path]
    except ValueError:
        return False
    return merkle.is_consistent(proof.first_size, proof.second_size, *roots, path)

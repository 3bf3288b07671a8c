"""Merkle tree hashes and inclusion proofs as in RFC 9162, section 2.1; pure functions.

Leaves and nodes are hashed with different prefixes, so that no node can pass for a leaf.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes, in order (section 2.1.1).

    >>> root_hash([]).hex()[:16]
    'e3b0c44298fc1c14'
    """
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]  # an odd one out moves up as it is
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from a leaf to the root (section 2.1.3.1)."""
    path = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        paired = [node_hash(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
        index //= 2
    return path


def root_from_path(leaf: bytes, index: int, tree_size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to (section 2.1.3.2), or None when it cannot be a proof.

    >>> leaves = [leaf_hash(bytes([i])) for i in range(5)]
    >>> root_from_path(leaves[4], 4, 5, inclusion_path(leaves, 4)) == root_hash(leaves)
    True
    """
    if not 0 <= index < tree_size:
        return None
    node, last, remaining = index, tree_size - 1, list(path)
    hashed = leaf
    while last:
        if node % 2 or node < last:
            if not remaining:
                return None
            sibling = remaining.pop(0)
            hashed = node_hash(sibling, hashed) if node % 2 else node_hash(hashed, sibling)
        node, last = node // 2, last // 2
    return None if remaining else hashed

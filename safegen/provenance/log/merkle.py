"""Merkle tree hashes and proofs as in RFC 9162, section 2.1; pure functions.

Leaves and nodes are hashed with different prefixes, so that no node can pass for a leaf. A tree is
spoken of by ranges of its rows: a proof is the list of the ranges whose hashes it needs, and every
range falls into complete subtrees, whose hashes never change once they are there.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()

Range = tuple[int, int]  # rows from the first number up to, not with, the second
Subtree = tuple[int, int]  # level, place: the rows from place * 2^level on, 2^level of them


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees that lie side by side, largest first (section 2.1.1).

    >>> fold([]).hex()[:16]
    'e3b0c44298fc1c14'
    """
    if not hashes:
        return EMPTY_ROOT
    *others, right = hashes
    for left in reversed(others):
        right = node_hash(left, right)
    return right


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes, in order (section 2.1.1).

    >>> root_hash([leaf_hash(b"")]) == leaf_hash(b"")
    True
    """
    frontier: list[bytes] = []
    for number, leaf in enumerate(leaves):
        grow(frontier, number, leaf)
    return fold(frontier)


def grow(frontier: list[bytes], number: int, leaf: bytes) -> list[bytes]:
    """Add row `number` to a tree, and tell the hashes of the subtrees that it completes.

    Args:
        frontier: hashes of the complete subtrees that rows 0 to `number` - 1 fall into, largest
            first; changed in place.
        number: of the new row.
        leaf: its hash.

    Returns:
        Hashes of the complete subtrees that end with this row, smallest first: the leaf itself,
        then the pair that it ends, and so on.
    """
    completed = [leaf]
    while number & 1:
        completed.append(node_hash(frontier.pop(), completed[-1]))
        number >>= 1
    frontier.append(completed[-1])
    return completed


def subtrees(rows: Range) -> list[Subtree]:
    """The complete subtrees that a range falls into, from left to right.

    >>> subtrees((0, 7))
    [(2, 0), (1, 2), (0, 6)]
    """
    start, end = rows
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append((level, start >> level))
        start += 1 << level
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """What the proof of row `index` in a tree of `size` rows needs, leaf upwards (2.1.3.1).

    >>> inclusion_ranges(4, 7)
    [(5, 6), (6, 7), (0, 4)]
    """
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """What the proof needs that a tree of `second` rows begins with one of `first` (2.1.4.1).

    >>> consistency_ranges(6, 7)
    [(4, 6), (6, 7), (0, 4)]
    """
    start, end, path, shown_whole = 0, second, [], first > 0
    while 0 < first < end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, shown_whole = middle, False
    if first > 0 and not shown_whole:
        path.append((start, end))
    return path[::-1]


def root_from_path(leaf: bytes, index: int, tree_size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to (section 2.1.3.2); None when it cannot be one.

    >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
    >>> root_from_path(b, 1, 2, [a]) == root_hash([a, b])
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


def is_consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a path proves that the second tree begins with the first (section 2.1.4.2).

    >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
    >>> is_consistent(1, 2, a, root_hash([a, b]), [b])
    True
    """
    if not 0 <= first <= second:
        return False
    if first in {0, second}:  # every tree begins with nothing, and with itself
        same = first_root == (second_root if first == second else EMPTY_ROOT)
        return same and not path
    hashes = list(path)
    if first & (first - 1) == 0:  # the first tree is a subtree of the second
        hashes.insert(0, first_root)
    if not hashes:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    one = other = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            one, other = node_hash(sibling, one), node_hash(sibling, other)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            other = node_hash(other, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (one, other) == (first_root, second_root)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)

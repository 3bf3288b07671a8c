"""The word that a mark carries: a payload in Reed-Muller code, masked for its ledger; pure.

A block is the second-order Reed-Muller code of length 32, RM(2, 5): 16 payload bits, and words at
least 8 bits apart (MacWilliams and Sloane, The Theory of Error-Correcting Codes, chapter 13). A
longer mark is several blocks side by side.

The mask is drawn from the ledger's own random name. So a picture that knows nothing of the ledger
meets its words as if they were thrown by coin, whatever the picture looks like: this is what
`safegen.marks.evidence` counts on.
"""

from __future__ import annotations

import functools
import hashlib
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

VARIABLES = 5
BLOCK_BITS = 1 << VARIABLES
BLOCK_PAYLOAD_BITS = 16  # 1 + 5 + 10: the monomials of degree two and less
LINEAR_BITS = 6  # of these: the constant and the variables themselves
MASK_DOMAIN = b"safegen.mark/1\x00"


def payload_bits(word_bits: int) -> int:
    """How many payload bits a word of so many bits carries.

    >>> payload_bits(64)
    32
    """
    return word_bits // BLOCK_BITS * BLOCK_PAYLOAD_BITS


def mask(origin: str, word_bits: int) -> NDArray[np.uint8]:
    """A ledger's mask.

    Args:
        origin: the ledger's name, a random UUID.
        word_bits: 32 or 64.

    Returns:
        (word_bits,), uint8, 0 or 1: the first bits of SHA-256 of the name.
    """
    digest = hashlib.sha256(MASK_DOMAIN + origin.encode()).digest()
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8))[:word_bits]


def encode(payloads: NDArray[np.uint64], word_bits: int) -> NDArray[np.uint8]:
    """Payloads as code words, before the mask.

    Args:
        payloads: (count,), uint64, each below 2 to the power of `payload_bits(word_bits)`.
        word_bits: 32 or 64.

    Returns:
        (count, word_bits), uint8, 0 or 1.
    """
    blocks = []
    for block in range(word_bits // BLOCK_BITS):
        part = payloads >> np.uint64(block * BLOCK_PAYLOAD_BITS)
        bits = (part[:, None] >> np.arange(BLOCK_PAYLOAD_BITS, dtype=np.uint64)) & np.uint64(1)
        blocks.append(bits.astype(np.int64) @ _generator() & 1)
    return np.concatenate(blocks, axis=1).astype(np.uint8)


def decode(logits: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The likeliest payload of each row, by trying every code word.

    Each of the 1,024 quadratic forms is taken off in turn, and what is left is looked for among
    the 64 words of the first-order code by one Hadamard transform.

    Args:
        logits: (count, word_bits), float32, unmasked; positive where the bit is likelier 1.

    Returns:
        (count,), uint64: payloads; and (count,), float32: each one's correlation with the logits,
        as a share of the most that it could be.
    """
    payloads = np.zeros(len(logits), dtype=np.uint64)
    correlation = np.zeros(len(logits), dtype=np.float32)
    for block in range(logits.shape[1] // BLOCK_BITS):
        part = logits[:, block * BLOCK_BITS : (block + 1) * BLOCK_BITS]
        found, score = _decode_block(part)
        payloads |= found << np.uint64(block * BLOCK_PAYLOAD_BITS)
        correlation += score
    return payloads, correlation / np.maximum(np.abs(logits).sum(axis=1), 1e-12)


def _decode_block(logits: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    left = logits[:, None, :] * _quadratic_signs()[None]
    scores = (left @ _hadamard()).reshape(len(logits), -1)  # of every quadratic and linear form
    best = np.abs(scores).argmax(axis=1)
    score = scores[np.arange(len(logits)), best]
    quadratic, linear = np.divmod(best, BLOCK_BITS)
    constant = score > 0  # a positive logit stands for 1, so an agreeing word has its bits turned
    payload = constant | (linear << 1) | (quadratic << LINEAR_BITS)
    return payload.astype(np.uint64), np.abs(score)


@functools.cache
def _variables() -> NDArray[np.int64]:
    """(5, 32): the value of each variable at each place of a word."""
    return np.arange(BLOCK_BITS)[None] >> np.arange(VARIABLES)[:, None] & 1


@functools.cache
def _generator() -> NDArray[np.int64]:
    """(16, 32): the monomials 1, x_i, x_i x_j at each place, the code's generator matrix."""
    x = _variables()
    pairs = [x[i] * x[j] for i, j in combinations(range(VARIABLES), 2)]
    return np.stack([np.ones(BLOCK_BITS, dtype=np.int64), *x, *pairs])


@functools.cache
def _quadratic_signs() -> NDArray[np.float32]:
    """(1024, 32): 1 or -1, the sign that each quadratic form puts on each place."""
    pairs = _generator()[LINEAR_BITS:]
    count = 1 << len(pairs)
    chosen = np.arange(count)[:, None] >> np.arange(len(pairs))[None] & 1
    return (1 - 2 * (chosen @ pairs & 1)).astype(np.float32)


@functools.cache
def _hadamard() -> NDArray[np.float32]:
    """(32, 32): the sign that each linear form (column) puts on each place (row)."""
    x = _variables()
    chosen = np.arange(BLOCK_BITS)[:, None] >> np.arange(VARIABLES)[None] & 1
    return (1 - 2 * (x.T @ chosen.T & 1)).astype(np.float32)

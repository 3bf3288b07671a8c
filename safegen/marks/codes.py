"""The word that a mark carries: a payload in a code, masked for its ledger; pure.

A block is the extended BCH code of length 64 with 16 payload bits, whose words are at least 24 bits
apart (MacWilliams and Sloane, The Theory of Error-Correcting Codes, chapters 7 and 9). It is a part
of the second-order Reed-Muller code: the bit at place x, an element of the field of 64, is

    c + Tr(a x) + Tr(b x^5) + tr(e x^9),    c in {0, 1}, a and b in GF(64), e in GF(8),

with the traces Tr of GF(64) and tr of GF(8); 5 = 1 + 4 and 9 = 1 + 8, so all forms are quadratic,
and a word can be looked for softly, by one Hadamard transform for each of the 512 quadratic forms.
A longer mark is several blocks side by side.

The mask is drawn from the ledger's own random name. So a picture that knows nothing of the ledger
meets its words as if they were thrown by coin, whatever the picture looks like: this is what
`safegen.marks.evidence` counts on.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLOCK_BITS = 64
BLOCK_PAYLOAD_BITS = 16
LINEAR_BITS = 7  # of these: c, and a
FIELD = 0b1000011  # x^6 + x + 1, primitive: its root generates GF(64)
MASK_DOMAIN = b"safegen.mark/1\x00"


def payload_bits(word_bits: int) -> int:
    """How many payload bits a word of so many bits carries.

    >>> payload_bits(128)
    32
    """
    return word_bits // BLOCK_BITS * BLOCK_PAYLOAD_BITS


def words(
    payloads: Sequence[int] | NDArray[np.uint64], word_bits: int, key: bytes
) -> NDArray[np.uint8]:
    """The words of payloads, as pictures carry them.

    Args:
        payloads: (count,), each below 2 to the power of `payload_bits(word_bits)`.
        word_bits: 64 or 128.
        key: the ledger's.

    Returns:
        (count, word_bits), uint8, 0 or 1.

    Raises:
        InputError: a payload has too many bits.
    """
    return encode(payloads, word_bits) ^ mask(key, word_bits)


def mask(key: bytes, word_bits: int) -> NDArray[np.uint8]:
    """A ledger's mask.

    Args:
        key: the ledger's random name, at least 16 bytes; it need not be secret.
        word_bits: 64 or 128.

    Returns:
        (word_bits,), uint8, 0 or 1: the first bits of SHA-256 of the name.

    Raises:
        InputError: the key is too short to be a random name.
    """
    if len(key) < 16:
        raise InputError(f"a key of marks has at least 16 bytes, not {len(key)}")
    digest = hashlib.sha256(MASK_DOMAIN + key).digest()
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8))[:word_bits]


def encode(payloads: Sequence[int] | NDArray[np.uint64], word_bits: int) -> NDArray[np.uint8]:
    """Payloads as code words, before the mask; arguments and result as of `words`."""
    limit = 1 << payload_bits(word_bits)
    given = np.asarray(payloads)
    wrong = given[(given < 0) | (given >= limit)]
    if len(wrong):
        raise InputError(f"a payload of these marks is from 0 to {limit - 1:,}, not {wrong[0]}")
    numbers = given.astype(np.uint64)
    blocks = []
    for block in range(word_bits // BLOCK_BITS):
        part = numbers >> np.uint64(block * BLOCK_PAYLOAD_BITS)
        bits = (part[:, None] >> np.arange(BLOCK_PAYLOAD_BITS, dtype=np.uint64)) & np.uint64(1)
        blocks.append(bits.astype(np.int64) @ _generator() & 1)
    return np.concatenate(blocks, axis=1).astype(np.uint8)


def decode(logits: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The likeliest payload of each row, by trying every code word.

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
    scores = (left @ _linear_signs()).reshape(len(logits), -1)  # quadratic form by linear form
    best = np.abs(scores).argmax(axis=1)
    score = scores[np.arange(len(logits)), best]
    quadratic, linear = np.divmod(best, BLOCK_BITS)
    constant = score > 0  # a positive logit stands for 1, so an agreeing word has its bits turned
    payload = constant | (linear << 1) | (quadratic << LINEAR_BITS)
    return payload.astype(np.uint64), np.abs(score)


@functools.cache
def _generator() -> NDArray[np.int64]:
    """(16, 64): c, the six of a, the six of b and the three of e, each at every place."""
    places = range(BLOCK_BITS)
    basis = [1 << i for i in range(6)]
    forms = [[1] * BLOCK_BITS]
    forms += [[(i >> j) & 1 for i in places] for j in range(6)]  # any basis of the linear forms
    forms += [[_trace(_times(b, _power(x, 5))) for x in places] for b in basis]
    forms += [[_trace(_times(e, _power(x, 9))) for x in places] for e in basis]
    return np.array(_independent(forms), dtype=np.int64)


def _independent(forms: list[list[int]]) -> list[list[int]]:
    """Those that are no sum of earlier ones: x^9 lies in GF(8), so three of its six traces are."""
    kept: list[list[int]] = []
    reduced: list[int] = []
    for form in forms:
        left = int("".join(map(str, form)), 2)
        for each in reduced:
            left = min(left, left ^ each)
        if left:
            reduced.append(left)
            kept.append(form)
    return kept


def _times(left: int, right: int) -> int:
    product = 0
    for bit in range(6):
        product ^= (left << bit) if right >> bit & 1 else 0
    for bit in range(10, 5, -1):
        product ^= (FIELD << (bit - 6)) if product >> bit & 1 else 0
    return product


def _power(x: int, exponent: int) -> int:
    product = 1
    for _ in range(exponent):
        product = _times(product, x)
    return product


def _trace(x: int) -> int:
    total, conjugate = 0, x
    for _ in range(6):
        total ^= conjugate
        conjugate = _times(conjugate, conjugate)
    return total


@functools.cache
def _quadratic_signs() -> NDArray[np.float32]:
    """(512, 64): 1 or -1, the sign that each quadratic form puts on each place."""
    forms = _generator()[LINEAR_BITS:]
    chosen = np.arange(1 << len(forms))[:, None] >> np.arange(len(forms))[None] & 1
    return (1 - 2 * (chosen @ forms & 1)).astype(np.float32)


@functools.cache
def _linear_signs() -> NDArray[np.float32]:
    """(64, 64): the sign that each linear form (column) puts on each place (row)."""
    forms = _generator()[1:LINEAR_BITS]
    chosen = np.arange(BLOCK_BITS)[:, None] >> np.arange(len(forms))[None] & 1
    return (1 - 2 * (forms.T @ chosen.T & 1)).astype(np.float32)

"""Releases of pictures cut from real photographs, signed and logged as any output is."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from safegen.modality.image import ImageModality
from safegen.provenance.c2pa import manifest
from safegen.provenance.c2pa.claims import Claim
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.originals import Original
from safegen.provenance.log.receipts import sign_receipt
from safegen.schemas.canonical import sha256
from safegen.schemas.log import LogEntry
from safegen.verification.evidence import NamedLog
from tests.verification.recovery.copies import encoded

SIDE = 96  # pixels
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def crops(name, count, seed):
    """Pieces of a photograph from anywhere in it, whether they show something or not."""
    photograph = Image.fromarray(load_sample_image(name))
    rng = np.random.default_rng(seed)
    corners = (
        [int(rng.integers(0, side - SIDE)) for side in photograph.size] for _ in range(count)
    )
    return [photograph.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]


@dataclass(frozen=True)
class Released:
    """One released picture: before it was signed, and all that came of it."""

    picture: Image.Image
    code: bytes
    file: bytes
    store: bytes
    receipt: object


@dataclass(frozen=True)
class Releases:
    """A log, and what it had released."""

    location: str
    released: tuple

    @property
    def ledger(self):
        return Ledger(self.location, to_read=True)

    @property
    def named(self):
        return [NamedLog(name="releases.db", log=self.ledger)]


def claim_of(title, code):
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE}
    blocks = [{"scope": {}, "value": base64.b64encode(code).decode()}]
    said = {
        "c2pa.actions.v2": {"actions": [action]},
        "c2pa.soft-binding": {"alg": "io.iscc.v0", "blocks": blocks},
    }
    stated = ({"label": name, "data": data, "created": True} for name, data in said.items())
    return Claim(title=title, mime="image/png", assertions=tuple(stated))


def release(pictures, location, signer, like):
    """Sign pictures, log them, and keep what recovery needs; receipts are like a real one."""
    signed = []
    for place, picture in enumerate(pictures):
        plain = encoded(picture)
        code = ImageModality.fingerprint(plain)
        signed.append(
            (picture, code, *manifest.sign(plain, claim_of(f"{place}.png", code), signer))
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entries = [
        LogEntry(
            kind="output",
            file_digest=sha256(file),
            model_digest=like.model,
            policy_digest=None,
            time=now,
        )
        for _, _, file, _ in signed
    ]
    receipts = []

    def keep(appended):
        for place, (each, entry) in enumerate(zip(signed, entries, strict=True)):
            told = {
                "file": f"{place}.png",
                "file_digest": entry.file_digest,
                "manifest": each[3].label,
                "entry": entry,
                "proof": appended.proofs[place],
                "checkpoint": appended.checkpoint,
                "signature": None,
            }
            receipts.append(sign_receipt(like.model_copy(update=told), signer))
        return [
            Original(
                number=receipt.proof.index,
                code=code,
                label=made.label,
                manifest=made.store,
                receipt=receipt.model_dump_json().encode(),
            )
            for (_, code, _, made), receipt in zip(signed, receipts, strict=True)
        ]

    Ledger(location).append(entries, signer=signer, before_commit=keep)
    released = tuple(
        Released(picture=picture, code=code, file=file, store=made.store, receipt=receipt)
        for (picture, code, file, made), receipt in zip(signed, receipts, strict=True)
    )
    return Releases(location=location, released=released)

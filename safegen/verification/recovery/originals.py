"""What a log's index points to, believed only as far as it was signed.

The index is in nobody's signature. So of every row that it names,

1. the entry must be proved under the log's last signed head,
2. the receipt that was kept must be that entry's, signed, and name the manifest that was kept,
3. the manifest must be signed by the receipt's signer, each statement as it was signed, and
4. the fingerprint is taken from that manifest, and compared anew.

Only that the file's own bytes fit the manifest is not seen: there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import TamperedError
from safegen.modality import image_code
from safegen.provenance.c2pa.claims import WATERMARK
from safegen.provenance.c2pa.manifest import UnreadableManifestError, read
from safegen.provenance.c2pa.manifest.values import SIGNED, UNBOUND
from safegen.provenance.c2pa.sdk import RAW_MIME
from safegen.provenance.keys import detached
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.log.checkpoints import checkpoint_error
from safegen.provenance.log.receipts import receipt_error
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.receipt import read_receipt

if TYPE_CHECKING:
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.keys.trust import Trust
    from safegen.provenance.log.index import Kept
    from safegen.schemas.receipt import AnyReceipt

SOFT_BINDING = "c2pa.soft-binding"
FINGERPRINT = "io.iscc.v0"  # the algorithm by which copies are looked for
_NOTHING = b"\0"  # a manifest is read beside it; that it is of other bytes is no surprise
_EXPECTED = {
    "assertion.dataHash.mismatch",
    "assertion.boxesHash.mismatch",
    "assertion.bmffHash.mismatch",
    UNBOUND,
}
_UNVOUCHED = {"signingCredential.untrusted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """One released file that was lost, as its signer described it.

    Attributes:
        manifest: what it says, and what validating it found.
        receipt: its receipt.
    """

    manifest: Manifest
    receipt: AnyReceipt

    def codes(self, algorithm: str) -> tuple[bytes, ...]:
        """Its fingerprints by an algorithm, as the manifest's signer states them."""
        blocks = [
            binding.get("blocks")
            for binding in self.manifest.said(SOFT_BINDING)
            if binding.get("alg") == algorithm
        ]
        stated = [each for part in blocks if isinstance(part, list) for each in part]
        found = [
            image_code.decode(str(each.get("value"))) for each in stated if isinstance(each, dict)
        ]
        return tuple(code for code in found if code is not None)

    def carries(self, algorithm: str, mark: int) -> bool:
        """Whether its signer states that it carries a mark."""
        said = self.manifest.said(WATERMARK)
        return any((each.get("algorithm"), each.get("id")) == (algorithm, mark) for each in said)


def original_of(kept: Kept, trust: Trust | None) -> Original:
    """What was signed of a row, after 2 and 3; 1 is settled by whoever asked the log.

    Args:
        kept: the entry, proved, and what is kept of it.
        trust: whom to trust; without anybody, only that signatures hold and agree is known.

    Raises:
        TamperedError: something kept there is not what was signed.
    """
    try:
        receipt = read_receipt(kept.receipt)
        manifest = read(_NOTHING, RAW_MIME, trust=trust, beside=kept.manifest)
    except (ValueError, UnreadableManifestError) as error:
        raise TamperedError("what was kept of it cannot be read") from error
    problem = _problem(kept, receipt, manifest, trust)
    if problem is not None:
        raise TamperedError(problem)
    return Original(manifest=manifest, receipt=receipt)


def _problem(
    kept: Kept, receipt: AnyReceipt, manifest: Manifest, trust: Trust | None
) -> str | None:
    """Why the parts are not one release's, in words; None when they are."""
    if receipt.entry != kept.logged.entry or receipt.file_digest != kept.logged.entry.file_digest:
        return "the receipt that was kept is another file's"
    if receipt.manifest != manifest.label:
        return "the manifest that was kept is another file's"
    if SIGNED not in manifest.successes or set(manifest.failures) - _EXPECTED - _UNVOUCHED:
        return "the manifest that was kept is not as it was signed"
    return _problem_with_signatures(kept, receipt, manifest, trust)


def _problem_with_signatures(
    kept: Kept, receipt: AnyReceipt, manifest: Manifest, trust: Trust | None
) -> str | None:
    if receipt.signature is None:
        return "the receipt that was kept is not signed"
    unsigned = canonical_bytes(receipt.model_copy(update={"signature": None}))
    if wrong := detached.mismatch(receipt.signature, unsigned):
        return f"the receipt that was kept does not stand: {wrong}"
    chain = certificates(receipt.signature.chain)
    if not chain or not manifest.chain or key_id(chain[0]) != key_id(manifest.chain[0]):
        return "the receipt and the manifest that were kept have two signers"
    if manifest.trusted_by is None or trust is None:
        return None  # nobody vouches for the signer, as is told with what is found
    anchors = trust.anchors + trust.witness_anchors
    return receipt_error(receipt, anchors, unsigned=unsigned) or checkpoint_error(
        kept.logged.checkpoint, anchors
    )

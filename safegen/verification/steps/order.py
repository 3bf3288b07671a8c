"""The steps of verification, in order; each looks at evidence and says what it found.

1. manifest    Is there a C2PA manifest, and can it be read?
2. integrity   Is every byte that it protects unchanged, here and in its ingredients?
3. ingredients Did what it was made from hold when it was used?
4. signer      Is whoever signed it on a list of trust, and was its certificate valid?
5. identity    Do those persons stand for it of whom it says so?
6. time        Does a trusted authority say when it was signed?
7. revocation  Did its signer take back the key, the model or the file?
8. fingerprint Does the picture look like the one that was described?
9. ledger      Was exactly this file released?
10. privacy    Does the claimed epsilon follow from the listed events?
11. policy     Did a policy allow it, with every rule passed?
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safegen.errors import StorageError
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import UNBOUND
from safegen.provenance.c2pa.manifest.statuses import concern
from safegen.schemas.canonical import sha256
from safegen.schemas.names import CARD
from safegen.schemas.verdict import StepFinding
from safegen.storage import read
from safegen.verification.c2pa_messages import RULES, phrases
from safegen.verification.evidence import Evidence
from safegen.verification.findings import found
from safegen.verification.ingredients import accusation, check_ingredients
from safegen.verification.origin import told
from safegen.verification.reason_codes import STEPS
from safegen.verification.steps import claims as claim_steps
from safegen.verification.steps.identity import check_identity
from safegen.verification.steps.ledger import check_ledger
from safegen.verification.steps.revocation import check_revocation
from safegen.verification.steps.signer import check_signer, check_time
from safegen.verification.unread import MAX_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Step = Callable[[Evidence], StepFinding]
BINDING = {"assertion.dataHash.mismatch", "assertion.boxesHash.mismatch"}


def check_manifest(evidence: Evidence) -> StepFinding:
    """1. A manifest was read, or we would not be here."""
    signed = f"signed by {evidence.manifest.signer}{told(evidence.manifest)}"
    if evidence.beside is None:
        return found("safegen.manifest.embedded", f"It carries a C2PA manifest, {signed}")
    text = f"Its C2PA manifest lies beside it in {evidence.beside.name}, {signed}"
    if has_card(evidence.package):
        text += f" The model's card, {CARD}, is for people, and nobody signed it."
    return found("safegen.manifest.beside", text)


def has_card(package: Mapping[str, Path]) -> bool:
    """Whether a model's card lies in its package; none does beside any other file."""
    return "weights" in package and package["weights"].with_name(CARD).is_file()


def check_integrity(evidence: Evidence) -> StepFinding:
    """2. C2PA's own validation, apart from who signed; broken ingredients count."""
    manifest = evidence.manifest
    failures = {
        code: text
        for code, text in manifest.failures.items()
        if concern(code) in {"content", "vendor"}
    }
    unbound = failures.pop(UNBOUND, None)
    if failures:
        return _changed(evidence, failures)
    if unbound is not None:
        text = f"Part of it is bound by nothing, and may have been replaced since: {unbound}."
        return found("safegen.integrity.unbound", text)
    if manifest.broken_ingredients:
        text = accusation(manifest.ingredients, manifest.broken_ingredients)
        return found("safegen.integrity.ingredient", text, manifest.broken_ingredients)
    if manifest.state == "Invalid" and not manifest.failures:
        return _changed(evidence, {})
    changed = _changed_package_file(evidence)
    if changed is not None:
        text = f"{changed} is not the file that the model's manifest speaks of."
        return found("safegen.integrity.package", text)
    text = "Nothing that the manifest protects was changed since it was signed."
    return found("safegen.integrity.whole", text, manifest.successes)


ALL: tuple[Step, ...] = (
    check_manifest,
    check_integrity,
    check_ingredients,
    check_signer,
    check_identity,
    check_time,
    check_revocation,
    claim_steps.check_fingerprint,
    check_ledger,
    claim_steps.check_privacy,
    claim_steps.check_policy,
)
NAMES = STEPS


def _changed(evidence: Evidence, failures: Mapping[str, str]) -> StepFinding:
    if evidence.beside is not None and BINDING & failures.keys():
        text = (
            f"The manifest beside it, {evidence.beside.name}, is of another file, or the file was "
            "changed after it was signed."
        )
        return found("safegen.integrity.beside", text, failures)
    if failures and all(code in RULES for code in failures):
        text = f"It was not signed by the rules of C2PA: {phrases(failures)}."
        return found("safegen.integrity.improper", text, failures)
    text = f"It was changed after it was signed, or never signed properly: {phrases(failures)}."
    return found("safegen.integrity.changed", text, failures)


def _changed_package_file(evidence: Evidence) -> str | None:
    """The package file that is not what the model's manifest says, if any."""
    signed = evidence.manifest.said(claims.PACKAGE)
    if not signed:
        return None
    for part, path in evidence.package.items():
        try:
            if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:  # a pipe would never end
                return path.name
            digest = evidence.digest if part == "weights" else sha256(read(path))
        except (OSError, StorageError):
            return path.name
        if any(digest != each.get(part) for each in signed):
            return path.name
    return None

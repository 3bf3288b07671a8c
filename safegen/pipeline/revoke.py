"""Taking things back: what people name, to an entry of the log, to a list for others.

1. Find what is named: a key by its certificate, a model by its package, an output by its file.
2. Refuse whoever may not take it back, before anything is written.
3. Log it, under a head signed by the key that stays.
4. On request, sign the list of all that was taken back, for whoever has no log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from safegen import storage
from safegen.errors import InputError, KeyMaterialError
from safegen.location import is_missing
from safegen.provenance.keys.chain import issued
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.keys.opener import open_list_signer, open_signer
from safegen.provenance.log import revocation as taking_back
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import digest, sha256
from safegen.schemas.config import PackageDigests
from safegen.schemas.names import CERTIFICATE, CONFIG, WEIGHTS
from safegen.schemas.revocation import Revocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.choices import Reason
    from safegen.schemas.revocation import RevocationList

DIGEST = "sha256:"


def revoke(
    ledger: str | Path,
    keys: str | Path,
    *,
    key: Path | None = None,
    model: str | Path | None = None,
    output: str | Path | None = None,
    reason: Reason = "unspecified",
    since: str | None = None,
    note: str | None = None,
) -> Revocation:
    """Take back a key, a model or an output, and log it.

    Args:
        ledger: the log of the house that takes it back; it must be there.
        keys: who signs: of a key, its successor.
        key: the certificate of the key, in PEM, perhaps with its chain.
        model: a package's folder, or its digest.
        output: a file, or its digest.
        reason: a CRLReason of RFC 5280.
        since: from when on, ISO 8601; now when None. Without a time zone it is in UTC.
        note: what else people should know.

    Returns:
        What was logged.

    Raises:
        InputError: not one thing was named, or it was taken back before, or the date is none.
        KeyMaterialError: these keys may not take that back.
        StorageError: a file cannot be read, or there is no such ledger; nothing was logged.
    """
    if sum(each is not None for each in (key, model, output)) != 1:
        raise InputError("name one thing to revoke: a key's certificate, a model or an output")
    if is_missing(ledger):
        raise InputError(f"no ledger at {ledger}; name the one that releases were logged in")
    if note is not None and not (note.strip() and note.isprintable()):
        raise InputError("a note is one line of printable letters; write it so, or leave it out")
    signer, moment_of_it = open_signer(keys), _date(since)
    if key is not None:
        made = _of_key(key, signer, moment_of_it, reason, note)
    elif model is not None:
        made = _of("model", _model(model), moment_of_it, reason, note)
    else:
        assert output is not None
        made = _of("output", _file(output), moment_of_it, reason, note)
    problem = taking_back.revoker_error(
        made, certificates(signer.chain), taking_back.roots_of(signer)
    )
    if problem is not None:
        raise KeyMaterialError(f"nothing was revoked: {problem}")
    log = Ledger(ledger)
    before = log.revocation(made.what, made.id)
    if before is not None:
        raise InputError(
            f"that {made.what} is revoked already, since {before.since} ({before.reason})"
        )
    log.append([taking_back.entry_for(made)], signer=signer)
    return made


def list_for_others(ledger: str | Path, keys: str | Path) -> RevocationList:
    """Everything that a log takes back, signed now; an empty list says that nothing was.

    Raises:
        KeyMaterialError: the keys are not those of the log, or were taken back.
        StorageError: there is no such ledger.
        TamperedError: the log is not what its last head says.
    """
    signer, log = open_list_signer(keys), Ledger(ledger, to_read=True)
    log.require(signer)
    if log.origin is None:
        raise InputError(f"{ledger} is of before logs had names; sign its head first")
    return taking_back.sign_list(log.origin, log.revocations(), signer)


def _of_key(path: Path, signer: Signer, since: str, reason: Reason, note: str | None) -> Revocation:
    chain = list(certificates(storage.read(path)))
    if not chain:
        raise KeyMaterialError(f"{path} holds no certificate in PEM form; name the key's own")
    issuers = certificates(signer.chain)[1:]
    while above := next((one for one in issuers if issued(chain[-1], one)), None):
        if above in chain:
            break
        chain.append(above)
    made = _of("key", key_id(chain[0]), since, reason, note)
    return made.model_copy(update={"chain": _pem(chain)})


def _of(what: str, identity: str, since: str, reason: Reason, note: str | None) -> Revocation:
    return Revocation.model_validate(
        {"what": what, "id": identity, "since": since, "reason": reason, "note": note}
    )


def _pem(chain: Sequence[Certificate]) -> str:
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain).decode()


def _model(named: str | Path) -> str:
    if isinstance(named, str) and named.startswith(DIGEST):
        return _digest(named)
    folder = Path(named)
    weights, config, certificate = (
        sha256(storage.read(folder / name)) for name in (WEIGHTS, CONFIG, CERTIFICATE)
    )
    return digest(PackageDigests(weights=weights, config=config, certificate=certificate))


def _file(named: str | Path) -> str:
    if isinstance(named, str) and named.startswith(DIGEST):
        return _digest(named)
    return sha256(storage.read(Path(named)))


def _digest(text: str) -> str:
    rest = text.removeprefix(DIGEST)
    if len(rest) != 64 or set(rest) - set("0123456789abcdef"):
        raise InputError(f"{text} is no whole digest; copy all of it, or name the files")
    return text


def _date(text: str | None) -> str:
    now = datetime.now(UTC)
    if text is None:
        return now.isoformat(timespec="seconds")
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is no date; write it as 2026-11-20 or 2026-11-20T08:00:00+00:00"
        ) from error
    given = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    if given > now:
        raise InputError(f"{text} is not yet; revoke when it is, or from now on")
    return given.isoformat(timespec="seconds")

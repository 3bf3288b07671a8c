"""Taking things back: what people name, to an entry of the log, to a list for others.

1. Find what is named: a key by its certificate, a model by its package, a policy by its name or
   file, an output by its file; or each but a key by its digest, where the log has it.
2. Refuse whoever may not take it back, before anything is written.
3. Log it, under a head signed by the key that stays.
4. On request, sign the list of all that was taken back, for whoever has no log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from cryptography.hazmat.primitives.serialization import Encoding

from safegen import storage
from safegen.arguments import checked
from safegen.config.workspace import Workspace
from safegen.errors import InputError, KeyMaterialError
from safegen.location import is_missing
from safegen.package.presence import require_package
from safegen.policy.load import load_policy
from safegen.provenance.keys.chain import issued
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.keys.opener import open_list_signer, open_signer
from safegen.provenance.log import revocation as taking_back
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import digest, sha256
from safegen.schemas.choices import Reason
from safegen.schemas.config import PackageDigests
from safegen.schemas.log import LogEntry
from safegen.schemas.names import CERTIFICATE, CONFIG, WEIGHTS
from safegen.schemas.revocation import Revocation, What

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.x509 import Certificate

    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.revocation import RevocationList

DIGEST = "sha256:"


@checked
def take_back(
    what: What,
    named: str | Path,
    *,
    workspace: Workspace | None = None,
    reason: Reason = "unspecified",
    since: str | None = None,
    note: str | None = None,
) -> Revocation:
    """Take back a key, a model, a policy or an output, and log it.

    From then on the model or the policy is refused wherever this ledger is used, also by a process
    that has it loaded, and `verify` with this ledger refuses what it takes back.

    Args:
        what: which kind of thing.
        named: a key's certificate, in PEM, perhaps with its chain; a model package's folder; a
            shipped policy's name or a YAML file; an output's file. Of all but a key also the
            digest, where the ledger has it.
        workspace: who signs (of a key, its successor), and the log of the house that takes it
            back, which must be there.
        reason: a CRLReason of RFC 5280.
        since: from when on, ISO 8601; now when None. Without a time zone it is in UTC.
        note: what else people should know.

    Returns:
        What was logged.

    Raises:
        InputError: nothing here knows it, or it was taken back before, or the date is none.
        KeyMaterialError: these keys may not take that back.
        PolicyError: there is no such policy, or it cannot be loaded.
        StorageError: a file cannot be read; nothing was logged.
    """
    workspace = workspace or Workspace()
    if is_missing(workspace.ledger):
        raise InputError(
            f"no ledger at {workspace.ledger}; name the one that releases were logged in"
        )
    if note is not None and not (note.strip() and note.isprintable()):
        raise InputError("a note is one line of printable letters; write it so, or leave it out")
    signer, moment_of_it = open_signer(workspace.keys), _date(since)
    log = Ledger(workspace.ledger)
    if what == "key":
        made = _of_key(Path(named), signer, moment_of_it, reason, note)
    else:
        find = {"model": _model, "policy": _policy, "output": _file}[what]
        made = _of(what, find(named, log), moment_of_it, reason, note)
    problem = taking_back.revoker_error(
        made, certificates(signer.chain), taking_back.roots_of(signer)
    )
    if problem is not None:
        raise KeyMaterialError(f"nothing was revoked: {problem}")
    before = log.revocation(made.what, made.id)
    if before is not None:
        raise InputError(
            f"that {made.what} is revoked already, since {before.since} ({before.reason})"
        )
    log.append([taking_back.entry_for(made)], signer=signer)
    return made


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
    """Take back one of a key, a model and an output, as `take_back` does; its older spelling.

    Raises:
        InputError: not one thing was named, or as there.
    """
    told: dict[What, str | Path | None] = {"key": key, "model": model, "output": output}
    given = [(what, named) for what, named in told.items() if named is not None]
    if len(given) != 1:
        raise InputError("name one thing to revoke: a key's certificate, a model or an output")
    ((what, named),) = given
    place = Workspace(keys=keys, ledger=ledger)
    return take_back(what, named, workspace=place, reason=reason, since=since, note=note)


@checked
def revocations(ledger: str | Path) -> tuple[Revocation, ...]:
    """Everything that a log takes back, in the order in which it did.

    Raises:
        StorageError: there is no such ledger.
        TamperedError: the log is not what its last head says.
    """
    return Ledger(ledger, to_read=True).revocations()


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


def _model(named: str | Path, log: Ledger) -> str:
    if _is_digest(named):
        return _known(named, log, "model", lambda entry: entry.model_digest)
    require_package(Path(named))
    folder = Path(named)
    weights, config, certificate = (
        sha256(storage.read(folder / name)) for name in (WEIGHTS, CONFIG, CERTIFICATE)
    )
    return digest(PackageDigests(weights=weights, config=config, certificate=certificate))


def _policy(named: str | Path, log: Ledger) -> str:
    if _is_digest(named):
        return _known(named, log, "policy", lambda entry: entry.policy_digest)
    return load_policy(named).digest


def _file(named: str | Path, log: Ledger) -> str:
    if _is_digest(named):
        return _known(named, log, "output", lambda entry: entry.file_digest)
    return sha256(storage.read(Path(named)))


def _is_digest(named: str | Path) -> TypeGuard[str]:
    return isinstance(named, str) and named.startswith(DIGEST)


def _known(text: str, log: Ledger, what: What, of: Callable[[LogEntry], str | None]) -> str:
    """A digest that an entry of the log names; a mistyped one would take back nothing."""
    rest = text.removeprefix(DIGEST)
    if len(rest) != 64 or set(rest) - set("0123456789abcdef"):
        raise InputError(f"{text} is no whole digest; copy all of it, or name the files")
    rows = (row for row in log.rows(before=log.rows_there()) if text.encode() in row)
    if not any(of(LogEntry.model_validate_json(row)) == text for row in rows):
        raise InputError(
            f"no entry of this ledger names the {what} {text}; nothing was revoked: name its files"
        )
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

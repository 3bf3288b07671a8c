"""`safegen keys`: who signs, with what, and whether anybody will believe it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from safegen.cli.console import out, plain, say
from safegen.cli.options import Trust
from safegen.errors import InputError
from safegen.schemas.choices import Algorithm, Reason

if TYPE_CHECKING:
    from cryptography import x509

    from safegen.provenance.keys.custody.base import Credentials
    from safegen.provenance.keys.profile import Finding

app = typer.Typer(help="Keys and certificates.", no_args_is_help=True)

Uri = Annotated[
    str,
    typer.Argument(help="A folder, or file:, env:, pkcs11:, aws-kms:, gcp-kms:, azure-kv:."),
]
PassphraseEnv = Annotated[
    str | None,
    typer.Option(help="The environment variable that holds the keys' passphrase."),
]
MARKS = {
    "unable": "[red]✗ cannot   [/]",
    "invalid": "[red]✗ invalid  [/]",
    "untrusted": "[yellow]✗ untrusted[/]",
    "note": "[dim]• note     [/]",
}


@app.callback()
def keys() -> None:
    """Keys and certificates."""


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="A folder without keys.")],
    organisation: Annotated[
        str, typer.Option(help="Whose name the certificates carry.")
    ] = "safegen development",
    algorithm: Annotated[Algorithm, typer.Option(help="What the signer signs with.")] = "es256",
    passphrase_env: PassphraseEnv = None,
) -> None:
    """Make a root, an issuing CA and a signing leaf by C2PA's certificate profile."""
    from safegen.provenance.keys import pki

    passphrase = None if passphrase_env is None else _secret(passphrase_env)
    pki.init(folder, organisation=organisation, algorithm=algorithm, passphrase=passphrase)
    say(
        f"[bold]{plain(folder)}[/]: a development chain. Give {plain(folder / pki.ROOT)} to "
        "whoever verifies; keep the *.key files to yourself."
    )
    if passphrase is None:
        say("[dim]The keys are not encrypted; --passphrase-env NAME would encrypt them.[/]")
    else:
        say(f"[dim]Name the signer as file:{plain(folder)}?passphrase-env={passphrase_env}[/]")


@app.command("show")
def show(uri: Uri) -> None:
    """Who a signer is: its certificates, how long they are valid, their fingerprints."""
    from safegen.provenance.keys.algorithms import algorithm_of, describe
    from safegen.provenance.keys.opener import find_key

    custody = find_key(uri)
    found = custody.credentials()
    leaf = found.chain[0]
    key = leaf.public_key()
    kind = f"{algorithm_of(key) or 'nothing that C2PA takes'}, with its {describe(key)} key"
    say(f"[bold]{plain(custody.place)}[/] signs {kind}\n")
    _print_tree(found)
    rows = [("signer, SHA-256", _fingerprint(leaf))]
    rows += [("root, SHA-256", _fingerprint(root)) for root in found.anchor or ()]
    rows.append(("serial", f"{leaf.serial_number:x}"))
    for name, value in rows:
        say(f"  [dim]{name:<16}[/] {value}")


@app.command("check")
def check(uri: Uri, trust: Trust = None) -> None:
    """What a C2PA verifier would say of this signer's work; leaves with 1 unless Trusted."""
    from safegen.provenance.keys.opener import check_signer, find_key
    from safegen.provenance.keys.trust import read_anchors

    anchors = None if trust is None else read_anchors(trust)
    custody = find_key(uri)
    findings = check_signer(uri, anchors=anchors)
    bad = [finding for finding in findings if finding.grade != "note"]
    if bad:
        say(f"[bold]{plain(custody.place)}[/]: [bold red]{_sentence(bad)}[/]")
    else:
        until = min(one.not_valid_after_utc for one in custody.credentials().chain).date()
        say(
            f"[bold]{plain(custody.place)}[/]: [bold green]good[/]; it signs, and whoever lists "
            f"its root will say Trusted, until {until}."
        )
    for finding in findings:
        mark = MARKS["unable" if finding.code == "cannot-sign" else finding.grade]
        say(f"  {mark}  {plain(finding.text)}")
    if bad:
        raise typer.Exit(1)


@app.command("rotate")
def rotate(
    folder: Annotated[Path, typer.Argument(help="A folder made by `safegen keys init`.")],
    passphrase_env: PassphraseEnv = None,
    revoke_old: Annotated[
        Reason | None,
        typer.Option(metavar="REASON", help="Revoke the old key, such as keyCompromise."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From when on the old key is not trusted; by default now.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Where that is logged: needed to revoke.")
    ] = None,
) -> None:
    """Give the signer a new key and certificate from the same issuing CA; keep the old pair."""
    if revoke_old is not None:
        _require_ledger(ledger)
    elif since is not None:
        raise InputError("--since is of a revocation; say why with --revoke-old REASON")
    from safegen.provenance.keys import pki
    from safegen.provenance.keys.opener import find_key
    from safegen.provenance.keys.pem import PASSPHRASE

    passphrase = os.environ.get(PASSPHRASE) if passphrase_env is None else _secret(passphrase_env)
    kept = pki.rotate(folder, passphrase=passphrase)
    until = find_key(folder).credentials().chain[0].not_valid_after_utc.date()
    say(
        f"[bold]{plain(folder)}[/]: a new key, with a certificate until {until}. Whoever trusts "
        f"{plain(folder / pki.ROOT)} trusts it already."
    )
    if revoke_old is not None and ledger is not None:
        _revoke(folder, kept, ledger, revoke_old, since, passphrase_env)
        return
    say(
        f"[dim]The old pair is {plain(kept.with_suffix('.*'))}. What it signed stays good until "
        "its certificate expires; delete its key when nothing needs it. If it may have been "
        "stolen, revoke it: safegen ledger revoke LEDGER --key "
        f"{plain(kept)} --reason keyCompromise[/]"
    )


def _require_ledger(ledger: str | None) -> None:
    """Before the rotation: a new key without the revocation is only half of what was asked."""
    from safegen.location import is_missing

    if ledger is None or is_missing(ledger):
        raise InputError(
            "a revocation is logged: name the ledger of your releases with --ledger; nothing was "
            "rotated"
        )


def _revoke(
    folder: Path,
    kept: Path,
    ledger: str,
    reason: Reason,
    since: str | None,
    passphrase_env: str | None,
) -> None:
    from safegen.pipeline.revoke import revoke

    place = str(folder)
    if passphrase_env is not None:
        place = f"file:{quote(place)}?passphrase-env={quote(passphrase_env)}"
    made = revoke(ledger, place, key=kept, reason=reason, since=since)
    say(f"The old key, {plain(kept)}, is revoked since {plain(made.since)} ({made.reason}).")
    say(
        f"[dim]Give others the list: safegen ledger revocations {plain(ledger)} --keys "
        f"{plain(folder)} --out revoked.json[/]"
    )


def _secret(variable: str) -> str:
    from safegen.provenance.keys.custody.uri import secret_of

    return secret_of(variable)


def _print_tree(found: Credentials) -> None:
    """From the root down to whoever signs; a chain in disorder is shown as it is."""
    from rich.padding import Padding
    from rich.tree import Tree

    roots = [(root, "root") for root in found.anchor or ()]
    issuers = [(issuer, "issuer") for issuer in reversed(found.chain[1:])]
    line = [*roots, *issuers, (found.chain[0], "signer")]
    tree = branch = Tree(_branch(*line[0]), guide_style="dim")
    for certificate, role in line[1:]:
        branch = branch.add(_branch(certificate, role))
    out.print(Padding(tree, (0, 0, 1, 2), expand=False))


def _branch(certificate: x509.Certificate, role: str) -> str:
    from safegen.provenance.keys.profile import EXPIRY_WARNING, name_of

    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    days = f"{(end - now).days:,} days left"
    if certificate.not_valid_before_utc > now:
        colour, state = "red", f"valid only from {certificate.not_valid_before_utc.date()}"
    elif end < now:
        colour, state = "red", f"expired on {end.date()}"
    else:
        colour = "yellow" if end - now < EXPIRY_WARNING else "green"
        state = f"until {end.date()}, {days}"
    return f"{plain(name_of(certificate)[1:-1])}  [dim]{role}[/]  [{colour}]{state}[/]"


def _fingerprint(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _sentence(bad: list[Finding]) -> str:
    if any(finding.code == "cannot-sign" for finding in bad):
        return "it cannot sign"
    if any(finding.grade == "invalid" for finding in bad):
        return "verifiers would refuse what it signs"
    return "verifiers would not trust what it signs"

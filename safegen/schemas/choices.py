"""What people choose by name, apart from the records that keep it: every command reads these."""

from __future__ import annotations

from typing import Literal

Family = Literal["vae", "gan"]
WarmStart = Literal["auto", "moments", "none"]
Drawn = Literal["strokes", "silhouettes", "leaves"]  # pictures by code, to learn from first
ProtocolName = Literal["quick", "dpimagebench"]
Algorithm = Literal["es256", "es384", "ed25519", "ps256"]  # of signatures; C2PA's names
Reason = Literal[  # for revoking: those of RFC 5280, 5.3.1, that fit
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
]
Split = Literal["train", "test"]
Augment = Literal["affine", "none"]

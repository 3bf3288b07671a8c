"""What the OpenAPI document shows; held against the formats by a test."""

from __future__ import annotations

from typing import Any

VERDICT_EXAMPLE: dict[str, Any] = {
    "format": "safegen.verdict/3",
    "path": "0001.png",
    "state": "trusted",
    "text": "Signed by Example Studio; your list root.pem vouches for it.",
    "signer": {"name": "Example Studio", "trusted_by": "root.pem", "issuer": "Example CA"},
    "time_stamp": None,
    "manifest_beside": None,
    "ingredients": [],
    "identities": [],
    "origins": [
        {
            "source": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "text": "was made by a trained model",
            "said_by": "signer",
        }
    ],
    "findings": [
        {
            "step": "integrity",
            "outcome": "passed",
            "codes": ["safegen.integrity.whole", "assertion.dataHash.match"],
            "text": "Nothing that the manifest protects was changed since it was signed.",
        }
    ],
    "notes": [],
}

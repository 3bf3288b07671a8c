"""Whether records are those that a package was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.records.card import published

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet
    from safegen.privacy.budget import Budget
    from safegen.records.certificate import PrivacyCertificate


def trained_on(certificate: PrivacyCertificate, data: DataSet, budget: Budget) -> bool:
    """Compare digests; of private records through the salt that the budget ledger keeps.

    Without that salt nothing here can tell, and the answer is no.
    """
    card = data.card
    if not card.public:
        salt = budget.salt(card.digest)
        card = card if salt is None else published(card, salt)
    return card.digest == certificate.data.digest

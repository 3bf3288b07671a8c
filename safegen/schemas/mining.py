"""What others may do with something: CAWG's training and data mining assertion, 1.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Use = Literal["allowed", "notAllowed", "constrained"]
Mining = Mapping[str, Use]

KEPT_TO_ITSELF: Mining = {  # unless a policy says otherwise
    "ai_generative_training": "notAllowed",
    "ai_training": "notAllowed",
    "ai_inference": "allowed",
    "data_mining": "notAllowed",
}

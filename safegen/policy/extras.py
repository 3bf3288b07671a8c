"""What a policy says beside its rules: time-stamps, and what others may do with the outputs.

time_stamps: required
training_mining:
  ai_training: notAllowed
  ai_inference: allowed
"""

from __future__ import annotations

from typing import Any, get_args

from safegen.errors import PolicyError
from safegen.schemas.mining import KEPT_TO_ITSELF, Mining, Use

STAMPING = ("preferred", "required")


def stamps_required(value: Any, key: str) -> bool:  # noqa: ANN401 - as YAML gave it
    """Whether nothing may leave without a time-stamp.

    Raises:
        PolicyError: the value is neither of the two.
    """
    if value not in STAMPING:
        raise PolicyError(f"{key}: {value!r} is no choice; choose {', '.join(STAMPING)}")
    return bool(value == "required")


def training_mining(value: Any, key: str) -> Mining:  # noqa: ANN401 - likewise
    """What others may do with the outputs; what is not named stays as it is by default.

    Raises:
        PolicyError: an entry is unknown, or its use is.
    """
    if not isinstance(value, dict):
        raise PolicyError(f"{key}: expected keys {', '.join(KEPT_TO_ITSELF)}")
    for name, use in value.items():
        if name not in KEPT_TO_ITSELF:
            raise PolicyError(f"{key}.{name}: no such key; known are {', '.join(KEPT_TO_ITSELF)}")
        if use not in get_args(Use):
            raise PolicyError(f"{key}.{name}: {use!r} is no use; choose {', '.join(get_args(Use))}")
    return {**KEPT_TO_ITSELF, **value}

"""The methods of explanation that can be asked for by name.

from safegen.explain.registry import register

class Occlusion:
    name = "occlusion"
    def explain(self, generator, draw, modality): ...

register(Occlusion())
model.generate(4, purpose="a figure", explainer="occlusion")
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING

from safegen.errors import InputError, RequestError

if TYPE_CHECKING:
    from safegen.explain.explainer import Explainer
    from safegen.schemas.explanation import Detail

BY_DETAIL: dict[Detail, str] = {"summary": "shapley", "full": "integrated-gradients"}
_OURS = {
    "integrated-gradients": ("integrated_gradients", "IntegratedGradientsExplainer"),
    "deeplift": ("deeplift", "DeepLiftExplainer"),
    "feature-ablation": ("feature_ablation", "FeatureAblationExplainer"),
    "kernel-shap": ("kernel_shap", "KernelShapExplainer"),
    "shapley": ("shapley", "ShapleyExplainer"),
}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_registered: dict[str, Explainer] = {}


def register(explainer: Explainer) -> None:
    """Make a method of one's own known by its name; one of the same name is replaced.

    Raises:
        InputError: it does not keep the protocol, or has the name of one of safegen's own.
    """
    kind = type(explainer).__name__
    name = getattr(explainer, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"the explainer {kind} has the name {name!r}; give it a `name` of small letters, "
            "digits and dashes"
        )
    if name in _OURS:
        raise InputError(f"the explainer {kind} has the name of safegen's own {name!r}; rename it")
    explain = getattr(explainer, "explain", None)
    if not callable(explain) or not _takes_three(explain):
        raise InputError(
            f"the explainer {name!r} ({kind}) has no method explain(generator, draw, modality); "
            "see safegen.explain.explainer.Explainer"
        )
    _registered[name] = explainer


def explainer_named(name: str) -> Explainer:
    """The method of a name.

    Raises:
        RequestError: there is none.
    """
    if name in _registered:
        return _registered[name]
    if name not in _OURS:
        known = ", ".join(names())
        raise RequestError(f"no explainer is called {name!r}; there are {known}")
    module, kind = _OURS[name]
    made: Explainer = getattr(import_module(f"safegen.explain.methods.{module}"), kind)()
    return made


def names() -> tuple[str, ...]:
    """Of all methods that can be asked for."""
    return (*_OURS, *sorted(_registered))


def _takes_three(explain: object) -> bool:
    assert callable(explain)
    try:
        inspect.signature(explain).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True

"""safegen: responsible generation.

A data set and a privacy budget go in; a generator comes out whose every output is allowed by a
policy, explained, signed and logged, and which anybody can check offline.

    import safegen

    model = safegen.train("digits", out="runs/digits", epsilon=8)     # differentially private
    release = model.generate(4, label=7, seed=0, purpose="a figure")  # or raises Refused
    paths = release.save("out")                                       # signed PNGs, receipts
    verdict = safegen.verify(paths[0], trust="keys/root.pem")         # .state == "trusted"

The way of the data, room by room:

    data           records and their card
    privacy        the plan, the budget and the certificate; what may look at records
    models         networks that are safe under per-sample gradients
    training       from records to a generator
    package        the generator as a signed folder
    audit          attacks on it; evaluation: what it is good for
    policy         what may leave, and why
    explain        which latents made what
    provenance     keys, manifests, the log
    pipeline       train, generate, sign, explain, evaluate, audit: where the others meet
    verification   files to verdicts, without any of the networks
    cli, web       the doors; report, what they show

Importing safegen loads none of these; each name below loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from safegen.moved import say_where

if TYPE_CHECKING:
    from safegen.config.evaluation import EvaluationConfig
    from safegen.config.privacy import PrivacyConfig
    from safegen.config.training import TrainingConfig
    from safegen.config.workspace import Workspace
    from safegen.data.dataset import DataSet
    from safegen.data.sources import load as load_data
    from safegen.errors import BudgetRefused, InputError, Refused, SafegenError, UnsafeWarning
    from safegen.pipeline.evaluate import Evaluation, evaluate
    from safegen.pipeline.generate.model import Model, load
    from safegen.pipeline.generate.outputs import Output, Release
    from safegen.pipeline.quota import quota_use
    from safegen.pipeline.revoke import revocations
    from safegen.pipeline.revoke import take_back as revoke
    from safegen.pipeline.sign import Signed, sign
    from safegen.pipeline.train.planning import plan
    from safegen.pipeline.train.train import resume, train
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.execution.settings import Execution
    from safegen.schemas.verdict import Verdict
    from safegen.verification.options import VerificationOptions
    from safegen.verification.verify import verify, verify_tree

_HOMES = {
    "BudgetRefused": "errors",
    "DataSet": "data.dataset",
    "Evaluation": "pipeline.evaluate",
    "EvaluationConfig": "config.evaluation",
    "Execution": "privacy.execution.settings",
    "InputError": "errors",
    "Model": "pipeline.generate.model",
    "Output": "pipeline.generate.outputs",
    "PrivacyConfig": "config.privacy",
    "PrivacyPlan": "privacy.accounting.plan",
    "Refused": "errors",
    "Release": "pipeline.generate.outputs",
    "SafegenError": "errors",
    "Signed": "pipeline.sign",
    "TrainingConfig": "config.training",
    "UnsafeWarning": "errors",
    "Verdict": "schemas.verdict",
    "VerificationOptions": "verification.options",
    "Workspace": "config.workspace",
    "evaluate": "pipeline.evaluate",
    "load": "pipeline.generate.model",
    "load_data": "data.sources",
    "plan": "pipeline.train.planning",
    "quota_use": "pipeline.quota",
    "resume": "pipeline.train.train",
    "revocations": "pipeline.revoke",
    "revoke": "pipeline.revoke",
    "sign": "pipeline.sign",
    "train": "pipeline.train.train",
    "verify": "verification.verify",
    "verify_tree": "verification.verify",
}
_OTHER_NAMES = {"load_data": "load", "revoke": "take_back"}

__all__ = [
    "BudgetRefused",
    "DataSet",
    "Evaluation",
    "EvaluationConfig",
    "Execution",
    "InputError",
    "Model",
    "Output",
    "PrivacyConfig",
    "PrivacyPlan",
    "Refused",
    "Release",
    "SafegenError",
    "Signed",
    "TrainingConfig",
    "UnsafeWarning",
    "Verdict",
    "VerificationOptions",
    "Workspace",
    "evaluate",
    "load",
    "load_data",
    "plan",
    "quota_use",
    "resume",
    "revocations",
    "revoke",
    "sign",
    "train",
    "verify",
    "verify_tree",
]

say_where()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOMES:
        raise AttributeError(f"safegen has no {name!r}; its names are {', '.join(__all__)}")
    home = import_module(f"safegen.{_HOMES[name]}")
    return getattr(home, _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

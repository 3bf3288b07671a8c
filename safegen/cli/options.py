"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safegen.cli.settings import Settings, option_of, texts_of
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.config.workspace import Workspace
from safegen.data.sources import load
from safegen.privacy.execution.settings import Execution

DATA = texts_of(load)["source"]
_WORKSPACE = Workspace()
KEYS = str(_WORKSPACE.keys)  # where nothing else is named
LEDGER_FILE = str(_WORKSPACE.ledger)
ROOT = Path(KEYS) / "root.pem"

Keys = option_of(Workspace, "keys")
Ledger = option_of(Workspace, "ledger")
DataRoot = option_of(load, "data_root")
Budget = option_of(Workspace, "budget")
TimeStamps = option_of(Workspace, "timestamp_url")
TimeTrust = Annotated[
    Path | None,
    typer.Option(help="PEM roots of time-stamp authorities; their stamps outlive signers."),
]
Revoked = Annotated[list[Path] | None, typer.Option(help="A revocation list; repeatable.")]
Policy = Annotated[
    list[str],
    typer.Option(help="A shipped policy's name, or a YAML file; repeatable, and all must allow."),
]
BASELINE = ["baseline"]  # the policy where none is named
Deployment = Annotated[
    Path | None,
    typer.Option(help="A YAML file that says where and for whom the system runs."),
]
Trust = Annotated[Path | None, typer.Option(help="PEM certificates of the roots to trust.")]

PRIVACY = Settings(PrivacyConfig, "Privacy")
TRAINING = Settings(TrainingConfig, "Training")
EXECUTION = Settings(Execution, "Speed and memory")
WORKSPACE = Settings(Workspace, "Workspace")
SIGNING = Settings(Workspace, "Workspace", leaving=("budget",))
LOADING = Settings(load, "Data", leaving=("source",))
PICTURES = Settings(load, "Data", only=("data_root", "size"))

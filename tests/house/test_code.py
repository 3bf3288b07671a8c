"""The code's own rules: style, types, layers, doctests, the lightness of imports."""

import doctest
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import safegen

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(safegen.__path__, "safegen.")
    if module.name != "safegen.__main__"
)


def run(*command, **options):
    return subprocess.run(
        command,
        cwd=options.pop("cwd", ROOT),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_style():
    done = run(sys.executable, "-m", "ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_format():
    done = run(sys.executable, "-m", "ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout


def test_types():
    done = run(sys.executable, "-m", "mypy")
    assert done.returncode == 0, done.stdout


def test_layers():
    assert lint(ROOT).returncode == 0


def lint(checkout):
    return run(
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))",
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("safegen/schemas/card.py", "import safegen.policy.guard"),
        ("safegen/policy/guard.py", "import safegen.explain.figure"),
        ("safegen/verification/verify.py", "import torch"),
        ("safegen/provenance/log/ledger.py", "import safegen.models.vae"),
        ("safegen/training/loop.py", "import opacus"),
        ("safegen/provenance/c2pa/claims.py", "import c2pa"),
        ("safegen/training/loop.py", "import safegen.privacy.mechanism.opening"),
        ("safegen/pipeline/train/publish.py", "import safegen.privacy.mechanism.opening"),
        ("safegen/training/releases/fitting.py", "import safegen.privacy.mechanism.release"),
        ("safegen/training/releases/fitting.py", "import safegen.data.dataset"),
        ("safegen/verification/origin.py", "import safegen.pipeline.sign"),
        ("safegen/provenance/c2pa/claims.py", "import safegen.provenance.log.ledger"),
        ("safegen/provenance/keys/chain.py", "import safegen.provenance.c2pa.manifest"),
        ("safegen/pipeline/generate/model.py", "import safegen.pipeline.train.run"),
        ("safegen/privacy/accounting/plan.py", "import safegen.privacy.mechanism.engine"),
        ("safegen/web/page.py", "import safegen.pipeline.generate.model"),
        ("safegen/report/page.py", "import safegen.web.page"),
    ],
)
def test_a_planted_import_against_a_contract_is_found(tmp_path, module, planted):
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "safegen", checkout / "safegen")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    path = checkout / module
    path.write_text(path.read_text() + f"\n{planted}\n")
    done = lint(checkout)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_a_new_module_must_be_given_its_floor(tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "safegen", checkout / "safegen")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    (checkout / "safegen" / "attic.py").write_text('"""Nobody said where this belongs."""\n')
    assert lint(checkout).returncode == 1


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_verifying_imports_no_torch():
    code = (
        "import sys, safegen.cli, safegen.verification.verify as v; "
        "print(sorted({'torch', 'opacus', 'captum', 'matplotlib'} & sys.modules.keys()))"
    )
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_verifying_a_file_imports_no_torch(made):
    code = (
        "import sys, safegen; "
        f"print(safegen.verify({str(made.outputs / '0001.png')!r}, trust={str(made.root)!r}, "
        f"ledger={str(made.ledger)!r}).state, 'torch' in sys.modules)"
    )
    assert run(sys.executable, "-c", code).stdout.split() == ["trusted", "False"]


def test_importing_safegen_imports_nothing_heavy():
    code = "import sys, safegen; print(*[m for m in sys.modules if m.startswith('safegen.')])"
    assert run(sys.executable, "-c", code).stdout.split() == ["safegen.moved"]


@pytest.mark.parametrize("heavy", ["pydantic", "cryptography", "numpy", "sqlalchemy", "torch"])
def test_a_command_begins_without_what_it_may_not_need(heavy):
    code = f"import sys, safegen.cli; print({heavy!r} in sys.modules)"
    assert run(sys.executable, "-c", code).stdout.strip() == "False"


def test_every_public_name_is_there():
    for name in safegen.__all__:
        assert getattr(safegen, name) is not None
    with pytest.raises(AttributeError, match="no 'trian'"):
        _ = safegen.trian

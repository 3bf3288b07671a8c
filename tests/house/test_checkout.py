"""What is tested is this checkout, in every process that a test starts, whatever is installed."""

import os
import subprocess
import sys
from pathlib import Path

import safegen

ROOT = Path(__file__).resolve().parents[2]
WHERE = "import safegen; print(safegen.__file__)"


def asked(cwd, **environment):
    command = [sys.executable, "-c", WHERE]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return Path(done.stdout.strip())


def test_what_is_tested_is_this_checkout(tmp_path):
    assert Path(safegen.__file__) == ROOT / "safegen" / "__init__.py"
    assert asked(tmp_path) == Path(safegen.__file__)


def test_a_package_that_is_installed_would_be_found_otherwise(tmp_path):
    """So that the test above can fail: it is the path of processes that decides."""
    installed = tmp_path / "site-packages" / "safegen" / "__init__.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert asked(tmp_path, PYTHONPATH=str(tmp_path / "site-packages")) == installed

"""Makes the libraries importable that the benchmarks compare with, apart from all others."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def install(folder: Path, progress: Callable[[str], object]) -> None:
    """Install the peers into `folder`, unless they are there, and look there last for imports."""
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        progress("Installing what the benchmarks compare with")
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "--target", folder, "-r", _REQUIREMENTS], check=True)
        stamp.write_text(wanted, "utf-8")
    sys.path.append(str(folder))

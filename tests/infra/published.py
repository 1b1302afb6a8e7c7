"""What others have published and the tests compare with: fetched once, kept under .local.

Tests run in several processes: one of them fetches a thing, and the others wait for it.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from filelock import FileLock

from tools import node

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
CACHE = ROOT / ".local" / "infra"


def wheel(requirement: str) -> zipfile.ZipFile:
    """Open the wheel of a pinned requirement such as `cdktn-provider-azapi==1.0.0`."""
    name, version = requirement.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    folder = CACHE / "wheels"
    with _only_one(requirement):
        if not list(folder.glob(pattern)):
            # pip moves a whole file into the folder: an interrupted download leaves nothing behind
            _pip(sys.executable, "download", "--no-deps", f"--dest={folder}", requirement)
    return zipfile.ZipFile(next(folder.glob(pattern)))


def _pip(python: str, *arguments: str) -> None:
    patience = ("--retries=10", "--timeout=60")
    subprocess.run([python, "-m", "pip", "--quiet", *patience, *arguments], check=True)


def jsii_assembly(requirement: str) -> bytes:
    """Return the assembly, JSON, that describes every type of a jsii package."""
    with wheel(requirement) as package:
        archive = next(name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with package.open(archive) as file, tarfile.open(fileobj=file) as members:
            assembly = members.extractfile("package/.jsii")
            assert assembly is not None
            return assembly.read()


def package_metadata(requirement: str, pattern: str) -> str:
    """Return what the first group of a pattern finds in the description of a wheel."""
    with wheel(requirement) as package:
        name = next(name for name in package.namelist() if name.endswith(".dist-info/METADATA"))
        found = re.search(pattern, package.read(name).decode())
        assert found, f"{requirement} does not say {pattern}"
        return found[1]


def npm_package(name: str) -> Path:
    """Return the folder of an npm package that package.json beside this file pins."""
    return node.packages(Path(__file__).parent) / "node_modules" / name


def environment_of(lock: Path) -> Path:
    """Return the folder of a virtual environment with what a lock file pins, and nothing else."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{lock.parent.name}-{digest}"
    ready = folder / "ready"
    with _only_one(folder.name):
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            _pip(program(folder, "python"), "install", "--require-hashes", f"--requirement={lock}")
            ready.touch()
    return folder


def _only_one(name: str) -> FileLock:
    return FileLock(CACHE / "locks" / name)


def program(environment: Path, name: str) -> str:
    """Return a program of a virtual environment."""
    return str(environment / ("Scripts" if sys.platform == "win32" else "bin") / name)

"""What others have published and the tests compare with: fetched from PyPI once, kept under .local/infra."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".local" / "infra"


def wheel(requirement: str) -> zipfile.ZipFile:
    """Open the wheel of a pinned requirement such as `azure-mgmt-web==11.0.1`."""
    name, version = requirement.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    folder = CACHE / "wheels"
    if not list(folder.glob(pattern)):
        # The folder is shared by runs at the same time: pip moves a finished file into it
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement],
            check=True,
        )
    return zipfile.ZipFile(next(folder.glob(pattern)))


def jsii_assembly(requirement: str) -> bytes:
    """Return the assembly, JSON, that describes every type of a jsii package."""
    with wheel(requirement) as package:
        archive = next(name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with package.open(archive) as file, tarfile.open(fileobj=file) as members:
            assembly = members.extractfile("package/.jsii")
            assert assembly is not None
            return assembly.read()

"""The lock files: every package is pinned with its hashes, and what is tested is what is deployed."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from infra.published import ROOT
from tools.commands.lock import LOCKS

REFRESH = "run: python3 dev.py lock"


class Locked(NamedTuple):
    """One entry of a lock file."""

    requirement: Requirement
    hashes: int
    named_by: frozenset[str]

    @property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return next(iter(self.requirement.specifier)).version


def _locked(lock: str) -> dict[NormalizedName, Locked]:
    text = (ROOT / lock).read_text("utf-8")
    entries = {}
    for entry in re.split(r"^(?=[\w.])", text, flags=re.MULTILINE)[1:]:
        requirement = Requirement(entry.partition("\\")[0])
        # where the requirement comes from: the words behind "via", without constraints
        origins = re.findall(r"^    # +(?:via )?(?:-r )?([\w./-]+)$", entry, re.MULTILINE)
        locked = Locked(requirement, entry.count("--hash=sha256:"), frozenset(origins) - {"via"})
        entries[locked.name] = locked
    return entries


def _named(source: Path) -> Iterator[Requirement]:
    """Yield what a requirements.in names, and what those that it includes name."""
    for line in source.read_text("utf-8").splitlines():
        if line.startswith("-r "):
            yield from _named(source.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield Requirement(line)


def _source(lock: str) -> Path:
    return (ROOT / lock).with_suffix(".in")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_up_to_date(lock: str) -> None:
    locked = _locked(lock)
    named = list(_named(_source(lock)))
    for requirement in named:
        entry = locked.get(canonicalize_name(requirement.name))
        assert entry, f"{lock} lacks {requirement.name}; {REFRESH}"
        assert requirement.specifier.contains(entry.version), f"{lock} has {entry.requirement}; {REFRESH}"
    from_source = {
        entry.name for entry in locked.values() if any(origin.endswith(".in") for origin in entry.named_by)
    }
    assert from_source == {canonicalize_name(requirement.name) for requirement in named}, REFRESH


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_its_hashes(lock: str) -> None:
    for entry in _locked(lock).values():
        assert [part.operator for part in entry.requirement.specifier] == ["=="], entry.requirement
        assert entry.hashes, entry.requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock: str) -> None:
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", (ROOT / lock).read_text("utf-8"))


@pytest.mark.parametrize("lock", [lock for lock, agreeing in LOCKS.items() if agreeing])
def test_what_is_tested_is_what_is_deployed(lock: str) -> None:
    deployed, here = _locked("requirements.txt"), _locked(lock)
    for name in deployed.keys() & here.keys():
        assert here[name].version == deployed[name].version, name


def test_what_is_installed_is_what_the_lock_pins() -> None:
    """Each package's own requirements are met from the lock: nothing is left to resolve on the day."""
    locked = _locked("tests/requirements.txt")
    for entry in locked.values():
        if entry.requirement.marker and not entry.requirement.marker.evaluate():
            continue
        try:
            installed = distribution(entry.name)
        except PackageNotFoundError:
            pytest.fail(f"{entry.name} is locked and not installed: python3 dev.py test installs it")
        assert installed.version == entry.version, entry.name
        for line in installed.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in locked, f"{entry.name} needs {needed}; {REFRESH}"

"""Keeps the keys that callers of HTTP functions show, in a small file of the host's own."""

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keys:
    """The master key (every level), the host key (every function) and a key for each function."""

    master: str
    host: str
    functions: Mapping[str, str]

    @classmethod
    def load(cls, path: Path, functions: Iterable[str]) -> "Keys":
        """Read the keys at `path`; make and keep those that are missing."""
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        kept_functions = kept.get("functions", {})
        keys = cls(
            master=kept.get("master") or secrets.token_urlsafe(32),
            host=kept.get("host") or secrets.token_urlsafe(32),
            functions={name: kept_functions.get(name) or secrets.token_urlsafe(32) for name in functions},
        )
        if asdict(keys) != kept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(keys), indent=2), "utf-8")
            path.chmod(0o600)
        return keys

    def admit(self, shown: str | None, *, level: str, function: str) -> bool:
        """Return whether the key that a caller showed opens a function of this auth level."""
        if level == "anonymous":
            return True
        accepted = [self.master] if level == "admin" else [self.master, self.host, self.functions[function]]
        offered = (shown or "").encode()
        # Compare with every key, so that the time taken reveals nothing.
        return sum(hmac.compare_digest(offered, key.encode()) for key in accepted) > 0

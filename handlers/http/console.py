"""The console: static files that hold no data; the page calls the JSON API, which asks for the key."""

from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from handlers.errors import Missing
from handlers.responses import Response

_FOLDER = Path(__file__).parents[2] / "console"
_PAGE = "index.html"
# the platform adds the charset to text
_CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Only files of this app run, nothing is loaded from elsewhere, and no text can become a script: even the
# page's own code has no way to parse HTML (trusted types without a policy).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class _File(NamedTuple):
    body: bytes
    content_type: str
    etag: str


@cache
def _files() -> dict[str, _File]:
    """Read the folder once; nothing outside it is served."""
    return {path.name: _read(path) for path in _FOLDER.iterdir() if path.suffix in _CONTENT_TYPES}


def _read(path: Path) -> _File:
    body = path.read_bytes()
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    return _File(body, _CONTENT_TYPES[path.suffix], etag)


async def console(name: str | None, known_etag: str | None) -> Response:
    """Return a file of the console, by default the page; 304 where the browser already has it."""
    file = _files().get(name or _PAGE)
    if file is None:
        raise Missing(f"The console has no file {(name or '')[:60]!r}.")
    headers = {**_HEADERS, "ETag": file.etag}
    if known_etag == file.etag:
        return Response(304, b"", file.content_type, headers)
    return Response(200, file.body, file.content_type, headers)

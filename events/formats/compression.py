"""Compressed bodies: gzip, deflate (zlib and raw) and br, declared or recognised, never beyond a bound."""

import re
import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli

from events.errors import BodyTooLarge, NotJsonOrXml

# A body may expand to this many times its size, and to this much whatever its size. Deflate reaches 1,000
# times, on nothing but repetition; printIQ's documents compress to a tenth.
MAX_RATIO = 200
_ANY_RATIO = 1024 * 1024
# gzip inside gzip is seen where a proxy compresses what a sender compressed.
_MAX_LAYERS = 3
_CHUNK = 256 * 1024

# The first bytes of compressed bodies have some of these, those of documents none.
_CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")

_GZIP_MAGIC = b"\x1f\x8b\x08"


class _Decompressor(Protocol):
    def chunks(self, body: bytes) -> Iterator[bytes]:
        """Yield what comes out; raise ValueError where the body is not of this coding, or is cut off."""
        ...


class _Zlib:
    """gzip, zlib or raw deflate, by zlib's number for them."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits

    def chunks(self, body: bytes) -> Iterator[bytes]:
        try:
            while body:
                stream = zlib.decompressobj(self._window_bits)
                while not stream.eof:
                    chunk = stream.decompress(body, _CHUNK)
                    if not chunk and not stream.unconsumed_tail and not stream.eof:
                        raise ValueError("it ends too early")
                    body = stream.unconsumed_tail
                    yield chunk
                # gzip allows several members in a row; padding after the last one is ignored
                body = stream.unused_data.lstrip(b"\x00 \r\n")
                if self._window_bits != _GZIP and body:
                    raise ValueError("something follows its end")
        except zlib.error as error:
            raise ValueError(str(error)) from error


class _Brotli:
    def chunks(self, body: bytes) -> Iterator[bytes]:
        stream = brotli.Decompressor()
        try:
            yield stream.process(body, output_buffer_limit=_CHUNK)
            while not stream.is_finished():
                chunk = stream.process(b"", output_buffer_limit=_CHUNK)
                if not chunk and not stream.is_finished():
                    raise ValueError("it ends too early")
                yield chunk
        except brotli.error as error:
            raise ValueError(str(error)) from error


_GZIP = 16 + zlib.MAX_WBITS
_CODINGS: dict[str, tuple[_Decompressor, ...]] = {
    "gzip": (_Zlib(_GZIP),),
    "x-gzip": (_Zlib(_GZIP),),
    # RFC 9110 means zlib; some senders write raw deflate
    "deflate": (_Zlib(zlib.MAX_WBITS), _Zlib(-zlib.MAX_WBITS)),
    "br": (_Brotli(),),
}


def decompress(body: bytes, content_encoding: str | None, max_bytes: int) -> bytes:
    """Return the body as it was before compression. Raises BodyTooLarge and NotJsonOrXml.

    A coding is undone where it is declared or the bytes begin as it does. A declared coding that the bytes
    contradict is ignored: a gateway may have undone it.
    """
    limit = min(max_bytes, max(len(body) * MAX_RATIO, _ANY_RATIO))
    declared = [name.strip().lower() for name in (content_encoding or "").split(",")]
    for _ in range(_MAX_LAYERS):
        if body.startswith(_GZIP_MAGIC):
            body = _undo_gzip(body, limit, max_bytes)
        elif _begins_as_zlib(body) and (inner := _undo("deflate", body, limit, max_bytes)) is not None:
            body = inner
        elif _begins_as_text(body):
            break
        else:
            names = [name for name in (*reversed(declared), "br", "deflate") if name in _CODINGS]
            undone = (_undo(name, body, limit, max_bytes) for name in dict.fromkeys(names))
            texts = (each for each in undone if each is not None and _begins_as_text(each))
            # "5" is also an empty stream of br, which nobody sends without declaring it
            inner = next((each for each in texts if each or content_encoding), None)
            if inner is None:
                break
            body = inner
    return body


def _begins_as_zlib(body: bytes) -> bool:
    return len(body) > 2 and body[0] == 0x78 and int.from_bytes(body[:2]) % 31 == 0  # noqa: PLR2004 - RFC 1950


def _begins_as_text(body: bytes) -> bool:
    """Whether a JSON or XML document may begin like this, in any encoding, after a BOM and blanks."""
    start = body[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n\xc3\xaf\xc2\xbb\xbf")
    if not start or start[:1] not in b'{["<':
        return not start
    if start[1:2] == b"\x00":  # UTF-16
        return True
    # whatever is cut off at the end does not count
    return "\ufffd" not in start.decode(errors="replace")[:-4] and not _CONTROLS.search(start)


def _undo_gzip(body: bytes, limit: int, max_bytes: int) -> bytes:
    inner = _undo("gzip", body, limit, max_bytes)
    if inner is None:
        raise NotJsonOrXml("The body is compressed with gzip, but damaged or cut off.")
    return inner


def _undo(coding: str, body: bytes, limit: int, max_bytes: int) -> bytes | None:
    """Undo a coding; None where the body is not of it."""
    for decompressor in _CODINGS[coding]:
        whole = bytearray()
        try:
            for chunk in decompressor.chunks(body):
                whole += chunk
                if len(whole) > limit:
                    raise _too_large(len(body), limit, max_bytes)
        except ValueError:
            continue
        return bytes(whole)
    return None


def _too_large(size: int, limit: int, max_bytes: int) -> BodyTooLarge:
    if limit == max_bytes:
        return BodyTooLarge(
            f"The body expands to more than {max_bytes:,} bytes, which is all that is read "
            "(setting MAX_BODY_BYTES)."
        )
    return BodyTooLarge(
        f"The body of {size:,} bytes expands to more than {limit:,}: no event compresses so well. Send it "
        "uncompressed."
    )

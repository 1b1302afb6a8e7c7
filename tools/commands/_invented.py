"""Replaces the data of a payload by invented data of the same form, byte for byte where possible.

Names, structure, encoding, white space, booleans, dates, durations, empty values and "no key" stay. In every
other value each run of letters and each run of digits is replaced by another of the same length and case;
equal runs by equal ones, so that a number that occurs twice still does. The substitution is drawn anew each
time, so that nobody can recover the old values.
"""

import json
import re
import secrets
from hashlib import blake2b

_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)""")

# Whole values that identify nobody.
_KEPT = re.compile(
    r"""
    \s*(?:
        true | false | yes | no | y | n | null
      | -?[01](?:\.0+)?                                            # flags, and "no key"
      | [0.,:\s-]*
      | 0{8}-0{4}-0{4}-0{4}-0{12}
      | \d{4}-\d{2}-\d{2}(?:[T\s].{0,30})?                         # dates
      | \d{1,2}/\d{1,2}/\d{2,4}(?:\s.{0,15})?
      | /Date\(-?\d+(?:[+-]\d{4})?\)/
      | -?\d{1,3}:\s*-?\d{1,2}                                     # durations
      | metric | imperial | pick | return | adjustment | finished | completed? | cancelled | rejected
      | create\sjob | update\sjob\sstatus | awaiting\sacceptance | printed | requires\sapproval
    )\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_GUID = re.compile(r"\s*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{120,}")
_HOST = re.compile(r"((?<=@)|\b[a-z]{2,8}://)[\w.-]+", re.IGNORECASE)
_RUN = re.compile(r"[^\W\d_]+|\d+")

_JSON_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|-?\d[\d.eE+-]*', re.DOTALL)
_JSON_ESCAPE = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.)", re.DOTALL)
_XML_TOKEN = re.compile(r"<!--(.*?)-->|<!\[CDATA\[(.*?)\]\]>|<\?.*?\?>|<[^>]*>|[^<]+", re.DOTALL)
_XML_ATTRIBUTE = re.compile(r"""(\s([\w:.-]+)\s*=\s*)("[^"]*"|'[^']*')""")
_XML_ENTITY = re.compile(r"(&[^;\s]+;)")

_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"
_FIRST_OF_BASE64 = 16


class Inventor:
    """Invented values in place of real ones; equal seeds give equal values."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = seed or secrets.token_bytes(16)

    def payload(self, body: bytes) -> bytes:
        """Return a payload of the same form, without its data. Raises UnicodeError."""
        encoding, mark = _encoding(body)
        text = body[len(mark) :].decode(encoding)
        invented = self._xml(text) if text.lstrip().startswith("<") else self._json(text)
        return mark + invented.encode(encoding, "xmlcharrefreplace")

    def value(self, text: str) -> str:
        """Invent a value, as text without escapes."""
        if _KEPT.fullmatch(text):
            return text
        if _GUID.fullmatch(text):
            return re.sub(
                "[0-9a-f]", lambda found: self._drawn(text, found.start(), "0123456789abcdef"), text
            )
        if _BASE64.fullmatch(text):
            return text[:_FIRST_OF_BASE64] + re.sub(
                "[A-Za-z0-9]",
                lambda found: self._drawn(text, found.start(), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"),
                text[_FIRST_OF_BASE64:],
            )
        parts: list[str] = []
        at = 0
        for host in _HOST.finditer(text):
            parts += [_RUN.sub(self._run, text[at : host.start()]), f"{host[1]}example.com"]
            at = host.end()
        return "".join([*parts, _RUN.sub(self._run, text[at:])])

    def _run(self, found: re.Match[str]) -> str:
        """Replace one run of letters or digits."""
        run = found[0]
        if run.isdigit():
            if run in {"0", "1"}:
                return run
            digits = [self._drawn(run, index, "0123456789") for index in range(len(run))]
            zeros = len(run) - len(run.lstrip("0"))
            digits[:zeros] = "0" * zeros
            if zeros < len(run) and digits[zeros] == "0":
                digits[zeros] = "7"
            return "".join(digits)
        return "".join(self._letter(run, index) for index in range(len(run)))

    def _letter(self, run: str, index: int) -> str:
        letter = run[index]
        folded = letter.lower()
        if not letter.isascii():
            return "Ö" if letter.isupper() else "ö" if letter.islower() else "名"
        drawn = self._drawn(run.lower(), index, _VOWELS if folded in _VOWELS else _CONSONANTS)
        return drawn.upper() if letter.isupper() else drawn

    def _drawn(self, run: str, index: int, among: str) -> str:
        digest = blake2b(f"{index} {run}".encode(), key=self._seed, digest_size=4).digest()
        return among[int.from_bytes(digest) % len(among)]

    def _json(self, text: str) -> str:
        return _JSON_TOKEN.sub(self._json_token, text)

    def _json_token(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0] if _KEPT.fullmatch(found[0]) else self._number(found[0])
        if found[2] is not None:  # a name
            return found[0]
        inner = found[1]
        if not _JSON_ESCAPE.search(inner):
            return f'"{self.value(inner)}"'
        if _KEPT.fullmatch(json.loads(f'"{inner}"', strict=False)):
            return found[0]
        return f'"{"".join(map(self._json_part, _JSON_ESCAPE.split(inner)))}"'

    def _json_part(self, part: str) -> str:
        if not part.startswith("\\"):
            return self.value(part)
        if part[1] == "u" and json.loads(f'"{part}"', strict=False).isalpha():
            return r"\u00f6"
        return part

    def _number(self, text: str) -> str:
        mantissa, exponent, power = re.fullmatch(r"([^eE]*)([eE]?)(.*)", text).groups()  # type: ignore[union-attr] # matches all
        return _RUN.sub(self._run, mantissa) + exponent + power

    def _xml(self, text: str) -> str:
        return _XML_TOKEN.sub(self._xml_token, text)

    def _xml_token(self, found: re.Match[str]) -> str:
        if found[1] is not None:
            return f"<!--{self.value(found[1])}-->"
        if found[2] is not None:
            return f"<![CDATA[{self.value(found[2])}]]>"
        if found[0].startswith("<?") or found[0].startswith("<!"):
            return found[0]
        if found[0].startswith("<"):
            return _XML_ATTRIBUTE.sub(self._attribute, found[0])
        return "".join(
            part if part.startswith("&") else self.value(part) for part in _XML_ENTITY.split(found[0])
        )

    def _attribute(self, found: re.Match[str]) -> str:
        name = found[2]
        # the serializers' own: namespaces, nil and type
        if name.startswith("xmlns") or ":" in name:
            return found[0]
        quote = found[3][0]
        return f"{found[1]}{quote}{self.value(found[3][1:-1])}{quote}"


def _encoding(body: bytes) -> tuple[str, bytes]:
    """Return a body's encoding and the byte order mark that it begins with."""
    if body.startswith(b"\xef\xbb\xbf"):
        return "utf-8", body[:3]
    if body[:2] in _UTF16:
        return _UTF16[body[:2]], body[:2]
    if body[1:2] == b"\0":
        return "utf-16-le", b""
    if body[:1] == b"\0":
        return "utf-16-be", b""
    declared = _DECLARED.match(body)
    try:
        body.decode()
    except UnicodeDecodeError:
        return (declared[1].decode() if declared else "utf-8"), b""
    return "utf-8", b""

"""Bodies that are compressed, padded, or of another encoding than Unicode are read as what was meant."""

import gzip
import zlib
from dataclasses import replace

import brotli
import pytest
from deliveries import delivery

from events import BodyTooLarge, NotJsonOrXml, parse
from events.formats import read, sniff

JSON = '{"QuoteNo": "Q1 ōłß"}'.encode()
XML = "<QuoteDetails><QuoteNo>Q1 ōłß</QuoteNo></QuoteDetails>".encode()


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


COMPRESSED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, raw": raw_deflate,
    "br": brotli.compress,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "deflate, gzip": lambda body: gzip.compress(zlib.compress(body)),
}


@pytest.mark.parametrize("coding", COMPRESSED)
@pytest.mark.parametrize("body", [JSON, XML, b"\xef\xbb\xbf" + JSON, JSON.decode().encode("utf-16")])
def test_a_compressed_body_is_read_declared_or_not(coding: str, body: bytes) -> None:
    declared = coding.removesuffix(", raw")
    for content_encoding in (declared, declared.upper(), None, "identity", "nonsense", "br", "gzip"):
        document = read(COMPRESSED[coding](body), content_encoding=content_encoding)
        assert "Q1 ōłß" in document.members.values()


@pytest.mark.parametrize("content_encoding", ["gzip", "deflate", "br"])
def test_a_declared_coding_that_a_gateway_has_undone_is_ignored(content_encoding: str) -> None:
    assert read(JSON, content_encoding=content_encoding).members == {"QuoteNo": "Q1 ōłß"}


def test_a_gzip_file_in_several_members_and_padded_is_one_body() -> None:
    assert (
        read(gzip.compress(JSON[:9]) + gzip.compress(JSON[9:]) + b"\x00" * 20).members["QuoteNo"] == "Q1 ōłß"
    )


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, raw_deflate, brotli.compress])
def test_a_bomb_is_too_large_and_never_unpacked(compress: object) -> None:
    assert callable(compress)
    blanks = compress(b'{"QuoteNo": "Q1", "a": "' + b" " * 100_000_000 + b'"}')
    with pytest.raises(BodyTooLarge, match="expands to more than") as refused:
        parse(delivery("CreateQuote", blanks))
    assert refused.value.status == 413


def test_what_expands_beyond_the_bound_is_too_large() -> None:
    body = gzip.compress(JSON + b" " * 1000)
    with pytest.raises(BodyTooLarge, match="more than 1,000 bytes"):
        parse(delivery("CreateQuote", body), max_bytes=1000)


def test_a_damaged_gzip_file_says_so() -> None:
    with pytest.raises(NotJsonOrXml, match="damaged or cut off"):
        read(gzip.compress(JSON)[:-9])


def test_the_format_of_a_compressed_body_is_that_of_what_it_holds() -> None:
    assert (sniff(gzip.compress(XML)), sniff(brotli.compress(JSON))) == ("xml", "json")


WESTERN = '{"Code": "CAFE11", "Name": "Café Zoë “Print” €"}'.encode("windows-1252")


@pytest.mark.parametrize(
    "charset", ["windows-1252", "Windows-1252", "iso-8859-1", "latin1", "us-ascii", '"cp1252"']
)
def test_the_charset_of_the_content_type_is_believed_where_the_bytes_are_not_unicode(charset: str) -> None:
    came = replace(delivery("CreateCustomer", WESTERN), content_type=f"application/json; charset={charset}")
    assert "Café Zoë “Print” €".encode() in parse(came).data


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-7", "zip", "unicode_escape", "é", ""])
def test_a_charset_that_contradicts_unicode_bytes_is_ignored(charset: str) -> None:
    for body in (JSON, XML, JSON.decode().encode("utf-16"), XML.decode().encode("utf-16-le")):
        document = read(body, content_type=f"text/xml; charset={charset}")
        assert document.members["QuoteNo"] == "Q1 ōłß"


def test_the_charset_comes_before_the_declaration_of_a_document() -> None:
    xml = '<?xml version="1.0" encoding="iso-8859-1"?><QuoteDetails><QuoteNo>Łódź</QuoteNo></QuoteDetails>'
    body = xml.encode("windows-1250")
    assert read(body, content_type="text/xml; charset=windows-1250").members["QuoteNo"] == "Łódź"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "padding", ["\x00" * 213, " \r\n", "\x00", "\x1a", "\u00a0", "\ufeff", "\n\x00\n\x00 "]
)
@pytest.mark.parametrize("body", [JSON, XML])
def test_padding_after_the_document_is_ignored(body: bytes, padding: str, encoding: str) -> None:
    assert read((body.decode() + padding).encode(encoding)).members["QuoteNo"] == "Q1 ōłß"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_nul_bytes_of_any_number_are_padding(encoding: str) -> None:
    for count in range(5):
        assert read(JSON.decode().encode(encoding) + bytes(count)).members["QuoteNo"] == "Q1 ōłß"


@pytest.mark.parametrize("boms", [["utf-8"] * 2, ["utf-8"] * 3, ["utf-16-le"] * 2, ["utf-8", "utf-16-le"]])
@pytest.mark.parametrize("body", [JSON, XML])
def test_a_byte_order_mark_may_stand_twice(body: bytes, boms: list[str]) -> None:
    marks = b"".join("\ufeff".encode(each) for each in boms)
    assert read(marks + body.decode().encode(boms[-1])).members["QuoteNo"] == "Q1 ōłß"


def test_a_byte_order_mark_that_was_read_as_windows_1252_is_ignored() -> None:
    assert read("ï»¿".encode() + JSON).members["QuoteNo"] == "Q1 ōłß"


@pytest.mark.parametrize(
    "body",
    [
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{"QuoteNo": "Q1"}\r\n--x--\r\n',
        b"data=%7B%22QuoteNo%22%3A%22Q1%22%7D",
    ],
)
def test_a_form_is_refused_with_what_to_send_instead(body: bytes) -> None:
    with pytest.raises(NotJsonOrXml, match="Send the JSON or XML alone, as the body") as refused:
        read(body)
    assert refused.value.status == 415

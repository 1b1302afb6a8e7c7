"""Bodies that mean harm, or come from a broken sender: read or refused at once, and nothing is fetched."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deliveries import delivery, read

from events import BodyTooLarge, EmptyBody, EventError, Format, Malformed, NotJsonOrXml, parse, sniff, unwrap
from events.formats import MAX_ATTRIBUTES, MAX_DEPTH, MAX_VALUES, Document, read_inner
from tools.bench.worst_bodies import body_of

MB = 1024 * 1024


def refusal(event: str, body: bytes | str) -> EventError:
    with pytest.raises(EventError) as refused:
        read(event, body)
    return refused.value


def data(event: str, body: bytes | str) -> Any:
    return json.loads(read(event, body).data)


# -- nothing is fetched -------------------------------------------------------------------------------------


SECRET = "the secret in the file"


class Bait(NamedTuple):
    """What an attacker would like fetched: a file with a secret, and a server that nobody may visit."""

    file: Path
    port: int


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Bait]:
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()
        visitors: list[str] = []

        def turn_visitors_away() -> None:
            while True:
                try:
                    visitor, address = server.accept()
                except TimeoutError:  # nobody is waiting
                    if over.is_set():
                        return
                else:
                    visitors.append(str(address))
                    visitor.close()

        watch = threading.Thread(target=turn_visitors_away)
        watch.start()
        yield Bait(file, server.getsockname()[1])
        over.set()
        watch.join()
    assert visitors == []


ENTITIES = {
    "general": '<!DOCTYPE Job [<!ENTITY x SYSTEM "{url}">]><Job><JobNumber>&x;</JobNumber></Job>',
    "in an attribute": '<!DOCTYPE Job [<!ENTITY x "y">]><Job><JobNumber a="&x;"/></Job>',
    "parameter": '<!DOCTYPE Job [<!ENTITY % x SYSTEM "{url}"> %x;]><Job/>',
    "external DTD": '<!DOCTYPE Job SYSTEM "{url}"><Job/>',
    "public DTD": '<!DOCTYPE Job PUBLIC "-//X//Y" "{url}"><Job/>',
    "after a comment": '<?xml version="1.0"?><!-- > --><?pi <!?>\n<!DOCTYPE Job SYSTEM "{url}"><Job/>',
    "after a comment's odd end": '<!---><!-- --><!DOCTYPE Job [<!ENTITY x SYSTEM "{url}">]><Job>&x;</Job>',
    "in lower case": '<!doctype Job SYSTEM "{url}"><Job/>',
}


@pytest.mark.parametrize("scheme", ["file", "http"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("document", ENTITIES.values(), ids=list(ENTITIES))
def test_an_entity_is_refused_and_nothing_is_fetched(
    bait: Bait, document: str, encoding: str, scheme: str
) -> None:
    url = bait.file.as_uri() if scheme == "file" else f"http://127.0.0.1:{bait.port}/x.dtd"
    refused = refusal("CreateJobXml", document.format(url=url).encode(encoding))
    assert (refused.status, type(refused)) == (422, Malformed)
    assert SECRET not in str(refused)


def test_xinclude_is_never_acted_on(bait: Bait) -> None:
    includes = "".join(
        f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}" parse="text"/>'
        for url in (bait.file.as_uri(), f"http://127.0.0.1:{bait.port}/")
    )
    event = read("CreateJobXml", f"<Job><JobNumber>J1</JobNumber><Title>{includes}</Title></Job>")
    assert SECRET.encode() not in event.data
    includes_kept = json.loads(event.data)["_unread"]["/Title"]["include"]
    assert [include["href"] for include in includes_kept] == [
        bait.file.as_uri(),
        f"http://127.0.0.1:{bait.port}/",
    ]


def test_a_schema_location_is_not_fetched(bait: Bait) -> None:
    url = f"http://127.0.0.1:{bait.port}/job.xsd"
    xsi = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{url}"'
    stylesheet = f'<?xml-stylesheet type="text/xsl" href="{url}"?>'
    assert (
        data("CreateJobXml", f"{stylesheet}<Job {xsi}><JobNumber>J1</JobNumber></Job>")["JobNumber"] == "J1"
    )


# -- depth and size -----------------------------------------------------------------------------------------


def nested_json(levels: int) -> str:
    return '{"Extra": ' * (levels - 1) + "{}" + "}" * (levels - 1)


def nested_xml(levels: int) -> str:
    return "<Job>" + "<Extra>" * levels + "deep" + "</Extra>" * levels + "</Job>"


@pytest.mark.parametrize("nested", [nested_json, nested_xml])
def test_nesting_is_read_to_its_bound_and_refused_beyond(nested: Callable[[int], str]) -> None:
    assert read("CreateJobXml", nested(MAX_DEPTH)).data.count(b"Extra") >= MAX_DEPTH - 1
    for levels in (MAX_DEPTH + 1, 300, 3_000, 90_000):
        refused = refusal("CreateJobXml", nested(levels))
        assert f"more than {MAX_DEPTH} levels deep" in str(refused)
        assert "HUGE" not in str(refused)


def test_a_long_pointer_stops_at_what_the_place_is_in() -> None:
    (problem,) = refusal("CreateJobXml", nested_json(3_000)).problems
    assert len(problem.pointer) <= 200
    assert problem.pointer.startswith("/Extra/Extra/")


@pytest.mark.parametrize(
    "body",
    [
        '{"Extra": [' + "0," * MAX_VALUES + "0]}",
        '{"Extra": [' + "{}," * (MAX_VALUES // 2) + "0]}",
        "<Job>" + "<a/>" * MAX_VALUES + "</Job>",
        "<Job>" + "<a b='1'/>" * (MAX_VALUES // 2) + "</Job>",
    ],
    ids=["numbers", "objects", "elements", "attributes"],
)
def test_more_values_than_any_object_has_are_refused(body: str) -> None:
    assert f"more than {MAX_VALUES:,} values" in str(refusal("CreateJobXml", body))


def test_a_large_body_may_hold_as_many_values_as_it_has_room_for() -> None:
    products = ",".join(f'{{"JobNo": "J{number:06}-01", "Title": "Leaflet"}}' for number in range(60_000))
    assert len(data("CreateJob", f'{{"Products": [{products}]}}')["Products"]) == 60_000


def test_commas_and_brackets_inside_a_text_are_not_counted_as_values() -> None:
    text = ",[{" * MAX_VALUES + '\\"'
    assert len(data("CreateJobXml", f'{{"Extra": "{text}"}}')["Extra"]) == len(text) - 1


def test_equals_signs_inside_a_text_are_not_counted_as_values() -> None:
    text = "QQ==" * MAX_VALUES
    assert data("CreateJobXml", f"<Job><Title>{text}</Title></Job>")["Title"] == text


@pytest.mark.parametrize(("count", "says"), [(150_000, "attributes"), (1_000_000, "values")])
def test_countless_attributes_are_refused(count: int, says: str) -> None:
    attributes = " ".join(f'a{number}="1"' for number in range(count))
    assert says in str(refusal("CreateJobXml", f"<Job {attributes}/>"))


@pytest.mark.parametrize("body", ["<Job {}/>", "<Job><a {}/></Job>", "<Job><a {}><b/></a></Job>"])
def test_attributes_are_read_to_their_bound_and_refused_beyond(body: str) -> None:
    many = [f'a{number}="{number}"' for number in range(MAX_ATTRIBUTES + 1)]
    assert read("CreateJobXml", body.format(" ".join(many[:-1]))).data.count(b'"999"') == 1
    assert "attributes" in str(refusal("CreateJobXml", body.format(" ".join(many))))


@pytest.mark.parametrize(
    "form", ["<Job><JobNumber>J1</JobNumber><Extra>{}</Extra></Job>", '{{"JobNo": "J1", "Extra": "{}"}}']
)
def test_a_text_of_20_megabytes_is_read(form: str) -> None:
    event = read("CreateJobXml", form.format("QUJD" * (5 * MB)))
    assert event.subject is not None
    assert event.subject.key == "J1"
    assert event.data.count(b"QUJD") == 5 * MB


def test_a_body_larger_than_is_read_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(BodyTooLarge, match=r"11 bytes; at most 10 are read") as refused:
        parse(delivery("CreateJob", b"\xff" * 11), max_bytes=10)
    assert refused.value.status == 413


# -- numbers and names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1" * 4_300, "-" + "1" * 4_299])
@pytest.mark.parametrize("name", ["TotalPrice", "QuoteNo", "Extra"])
def test_a_whole_number_of_4300_digits_is_kept_exactly(name: str, number: str) -> None:
    found = data("CreateJob", f'{{"{name}": {number}}}')
    assert found.get("_unread", {}).get(f"/{name}", found[name]) == number


@pytest.mark.parametrize("name", ["TotalPrice", "QuoteNo", "Extra"])
def test_a_whole_number_of_4301_digits_is_refused(name: str) -> None:
    (problem,) = refusal("CreateJob", f'{{"{name}": {"1" * 4_301}}}').problems
    assert problem.pointer == f"/{name}"
    assert "4,300 digits" in problem.message


@pytest.mark.parametrize("number", ["1e9999999999999999999", "-1E-9999999999999999999"])
def test_an_exponent_beyond_any_machine_is_refused(number: str) -> None:
    (problem,) = refusal("CreateJob", f'{{"Products": [], "TotalPrice": {number}}}').problems
    assert problem.pointer == "/TotalPrice"
    assert "exponent" in problem.message


def test_a_name_given_twice_is_refused_even_if_written_differently() -> None:
    assert "'QuoteNo' appears twice" in str(refusal("CreateJob", r'{"QuoteNo": "1", "\u0051uoteNo": "2"}'))


@pytest.mark.parametrize("escape", [r"\ud83d", r"\udc00", r"\ud83d\u0041", r"\ud83dx"])
@pytest.mark.parametrize("body", [r'{{"QuoteNo": "{}"}}', r'{{"{}": 1}}', r'{{"a": {{"x{}": [1]}}}}'])
def test_half_a_surrogate_pair_is_refused(body: str, escape: str) -> None:
    refused = refusal("CreateJob", body.format(escape))
    assert "surrogate" in str(refused)
    (refused.problems[0].pointer + str(refused)).encode()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "~",
        "a/b~c",
        "__class__",
        "model_fields",
        "subjects",
        "can_be_duplicate",
        "__pydantic_extra__",
        "é\u0000",
    ],
)
def test_an_unknown_name_may_be_any_text(name: str) -> None:
    assert data("CreateJob", json.dumps({"QuoteNo": "Q1", name: "kept"}))[name] == "kept"
    (problem,) = refusal("CreateJob", f'{{"Products": {{{json.dumps(name)}: [1, NaN]}}}}').problems
    assert problem.pointer == "/Products/" + name.replace("~", "~0").replace("/", "~1") + "/1"


# -- encodings ----------------------------------------------------------------------------------------------

OBJECT = '{"QuoteNo": "Ō1"}'
DOCUMENT = "<QuoteDetails><QuoteNo>Ō1</QuoteNo></QuoteDetails>"


@pytest.mark.parametrize("text", [OBJECT, DOCUMENT, f" \r\n\t{OBJECT}\n", f"\n {DOCUMENT} \n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_in_its_usual_encodings(text: str, encoding: str) -> None:
    assert data("CreateQuote", text.encode(encoding))["QuoteNo"] == "Ō1"


@pytest.mark.parametrize("declared", ["utf-8", "UTF-16", "iso-8859-1", "zip", "no-such-thing"])
def test_a_declaration_that_contradicts_unicode_bytes_is_ignored(declared: str) -> None:
    declaration = f'\n<?xml version="1.0" encoding="{declared}"?>\n'
    assert data("CreateQuote", declaration + DOCUMENT)["QuoteNo"] == "Ō1"


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ISO-8859-15", "windows-1252", "cp1252", "latin1"])
def test_a_code_page_is_read_where_it_is_declared(encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?><QuoteDetails><QuoteNo>é1</QuoteNo></QuoteDetails>'
    assert data("CreateQuote", body.encode(encoding))["QuoteNo"] == "é1"


# Python's codecs that are no character encodings, encodings of other systems, and names of nothing.
CODECS = [
    "unicode_escape",
    "raw_unicode_escape",
    "utf-7",
    "idna",
    "punycode",
    "zip",
    "base64",
    "hex",
    "rot13",
]
ODD_NAMES = ["undefined", "mbcs", "charmap", "utf_8", "iso-8859-99", "windows-9999", "os", ".."]


@pytest.mark.parametrize("codec", [*CODECS, *ODD_NAMES])
def test_a_codec_that_is_no_code_page_is_not_run(codec: str) -> None:
    body = f'<?xml version="1.0" encoding="{codec}"?><QuoteDetails><QuoteNo>'.encode() + b"\xe9\\u0041"
    assert "not valid UTF-8" in str(refusal("CreateQuote", body + b"</QuoteNo></QuoteDetails>"))


@pytest.mark.parametrize("body", [b"\x00", b"\x00\x00\x00{", b"{\x00", b'{"a"\x00: 1}', b"\xff\xfe"])
def test_stray_zero_bytes_are_refused(body: bytes) -> None:
    assert isinstance(refusal("CreateJobXml", body), Malformed | NotJsonOrXml | EmptyBody)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", EmptyBody),
        (b"\xef\xbb\xbf \n", EmptyBody),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", NotJsonOrXml),
        (b"\x89PNG\r\n\x1a\n", NotJsonOrXml),
        (b"\xd0\xcf\x11\xe0", NotJsonOrXml),
        (b"\x1f\x8b\x08", NotJsonOrXml),
        (b"QuoteNo=Q1", NotJsonOrXml),
        (b"hello", NotJsonOrXml),
        (b"<!DOCTYPE html><p>", NotJsonOrXml),
        (
            b'<?xml version="1.0"?><!-- x --><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" ""><html/>',
            NotJsonOrXml,
        ),
        (b"<h1>Bad Gateway</h1>", NotJsonOrXml),
        (b"<HTML>", NotJsonOrXml),
        (b'{"a": "\xff"}', Malformed),
        (b"<a>\xff</a>", Malformed),
        (b'\xef\xbb\xbf{"a": "\xff"}', Malformed),
        (b"\xef\xbb\xbf<a>&#x1;\xf1</a>", Malformed),
    ],
)
def test_what_is_no_event_says_so(body: bytes, what: type[EventError]) -> None:
    assert type(refusal("CreateJob", body)) is what


@pytest.mark.parametrize("root", ["p:AcceptanceDetails", "Title", "body.x", "Header", "html-job"])
def test_a_root_that_begins_like_html_is_still_xml(root: str) -> None:
    assert sniff(f"<{root}/>".encode()) is Format.XML


# -- what a body may grow to ---------------------------------------------------------------------------------

LONG = b"x" * (MB // 10)
XOP = b'<i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:1"/>'
MTOM = b"--b\r\nContent-Type: application/xop+xml\r\n\r\n%b\r\n--b\r\nContent-ID: <1>\r\n\r\n%b\r\n--b--\r\n"
REFERRING = b'{"A": {"$id": "1", "b": "%b"}, "X": [%b]}' % (LONG, b",".join([b'{"$ref": "1"}'] * 2_000))
DATA_CONTRACT = b'xmlns:z="http://schemas.microsoft.com/2003/10/Serialization/"'
# Each repeats a text of 100 KB two thousand times.
REPEATED = {
    "Json.NET": REFERRING,
    "names": REFERRING.replace(b'"b"', b'"%b"' % LONG),
    "a document in a text": json.dumps(REFERRING.decode()).encode(),
    "DataContract": b'<Job %b><A z:Id="i1"><b>%b</b></A>%b</Job>'
    % (DATA_CONTRACT, LONG, b'<C z:Ref="i1"/>' * 2_000),
    "SOAP section 5": b'<Job><A id="i1"><b>%b</b></A>%b</Job>' % (LONG, b'<C href="#i1"/>' * 2_000),
    "markup": b'<Job><A id="i1"><b>%b<i>x</i></b></A>%b</Job>' % (LONG, b'<C href="#i1"/>' * 2_000),
    "MTOM": MTOM % (b"<Job>%b</Job>" % (b"<A>%b</A>" % XOP * 2_000), LONG),
}


@pytest.mark.parametrize("body", REPEATED.values(), ids=list(REPEATED))
def test_a_text_is_not_repeated_without_bound(body: bytes) -> None:
    assert "too many values" in str(refusal("CreateJobXml", body)).lower()


def test_a_part_that_is_included_once_may_be_most_of_a_message() -> None:
    assert read("CreateJobXml", MTOM % (b"<Job><JobNumber>J1</JobNumber><A>%b</A></Job>" % XOP, LONG)).data


NESTED = "<b>x" * 80 + "y" * 10_000 + "</b>" * 80
DOCUMENTS = "".join(f'"a{n}": "<r{n}>{"<a/>" * 300_000}</r{n}>", ' for n in range(4))
# Each is small, and took many times as long to read as any real body of its size.
LABORIOUS = {
    "markup within markup within markup": ("CreateJobXml", f"<Job>{f'<T>{NESTED}</T>' * 40}</Job>"),
    "documents in many texts": ("CreateJobXml", f'{{{DOCUMENTS}"b": 1}}'),
    "a list in an unusual form": (
        "ExportInvoice",
        f'{{"InvoiceDetails": [{{"POKeys": [{'" 1",' * 350_000}1]}}]}}',
    ),
    "control characters among very many values": (
        "CreateJobXml",
        f"<Job>{'<a>xxxxxxxxxxxxxxxxxxxxxxxxxxxx</a>' * 450_000}<b>&#11;</b></Job>",
    ),
    "references among very many values": (
        "CreateJobXml",
        f'<Job><A id="i1"><b>x</b></A><C href="#i1"/>{"<a>xxxxxxxxxxxxxxxxxxxxxxxxxxxx</a>" * 450_000}</Job>',
    ),
}


@pytest.mark.parametrize(("event", "body"), LABORIOUS.values(), ids=list(LABORIOUS))
def test_what_would_take_long_to_read_is_refused(event: str, body: str) -> None:
    assert "too many values" in str(refusal(event, body))


def test_a_document_in_a_text_is_read_once_however_deep_it_is_wrapped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_texts = []

    def counted(text: str) -> Document | None:
        read_texts.append(text)
        return read_inner(text)

    monkeypatch.setattr(unwrap, "read_inner", counted)
    job = "<Job><JobNumber>J1</JobNumber></Job>"
    assert data("CreateJobXml", json.dumps({"a": {"b": {"c": {"d": job}}}}))["JobNumber"] == "J1"
    assert read_texts == [job]


def test_a_body_that_grows_beyond_the_bound_as_utf8_is_refused() -> None:
    body = b'<?xml version="1.0" encoding="ibm437"?><Job><Title>%b</Title></Job>' % (b"\xb0" * 1_000)
    assert read("CreateJobXml", body, max_bytes=3_100).data.count("░".encode()) == 1_000
    with pytest.raises(BodyTooLarge, match=r"has 3,0\d\d bytes in UTF-8; at most 2,000 are read"):
        read("CreateJobXml", body, max_bytes=2_000)


# -- time ---------------------------------------------------------------------------------------------------

# About a megabyte each, built against our own expressions and loops: a step more per byte and it takes hours.
SLOW = {
    "escaped quotes in a cut text": b'{"a": "' + b'\\"' * (MB // 2),
    "escaped quotes in a scalar": b'"' + b'\\"' * (MB // 2),
    "quotes": b'{"a": ' + b'"' * MB,
    "backslashes": b'{"a": "' + b"\\" * MB,
    "blanks": b" " * MB + b"x",
    "byte order marks": b"\xef\xbb\xbf" * (MB // 3) + b"{}",
    "byte order marks of UTF-16": b"\xff\xfe" * (MB // 2) + b"{\x00",
    "blanks before a tag": b" " * MB + b"<",
    "lines": b"{" + b"\n" * MB + b"x",
    "digits": b"1" * MB + b"x",
    "signs": b"-1" + b"e+-." * (MB // 4) + b"x",
    "comments": b"<!---->" * (MB // 7),
    "comment starts": b"<!-- " * (MB // 32) + b" " * MB,
    "instructions": b"<?a?>" * (MB // 10) + b" " * (MB // 2),
    "instruction starts": b"<?" * (MB // 8) + b" " * MB,
    "blanks in a declaration": b"<?xml" + b" " * MB + b'encoding="x"?>\xff',
    "one long name": b"<" + b"a" * MB + b">",
    "one long name in JSON": b'{"' + b"a" * MB + b'": NaN}',
    "namespaces": b"<Q " + b" ".join(b'xmlns:a%d="u%d"' % (n, n) for n in range(MB // 24)) + b"/>",
    "the same attribute": b"<Q" + b' a="1"' * (MB // 6),
    "names": b"{" + b",".join(b'"a%08d":1' % n for n in range(90_000)) + b"}",
    "names in other cases": b"{"
    + b",".join(
        b'"%b":1' % n
        for n in [
            bytes(c ^ (32 * (n >> i & 1)) for i, c in enumerate(b"acceptanceproductdelivery"[:16]))
            for n in range(40_000)
        ]
    )
    + b"}",
    "mixed text": b"<Q>" + b"<a/>xxxxxxx" * 90_000 + b"</Q>",
    "character references": b"<Q>" + b"&#65;" * (MB // 5) + b"</Q>",
    "digits in a number": b"<Q><TotalPrice>1." + b"0" * MB + b"1x</TotalPrice></Q>",
    "blanks in a date": b"<Q><INVInvoiceDate>1/1/24 1:00" + b" " * MB + b"x</INVInvoiceDate></Q>",
    "blanks beside markup": b"<Q><QuoteNo><b>x</b>" + b" " * MB + b"y</QuoteNo></Q>",
    "closing brackets": b'{"a": ' + b"[" * 90 + b"]" * MB,
    "empty objects": b'{"Products": [' + b"{},        " * 90_000 + b"{}]}",
    "lists of lists": b'{"Products": [' + b"[[]],            " * 45_000 + b"[]]}",
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Pool]:
    with get_context("spawn").Pool(1) as pool:
        pool.apply_async(outcome, ("CreateJob", b"{}")).get(
            60
        )  # its imports are not what is waited for below
        yield pool


def outcome(event: str, body: bytes) -> str:
    try:
        return f"{len(read(event, body).data)} bytes of data"
    except EventError as refused:
        return str(refused)


@pytest.mark.parametrize("event", ["CreateJob", "ExportInvoice"])
@pytest.mark.parametrize("body", SLOW.values(), ids=list(SLOW))
def test_no_megabyte_hangs(worker: Pool, event: str, body: bytes) -> None:
    # Not a measurement: the least of them takes a fraction of a second or, if something is wrong, hours.
    assert worker.apply_async(outcome, (event, body)).get(60)


def test_namespaces_are_not_copied_for_each_object(worker: Pool) -> None:
    assert worker.apply_async(outcome, body_of("namespaces in JSON")).get(60)

"""What a refusal says: what is wrong and where, in plain words."""

import pytest
from deliveries import read

import events
from events import EventError, Malformed, Problem

JSON = [
    ("{'QuoteNo': 1}", "", "A name is not in double quotes (line 1, column 2)."),
    ("{QuoteNo: 1}", "", "double quotes"),
    ('{"QuoteNo" 1}', "", "not followed by a colon"),
    ('{"QuoteNo": }', "/QuoteNo", "A value is missing"),
    ('{"QuoteNo": True}', "/QuoteNo", "A value is missing or not written as JSON values are"),
    ('{"QuoteNo": tru}', "/QuoteNo", "neither true, false nor null"),
    ('{"QuoteNo": 007}', "/QuoteNo", "not written as JSON numbers are"),
    ('{"QuoteNo": 1.}', "/QuoteNo", "not written as JSON numbers are"),
    ('{"QuoteNo": -}', "/QuoteNo", "not written as JSON numbers are"),
    ('{"QuoteNo": NaN}', "/QuoteNo", "NaN and Infinity are not JSON numbers"),
    ('{"QuoteNo": -Infinity}', "/QuoteNo", "NaN and Infinity are not JSON numbers"),
    ('{"QuoteNo": 1 "Products": []}', "/QuoteNo", "no comma between them"),
    ('{"Products": [1 2]}', "/Products/0", "no comma between them"),
    ('{"Products": [1,]}', "/Products/1", "A comma comes before a closing bracket"),
    ('{"QuoteNo": 1,}', "", "A comma comes before a closing bracket"),
    ('{"QuoteNo": "a\nb"}', "/QuoteNo", "bare control character"),
    (r'{"QuoteNo": "\x"}', "/QuoteNo", "an escape that JSON does not know"),
    (r'{"QuoteNo": "\ud83d"}', "/QuoteNo", "half of a surrogate pair"),
    ('{"QuoteNo": 1, "QuoteNo": 2}', "/QuoteNo", "The name 'QuoteNo' appears twice in one object"),
    ('{"Products": [{"QuoteNo": "Q', "/Products/0/QuoteNo", "The JSON ends too early"),
    ('{"Products": [{"QuoteNo":', "/Products/0/QuoteNo", "The JSON ends too early"),
    ('{"QuoteNo": 1} {}', "", "Something follows the end of the JSON object"),
    ('{\n  "QuoteNo": 1\n}\n}', "", "(line 4, column 1)"),
    ("[]", "", "The body is an array, but every printIQ event is one JSON object."),
    ("null", "", "The body is a single value"),
    ("5", "", "The body is a single value"),
]
XML = [
    ("<Job><JobNumber>J1</Job>", "/JobNumber", "</Job> does not match <JobNumber>, which line 1 opens"),
    (
        "<Job>\n<JobNumber>",
        "/JobNumber",
        "The XML ends too early: <JobNumber>, which line 2 opens, has no end",
    ),
    ("<Job><JobNumber", "/JobNumber", "The tag <JobNumber has no end"),
    ("<Job/>x", "", "Something follows the end of the root element"),
    ("<Job/><Job/>", "", "Something follows the end of the root element (line 1, column 7)."),
    ("<!-- x -->", "", "The XML has no root element"),
    ("<Job><Title>a & b</Title></Job>", "/Title", "A bare & in the text: write &amp;"),
    ("<Job><Title>a &b c</Title></Job>", "/Title", "A bare & in the text: write &amp;"),
    ("<Job><Title>a < b</Title></Job>", "/Title", "in a text, write &lt;"),
    ("<Job><Title>&nbsp;</Title></Job>", "/Title", "XML does not know the entity &nbsp;"),
    ("<Job><Title>&#xD83D;</Title></Job>", "/Title", "such as a control character"),
    ("<Job a='1' a='2'/>", "", "The attribute a appears twice in one tag"),
    ("<Job a=1/>", "", 'not written as name="value"'),
    ("<Job a/>", "", 'not written as name="value"'),
    ("<Job a='<'/>", "", "A bare < in an attribute"),
    ("<Job><!-- x", "", "A comment has no end"),
    ("<!-- x", "", "A comment has no end"),
    ("<Job><!-- -- --></Job>", "", "A comment contains two hyphens"),
    ("<Job><![CDATA[x</Job>", "", "A CDATA section has no end"),
    ("<Job>]]></Job>", "", "write ]]&gt;"),
    ("<Job><?xml version='1.0'?></Job>", "", "An XML declaration in the middle of the document"),
    ("<Job><? x?></Job>", "", "A processing instruction is not written as"),
    ("<p:Job/>", "", "The namespace prefix p is not declared"),
    ("\n\n<Job>\n</Jab>", "", "(line 4, column"),
    ("<!DOCTYPE Job><Job/>", "", "document type declaration (DOCTYPE)"),
]


@pytest.mark.parametrize(("body", "pointer", "says"), JSON + XML)
def test_a_malformed_body_is_refused_in_plain_words(body: str, pointer: str, says: str) -> None:
    with pytest.raises(Malformed) as refused:
        read("CreateJobXml", body)
    (problem,) = refused.value.problems
    assert says in problem.message
    assert problem.pointer == pointer
    assert problem.message.endswith((".", "it out."))


def test_a_name_in_a_pointer_is_escaped() -> None:
    with pytest.raises(Malformed) as refused:
        read("CreateJob", r'{"a/b": {"~c\n": [0, {"": NaN}]}}')
    assert refused.value.problems == (
        Problem("/a~1b/~0c\n/1/", "NaN and Infinity are not JSON numbers (line 1, column 27)."),
    )


def test_every_error_says_what_it_is_and_has_a_status() -> None:
    family = [
        kind
        for kind in map(events.__dict__.get, events.__all__)
        if isinstance(kind, type) and issubclass(kind, EventError)
    ]
    statuses = {kind.__name__: kind.status for kind in family if kind is not EventError}
    assert statuses == {
        "UnknownEvent": 404,
        "EmptyBody": 400,
        "BodyTooLarge": 413,
        "NotJsonOrXml": 415,
        "Unprocessable": 422,
        "Malformed": 422,
        "ReportedFailure": 422,
        "WrongObject": 422,
    }
    for kind in family:
        if kind is not EventError:
            error = kind("what is wrong", pointer="/QuoteNo")
            assert error.problems == (Problem("/QuoteNo", "what is wrong"),)
            assert error.title.isprintable()
            assert error.title


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "The body is empty. printIQ sends the object of the event, as JSON or XML."),
        ("\ufeff \n", "The body is empty."),
        ("hello", "neither JSON nor XML: it begins with 'hello'"),
        ("eyJRdW90ZU5vIjoiUTEifQ==", "The body is neither JSON nor XML: it begins with 'eyJ"),
        (" " * 2_000 + "hello", "it begins with 'hello'"),
        ("<html>", "an HTML page, not an event"),
    ],
)
def test_what_is_no_document_is_refused_in_plain_words(body: str, says: str) -> None:
    with pytest.raises(EventError) as refused:
        read("CreateJob", body)
    assert says in str(refused.value)

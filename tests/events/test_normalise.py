"""Documents in the shapes that senders give them: wrapped, nested, repeated, half known."""

import json
from typing import Any

import pytest
from deliveries import read

from events import EventError, ReportedFailure, WrongObject


def data(event: str, body: str) -> Any:
    return json.loads(read(event, body).data)


def warnings(event: str, body: str) -> list[str]:
    return [f"{pointer} {message}" for pointer, message in read(event, body).warnings]


UNRECOGNISED = " None of the fields of QuoteDetails was recognised; what came is kept as it is."
NO_KEY = " No business key was found in this QuoteDetails: it has no subject."

# -- wrappers -----------------------------------------------------------------------------------------------

SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><a/></s:Header><s:Body><R>'
    '<q:QuoteDetails xmlns:q="http://iq.co.nz/PrintIQ/QuoteProcess1"><q:QuoteNo>Q1</q:QuoteNo></q:QuoteDetails>'
    "</R></s:Body></s:Envelope>"
)
WRAPPED = [
    '{"QuoteNo": "Q1", "Products": []}',
    '{"QuoteDetails": {"QuoteNo": "Q1"}}',
    '{"quotedetails": {"quoteno": "Q1"}}',
    '{"QuoteDetails": [{"QuoteNo": "Q1"}]}',
    '{"d": {"QuoteNo": "Q1"}}',
    '{"Response": {"Result": {"QuoteDetails": {"QuoteNo": "Q1"}, "IsError": false}}}',
    '{"ErrorMessage": null, "IsError": "False", "QuoteAccepted": true, "QuoteDetails": {"QuoteNo": "Q1"}}',
    '{"ErrorMessage": null, "IsError": false, "QuoteNo": "Q1"}',
    "<QuoteDetails><QuoteNo>Q1</QuoteNo></QuoteDetails>",
    "<QuoteDetails><ErrorMessage/><IsError>false</IsError><QuoteNo>Q1</QuoteNo></QuoteDetails>",
    "<QuoteDetails><QuoteAccepted>true</QuoteAccepted><QuoteDetails><QuoteNo>Q1</QuoteNo></QuoteDetails></QuoteDetails>",
    "<Anything><QuoteNo>Q1</QuoteNo></Anything>",
    "<Result><IsError>0</IsError><QuoteDetails><QuoteNo>Q1</QuoteNo></QuoteDetails></Result>",
    "<ArrayOfQuoteDetails><QuoteDetails><QuoteNo>Q1</QuoteNo></QuoteDetails></ArrayOfQuoteDetails>",
    SOAP,
]


@pytest.mark.parametrize("body", WRAPPED)
def test_an_object_is_found_in_its_wrappers(body: str) -> None:
    assert data("CreateQuote", body) == {"QuoteNo": "Q1", "EditingQQAdKey": None, "Products": []}
    assert warnings("CreateQuote", body) == []


@pytest.mark.parametrize(
    "body",
    [
        '{"Invoices": [{"INVID": 1}]}',
        '{"ArrayOfInvoice": [{"INVID": 1}]}',
        '{"IsError": false, "invoices": [null, {"INVID": 1}]}',
        "<Invoices><Invoice><INVID>1</INVID></Invoice></Invoices>",
    ],
)
def test_a_list_by_the_plural_of_its_name_holds_the_object(body: str) -> None:
    (subject,) = read("ExportInvoice", body).subjects
    assert subject.key == "INVID:1"


def test_what_is_beside_a_wrapped_object_is_kept() -> None:
    body = '{"TenantId": 5, "QuoteDetails": {"QuoteNo": "Q1", "Site": 1}, "Site": 2, "@Site": 3}'
    found = data("CreateQuote", body)
    assert (found["TenantId"], found["Site"], found["@Site"], found["@@Site"]) == (5, 1, 2, 3)


RELAYED = [
    ("CreateCustomer", '{"ID": 7, "Code": "KOW"}', '"id": "e1", "name": "x"'),
    ("CreateCustomer", '{"ID": 7, "Code": "KOW"}', '"code": 200, "message": "ok"'),
    ("CreateCustomerAddress", '{"AddressKey": 5, "CustomerCode": "KOW"}', '"type": "x", "id": "e1"'),
    ("CreateCustomerAddress", '{"CustomerCode": "KOW", "Name": "Dock 4"}', '"type": "x", "id": "e1"'),
    ("CreateCustomer", '{"Customer": {"ID": 7, "City": "Picton"}}', '"id": "e1"'),
    ("CreateJob", '{"JobNo": "J1", "QuoteNo": "Q1"}', '"status": "success"'),
    ("CreateJob", '"<AcceptanceDetails><JobNo>J1</JobNo></AcceptanceDetails>"', '"status": "success"'),
    ("CreateJobXml", '{"Job": {"JobNumber": "J1", "Title": "x"}}', '"Title": "x", "Status": "sent"'),
    ("ProductUpdated", '{"Name": "Cards", "ProductCode": "P1"}', '"name": "ProductUpdated"'),
    ("FailCxmlJob", '{"JobNo": "J1"}', '"jobno": null, "IsError": true'),
    ("CreateQuote", '{"data": {"QuoteNo": "Q1"}, "QuoteNo": ""}', '"QuoteNumber": null'),
]


@pytest.mark.parametrize(("event", "inner", "around"), RELAYED)
def test_a_relays_members_may_be_named_like_fields_of_the_object(event: str, inner: str, around: str) -> None:
    bare = read(event, inner)
    relayed = read(event, f'{{{around}, "data": {inner}}}')
    assert relayed.subjects == bare.subjects != ()
    assert relayed.facts == bare.facts


def test_a_relays_members_are_kept_but_are_no_fields_of_the_object() -> None:
    body = (
        '{"status": "sent", "Site": 1, "data": {"status": "queued", "data": {"JobNo": "J1", "QuoteNo": "Q"}}}'
    )
    found = data("CreateJob", body)
    assert (found["Status"], found["Site"]) == (None, 1)
    assert (found["data@status"], found["@data@status"]) == ("queued", "sent")


OWN_PARTS = [
    ("CreateCustomer", '{"Code": "A", "Data": {"Code": "B", "Name": "x"}, "Name": "x", "City": "y"}'),
    ("CreateCustomer", '{"Code": "A", "Data": {"Name": "x", "City": "y"}}'),
    ("CreateJob", '{"QuoteNo": "A", "Data": {"JobNo": "J1", "Status": "x"}}'),
    ("UpdateOrderStatus", '{"SOKey": 4420, "Status": "Open", "Item": {"JobNo": "J1"}}'),
    ("UpdateOrderStatus", '{"SOKey": 4420, "Status": "Open", "Data": [{"JobNo": "J1"}, {"JobNo": "J2"}]}'),
]


@pytest.mark.parametrize(("event", "body"), OWN_PARTS)
def test_a_part_of_the_object_is_not_taken_for_what_a_relay_carries(event: str, body: str) -> None:
    found = data(event, body)
    assert {**found, **json.loads(body)} == found


def test_names_that_were_made_to_collide_are_all_kept() -> None:
    names = {"@" * count + "Site": count for count in range(300)}
    found = data("CreateQuote", json.dumps({"QuoteDetails": {"QuoteNo": "Q1", **names}, **names}))
    assert sorted(found["@" * count + "Site"] for count in range(600)) == sorted([*range(300)] * 2)


@pytest.mark.parametrize(
    "body",
    [
        '{"ErrorMessage": null, "IsError": false, "QuoteAccepted": true, "QuoteDetails": %s}',
        "<QuoteDetails><QuoteAccepted>true</QuoteAccepted><QuoteDetails>%s</QuoteDetails></QuoteDetails>",
        "<AcceptanceDetails><QuoteAccepted>1</QuoteAccepted><QuoteDetails>%s</QuoteDetails></AcceptanceDetails>",
        "<Result><QuoteAccepted>true</QuoteAccepted><QuoteDetails>%s</QuoteDetails></Result>",
    ],
)
def test_an_acceptance_is_found_in_what_older_printiq_calls_quote_details(body: str) -> None:
    json_form, xml_form = '{"QuoteNo": "Q1", "JobNo": "J1"}', "<QuoteNo>Q1</QuoteNo><JobNo>J1</JobNo>"
    event = read("AcceptanceCreated", body % (json_form if body.startswith("{") else xml_form))
    assert [subject.key for subject in event.subjects] == ["J1", "Q1"]
    assert event.warnings == ()


def test_a_response_that_is_the_object_itself_loses_the_responses_own_members() -> None:
    body = '{"IsError": false, "IsWarning": true, "WarningMessage": "No artwork", "QuoteNo": "Q1", "Site": 2}'
    assert data("CreateQuote", body) == {"QuoteNo": "Q1", "EditingQQAdKey": None, "Products": [], "Site": 2}
    assert warnings("CreateQuote", body) == [" printIQ warned: No artwork"]


def test_the_side_that_holds_more_of_the_object_is_the_object() -> None:
    inside = '{"QuoteNo": "Q0", "QuoteDetails": {"QuoteNo": "Q1", "Products": []}}'
    assert data("CreateQuote", inside)["QuoteNo"] == "Q1"
    outside = '{"QuoteNo": "Q0", "Products": [], "QuoteDetails": {"QuoteNo": "Q1"}}'
    assert data("CreateQuote", outside)["QuoteNo"] == "Q0"


def test_structure_that_holds_no_known_field_is_not_taken_for_wrappers() -> None:
    found = data("FailCxmlJob", '{"Failure": {"Detail": {"Code": 5}}}')
    assert found["Failure"] == {"Detail": {"Code": 5}}


def test_wrappers_are_opened_five_deep_and_no_deeper() -> None:
    assert data("CreateQuote", '{"a": {"b": {"c": {"d": {"e": {"QuoteNo": "Q1"}}}}}}')["QuoteNo"] == "Q1"
    deep = '{"a": {"b": {"c": {"d": {"e": {"f": {"QuoteNo": "Q1"}}}}}}}'
    assert warnings("CreateQuote", deep) == [UNRECOGNISED, NO_KEY]


UNKNOWN_SHAPES = [
    '{"Foo": 1}',
    '{"": true}',
    '{"QuoteDetails": null, "IsError": 0}',
    '{"QuoteDetails": "x"}',
    "<QuoteDetails>x</QuoteDetails>",
    "<Foo><Bar>1</Bar></Foo>",
    "<Foo><Bar>1</Bar><Bar>2</Bar></Foo>",
]


@pytest.mark.parametrize("body", UNKNOWN_SHAPES)
def test_an_unrecognised_shape_is_accepted_with_a_warning(body: str) -> None:
    assert warnings("CreateQuote", body) == [UNRECOGNISED, NO_KEY]


@pytest.mark.parametrize(
    "body", ["{}", "<QuoteDetails/>", "<QuoteDetails> </QuoteDetails>", '{"QuoteDetails": {}}']
)
def test_an_empty_object_is_accepted_with_a_warning(body: str) -> None:
    assert NO_KEY in warnings("CreateQuote", body)


def test_an_envelopes_warning_is_passed_on() -> None:
    body = '{"Invoice": {"INVID": 1}, "IsWarning": true, "WarningMessage": "over its limit"}'
    assert warnings("ExportInvoice", body) == [" printIQ warned: over its limit"]


# -- refusals -----------------------------------------------------------------------------------------------

FAILURES = [
    ('{"IsError": true, "ErrorMessage": "Locked."}', "/IsError", "ErrorMessage: Locked."),
    ('{"ISERROR": "True", "errormessage": " Locked. "}', "/ISERROR", "ErrorMessage: Locked."),
    ('{"IsError": 1}', "/IsError", "no ErrorMessage"),
    ('{"QuoteNo": "Q1", "IsError": true}', "/IsError", "no ErrorMessage"),
    (
        '{"R": {"QuoteDetails": null, "IsError": true, "ErrorMessage": "No."}}',
        "/R/IsError",
        "ErrorMessage: No.",
    ),
    ("<R><IsError>true</IsError><ErrorMessage>No.</ErrorMessage></R>", "/IsError", "ErrorMessage: No."),
    (
        "<Envelope><Body><Fault><faultstring>No.</faultstring></Fault></Body></Envelope>",
        "/Body/Fault",
        "fault, not an event: No.",
    ),
    (
        "<Envelope><Body><Fault><Reason><Text xml:lang='en'>No.</Text></Reason></Fault></Body></Envelope>",
        "/Body/Fault",
        "fault, not an event: No.",
    ),
    (
        "<Envelope><Body><Fault><Reason><Text>No.</Text><Text>Non.</Text></Reason></Fault></Body></Envelope>",
        "/Body/Fault",
        "fault, not an event: No.",
    ),
    ('{"Envelope": {"Body": {"Fault": {"Reason": []}}}}', "/Envelope/Body/Fault", "it gives no reason."),
    ("<R><IsError>true</IsError><ErrorMessage code='5'>No.</ErrorMessage></R>", "/IsError", "Message: No."),
    ('{"IsError": true, "ErrorMessage": ["No.", null]}', "/IsError", 'ErrorMessage: ["No.",null]'),
    ('{"IsError": true, "ErrorMessage": {"Limit": 1.5}}', "/IsError", 'ErrorMessage: {"Limit":1.5}'),
]


@pytest.mark.parametrize(("body", "pointer", "says"), FAILURES)
def test_a_response_that_reports_a_failure_is_refused_with_its_words(
    body: str, pointer: str, says: str
) -> None:
    with pytest.raises(ReportedFailure) as refused:
        read("CreateQuote", body)
    assert refused.value.problems[0].pointer == pointer
    assert says in str(refused.value)


def test_a_failure_is_what_some_events_are_about() -> None:
    found = data(
        "FailCxmlJob", '{"JobFailData": {"JobNo": "J1"}, "IsError": true, "ErrorMessage": "No stock."}'
    )
    assert (found["JobNo"], found["IsError"], found["ErrorMessage"]) == ("J1", True, "No stock.")


def test_a_field_named_fault_is_no_soap_fault() -> None:
    assert data("CreateQuote", '{"QuoteNo": "Q1", "Fault": {"Code": 1}}')["Fault"] == {"Code": 1}


WRONG = [
    (
        "CreateQuote",
        '{"INVID": 1, "INVInvoiceNumber": "I1", "INVInvoiceDate": null}',
        "/INVID",
        "This is an Invoice (it has INVID",
    ),
    ("CreateQuote", '{"Invoice": {"INVID": 1}}', "/Invoice/INVID", "This is an Invoice (it has INVID)"),
    (
        "CreateQuote",
        "<Invoice><Foo>1</Foo></Invoice>",
        "",
        "This is an Invoice, but CreateQuote carries a QuoteDetails",
    ),
    (
        "ExportInvoice",
        "<Job><JobNumber>J1</JobNumber></Job>",
        "",
        "belongs to CreateJobXml or UpdateJobStatus_Xml.",
    ),
    (
        "SalesItemUpdated",
        '{"AcceptanceDetails": {"Foo": 1}}',
        "/AcceptanceDetails",
        "CompleteJob, CreateJobXml or others.",
    ),
]


@pytest.mark.parametrize(("event", "body", "pointer", "says"), WRONG)
def test_another_object_than_the_event_sends_is_refused(
    event: str, body: str, pointer: str, says: str
) -> None:
    with pytest.raises(WrongObject) as refused:
        read(event, body)
    assert refused.value.problems[0].pointer == pointer
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("FailXMPieJob", '{"ID": 1, "Code": "E5", "Comment": "bad", "File": "a.csv", "Row": 2, "Text": "x"}'),
        (
            "CreateQuote",
            '{"QuoteNo": "Q1", "EditingQQAdKey": 1, "INVID": 1, "INVInvoiceNumber": 1, "INVInvoiceDate": 1}',
        ),
        ("CreateQuote", '{"INVID": 1, "Odd": 1}'),
        ("CreateQuote", '{"INVID": 1}'),
        ("CreateJobXml", '{"QuoteNo": "Q1", "TotalPrice": 1, "Job": {"JobNumber": "J1"}}'),
        # nothing public says what these objects hold
        (
            "ExportPurchaseOrder",
            '{"PONumber": "P1", "ID": 5, "Code": "S1", "Phone": 1, "Fax": 2, "Comment": 3}',
        ),
        ("OutsourcePOStatusChange", '{"JobNumber": "J1", "JobType": "x", "CourierRef": "c", "Title": "t"}'),
        ("FailXMPieJob", '{"JobNumber": "J1", "JobType": "x", "CourierRef": "c", "Title": "t"}'),
    ],
)
def test_a_few_names_of_another_object_are_no_evidence(event: str, body: str) -> None:
    try:
        read(event, body)
    except EventError as refused:
        pytest.fail(str(refused))


# -- names --------------------------------------------------------------------------------------------------


def test_the_exact_name_wins_then_another_case_then_an_alias_whatever_the_order() -> None:
    members = {"JobNumber": "alias", "JOBNO": "case", "JobNo": "exact"}
    for names in (["JobNumber", "JOBNO", "JobNo"], ["JobNo", "JOBNO", "JobNumber"]):
        found = data("CreateJob", json.dumps({name: members[name] for name in names}))
        assert (found["JobNo"], found["JOBNO"], found["JobNumber"]) == ("exact", "case", "alias")
    for names in (["JobNumber", "JOBNO"], ["JOBNO", "JobNumber"]):
        found = data("CreateJob", json.dumps({name: members[name] for name in names}))
        assert (found["JobNo"], found["JobNumber"]) == ("case", "alias")


def test_a_name_python_cannot_spell_and_its_alias_are_both_kept() -> None:
    (line,) = data("ExportInvoice", '{"INVID": 1, "InvoiceDetails": [{"_POKey": 1, "POKey": 2}]}')[
        "InvoiceDetails"
    ]
    assert (line["_POKey"], line["POKey"]) == (1, 2)


def test_unknown_fields_follow_in_the_order_of_their_names() -> None:
    assert list(data("CreateCustomerContact", '{"z": 1, "Email": "e", "a": 2}'))[-2:] == ["a", "z"]


# -- lists --------------------------------------------------------------------------------------------------

ONE_JOB = [
    '{"Products": [{"JobNo": "J1"}]}',
    '{"Products": {"JobNo": "J1"}}',
    '{"Products": {"Product": {"JobNo": "J1"}}}',
    '{"Products": {"Product": [{"JobNo": "J1"}]}}',
    '{"Products": [[{"JobNo": "J1"}], null, {}, ""]}',
    '{"Products": {"Product": {"JobNo": "J1"}, "Other": " "}}',
    "<A><Products><Product><JobNo>J1</JobNo></Product></Products></A>",
    "<A><Products><AcceptanceProduct><JobNo>J1</JobNo></AcceptanceProduct></Products></A>",
    "<A><Products><JobNo>J1</JobNo></Products></A>",
    '{"Products": {"Count": 1, "Product": [{"JobNo": "J1"}]}}',
    '{"Products": [{"Product": {"JobNo": "J1"}}]}',
    '{"Products": [null, {"Product": {"JobNo": "J1"}}, {}]}',
    "<A><Products/><Products><AcceptanceProduct><JobNo>J1</JobNo></AcceptanceProduct></Products></A>",
    '{"Products": {"$values": [{"JobNo": "J1"}], "$type": "List"}}',
    "<A><Products><Count>1</Count><Product><JobNo>J1</JobNo></Product></Products></A>",
    "<A><Products Count='1'><Item id='7'><JobNo>J1</JobNo></Item></Products></A>",
    "<A><Products/><Products><Product/><Product><JobNo>J1</JobNo></Product></Products></A>",
]


@pytest.mark.parametrize("body", ONE_JOB)
def test_a_list_of_one_is_a_list(body: str) -> None:
    (product,) = data("CreateJob", body)["Products"]
    assert product["JobNo"] == "J1"
    assert product["AcceptanceItemDeliveryDetails"] == []


def test_attributes_of_repeated_containers_are_kept_in_xml_made_json_too() -> None:
    xml = "".join(f"<Products Count='{n}'><Product><JobNo>J{n}</JobNo></Product></Products>" for n in (1, 2))
    as_json = ", ".join(f'{{"@Count": "{n}", "Product": {{"JobNo": "J{n}"}}}}' for n in (1, 2))
    found = data("CreateJob", f'{{"AcceptanceDetails": {{"Products": [{as_json}]}}}}')
    assert found["Products@Count"] == ["1", "2"]
    assert found == data("CreateJob", f"<AcceptanceDetails>{xml}</AcceptanceDetails>")


@pytest.mark.parametrize(
    "nothing",
    ["null", "[]", "{}", '""', "[null]", "[{}]", '{"Product": null}', '{"Product": " "}', '{"Product": []}'],
)
def test_a_list_of_nothing_is_empty(nothing: str) -> None:
    assert data("CreateJob", f'{{"QuoteNo": "Q1", "Products": {nothing}}}')["Products"] == []


KEYS = [
    '{"INVID": 1, "InvoiceDetails": [{"POKeys": [1, 2]}]}',
    '{"INVID": 1, "InvoiceDetails": [{"POKeys": ["1", 2.0]}]}',
    '{"INVID": 1, "InvoiceDetails": [{"POKeys": {"int": [1, 2]}}]}',
    "<A><INVID>1</INVID><InvoiceDetails><D><POKeys><int>1</int><int>2</int></POKeys></D></InvoiceDetails></A>",
    "<A><INVID>1</INVID><InvoiceDetails><POKeys>1</POKeys><POKeys>2</POKeys></InvoiceDetails></A>",
]


@pytest.mark.parametrize("body", KEYS)
def test_a_list_of_keys_is_a_list_of_numbers(body: str) -> None:
    (line,) = data("ExportInvoice", body)["InvoiceDetails"]
    assert line["POKeys"] == [1, 2]


def test_an_attribute_of_a_list_and_those_of_its_items_are_all_kept() -> None:
    keys = "<POKeys x='a'><int x='b'>1</int><int x='c'>2</int></POKeys>"
    (line,) = data("ExportInvoice", f"<A><INVID>1</INVID><InvoiceDetails><D>{keys}</D></InvoiceDetails></A>")[
        "InvoiceDetails"
    ]
    assert (line["POKeys"], line["POKeys@x"]) == ([1, 2], ["a", "b", "c"])


def test_attributes_of_one_name_in_several_namespaces_are_all_kept() -> None:
    xml = '<A xmlns:a="urn:a" xmlns:b="urn:b"><QuoteNo a:id="1" b:id="2" id="3">Q1</QuoteNo></A>'
    as_json = '"QuoteNo": {"@a:id": "1", "@b:id": "2", "@id": "3", "#text": "Q1"}'
    found = data("CreateQuote", xml)
    assert (found["QuoteNo@id"], found["QuoteNo@{urn:b}id"], found["QuoteNo@{}id"]) == ("1", "2", "3")
    assert found == data("CreateQuote", f'{{"A": {{"@xmlns:a": "urn:a", "@xmlns:b": "urn:b", {as_json}}}}}')


def test_one_item_of_a_wrong_shape_leaves_the_others_typed() -> None:
    body = '{"QuoteNo": "Q1", "Products": [{"ProductKey": "7"}, 5, {"ProductKey": "x"}, [true]]}'
    found = data("CreateQuote", body)
    assert [item["ProductKey"] for item in found["Products"]] == [7, None]
    unread = {"/Products/1/ProductKey": "x", "/Products/2": "5", "/Products/3": "true"}
    assert found["_unread"] == unread
    assert sorted(warnings("CreateQuote", body)) == [
        f"{place} Could not be read; kept as it came in _unread." for place in unread
    ]


def test_an_item_named_like_one_of_its_own_fields_is_still_an_item() -> None:
    body = '{"QuoteNo": "Q1", "Products": [{"Quantities": {"Quantity": [{"Price": 1}, {"Quantity": 2}]}}]}'
    first, second = data("CreateQuote", body)["Products"][0]["Quantities"]
    assert (first["Price"], second["Quantity"]) == ("1", "2")


def test_no_more_than_twenty_warnings_are_given() -> None:
    keys = ["x"] * 50
    assert (
        len(read("ExportInvoice", json.dumps({"INVID": 1, "InvoiceDetails": [{"POKeys": keys}]})).warnings)
        == 20
    )


# -- XML ----------------------------------------------------------------------------------------------------

ELEMENTS = [
    ("<A><X a='1'>t</X></A>", {"X": {"#text": "t", "a": "1"}}),
    ("<A><X a='1'/></A>", {"X": {"a": "1"}}),
    ("<A><X a='1'>t</X><X a='2'>u</X></A>", {"X": [{"#text": "t", "a": "1"}, {"#text": "u", "a": "2"}]}),
    ("<A><X a='1'><b>t</b></X></A>", {"X": {"a": "1", "b": "t"}}),
    ("<A><X b='1'><b>t</b></X></A>", {"X": {"@b": "1", "b": "t"}}),
    ("<A><X>t<b/>u</X></A>", {"X": "t<b/>u"}),
    ("<A><X>t<y/>u</X></A>", {"X": {"#text": "t u", "y": None}}),
    ("<A><X><![CDATA[<t>]]></X></A>", {"X": "<t>"}),
    ("<A><X>t<!-- no -->u<?no no?></X></A>", {"X": "tu"}),
    ("<A><X>a&#13;\nb&#xD;c</X></A>", {"X": "a\nb\nc"}),
    ("<A><Xs><X>1</X></Xs></A>", {"Xs": ["1"]}),
    ("<A><Boxes><Box/><Box>1</Box></Boxes></A>", {"Boxes": [None, "1"]}),
    ("<A><Entries><Entry>1</Entry></Entries></A>", {"Entries": ["1"]}),
    ("<A><X><string>1</string></X></A>", {"X": ["1"]}),
    ("<A><X nil='true'/></A>", {"X": None}),
    ("<A><X xml:space='preserve'> t </X></A>", {"X": " t "}),
    ("<A xmlns='u' xmlns:x='v'><x:X x:a='1'>t</x:X></A>", {"X": {"#text": "t", "a": "1"}}),
    ("<A xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><X i:type='s'>t</X></A>", {"X": "t"}),
    ("<A a='1'/>", {"a": "1"}),
    ("<A a='1'>t</A>", {"#text": "t", "a": "1"}),
    ("<Xs><X>1</X><X>2</X></Xs>", {"X": ["1", "2"]}),
]


@pytest.mark.parametrize(("body", "members"), ELEMENTS)
def test_xml_looks_as_json_would(body: str, members: dict[str, Any]) -> None:
    found = data("CreateQuote", body)
    assert {
        name: value for name, value in found.items() if name not in {"QuoteNo", "EditingQQAdKey", "Products"}
    } == members

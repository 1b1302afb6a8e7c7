"""The namespaces of serializers and protocols: what they write is about the form, not the object."""

XML = "http://www.w3.org/XML/1998/namespace"
SCHEMA = "http://www.w3.org/2001/XMLSchema"
SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
NET_SERIALIZATION = "http://schemas.microsoft.com/2003/10/Serialization/"
JSON_NET = "http://james.newtonking.com/projects/json"
DIFFGRAM = "urn:schemas-microsoft-com:xml-diffgram-v1"
MSDATA = "urn:schemas-microsoft-com:xml-msdata"
SOAP_ENVELOPES = (
    "{http://schemas.xmlsoap.org/soap/envelope/}",
    "{http://www.w3.org/2003/05/soap-envelope}",
)
SOAP_ENCODINGS = (
    "http://schemas.xmlsoap.org/soap/encoding/",
    "http://www.w3.org/2003/05/soap-encoding",
)
# Attributes of these are left out.
HINTS = (
    SCHEMA_INSTANCE,
    NET_SERIALIZATION,
    JSON_NET,
    DIFFGRAM,
    MSDATA,
    "urn:schemas-microsoft-com:xml-msprop",
    "http://www.w3.org/2000/xmlns/",
    *(namespace.strip("{}") for namespace in SOAP_ENVELOPES),
    *SOAP_ENCODINGS,
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
)
# Their attributes Id and Ref are addresses of elements within the document.
ADDRESSED = (NET_SERIALIZATION, *SOAP_ENCODINGS)

_JSON_TYPES = frozenset({"array", "object", "string", "number", "boolean", "null"})


def type_hints(type_of_root: str | None) -> frozenset[str]:
    """Return the values of an attribute `type` that say only what JSON type an element stands for.

    .NET's JsonReaderWriterFactory gives each element one, the root too; others mark arrays alone.
    """
    return _JSON_TYPES if type_of_root in {"object", "array"} else frozenset({"array"})

"""Route templates match as ASP.NET's do."""

import pytest

from tools.host.errors import HostError
from tools.host.routes import compile_template, decode


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/health", "/api/health", {}),
        ("api/health", "/API/Health/", {}),
        ("api/health", "/api/health/more", None),
        ("api/{event}", "/api/CreateQuote", {"event": "CreateQuote"}),
        ("api/{event}", "/api/", None),
        ("api/{event}", "/api/a/b", None),
        ("api/{event?}", "/api", {}),
        ("api/{event=all}", "/api", {"event": "all"}),
        ("api/{id:int}", "/api/-12", {"id": "-12"}),
        ("api/{id:int}", "/api/x", None),
        (
            "api/{id:guid}",
            "/api/018f4e5a-0000-7000-8000-000000000000",
            {"id": "018f4e5a-0000-7000-8000-000000000000"},
        ),
        ("api/{name}.{ext}", "/api/a.b.xml", {"name": "a", "ext": "b.xml"}),
        ("api/{*rest}", "/api/a/b", {"rest": "a/b"}),
        ("api/{*rest}", "/api", {}),
        ("api/{event}", "/api/a%2fb", {"event": "a%2fb"}),
        ("api/{event}", "/api/%C3%A9", {"event": "é"}),
        ("api/a.b", "/api/axb", None),
    ],
)
def test_a_template_gives_its_values_or_none(template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_template(template).match(decode(path) or "") == values


@pytest.mark.parametrize("template", ["api/{", "api/{a b}", "api/{id:regex(x)}"])
def test_a_template_that_the_host_cannot_read_is_refused(template: str) -> None:
    with pytest.raises(HostError, match="The route"):
        compile_template(template)

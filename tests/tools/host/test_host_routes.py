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
        ("api/{event}/raw", "/api/a/raw", {"event": "a"}),
        ("api/{kind}/{*key}", "/api/job/J1/a", {"kind": "job", "key": "J1/a"}),
        ("api/{*rest}", "/api/a/b", {"rest": "a/b"}),
        ("api/{*rest}", "/api", {}),
        ("api/{event}", "/api/a%2fb", {"event": "a%2fb"}),
        ("api/{event}", "/api/%C3%A9", {"event": "é"}),
        ("api/a.b", "/api/axb", None),
    ],
)
def test_a_template_gives_its_values_or_none(template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_template(template).match(decode(path) or "") == values


@pytest.mark.parametrize(
    "template", ["api/{", "api/{a b}", "api/{id:int}", "api/{event=all}", "api/{name}.{ext}"]
)
def test_a_template_that_the_host_cannot_read_is_refused(template: str) -> None:
    with pytest.raises(HostError, match="The route"):
        compile_template(template)

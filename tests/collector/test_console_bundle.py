"""The console's modules made into one."""

from __future__ import annotations

import pytest

from xtrace.collector.console.bundle import BundleError, bundled


def order(text):
    return [line.removeprefix("// ---- ") for line in text.splitlines() if line.startswith("// --")]


def test_each_module_comes_once_and_after_those_that_it_needs():
    text = bundled(
        {
            "js/app.js": 'import { a as b, c } from "./core/a.js";\nimport * as d from "../v/d.js";\nb(c, d);\n',
            "js/core/a.js": 'import d from "../../v/d.js";\n\nexport const a = d;\nexport async function c() {}\n',
            "v/d.js": "var n=1;export default function(x){return x}export{n as m,n};",
            "js/unused.js": "",
        },
        "js/app.js",
    )
    assert order(text) == ["v/d.js", "js/core/a.js", "js/app.js"]
    assert 'const { a: b, c } = modules["js/core/a.js"];' in text
    assert 'const d = modules["v/d.js"];' in text
    assert 'const d = modules["v/d.js"].default;' in text
    assert "return { a, c };" in text
    assert "return { m: n, n, default: $default };" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import "./b.js";', "no form of import"),
        ("export let a = 1;", "no form of import or export that is known: export let a"),
        ('export * from "./b.js";', "no form of import"),
        ('import { a } from "preact";', "which is no path"),
        ('import { a } from "./c.js";', "There is no module c.js"),
        ('import { a } from "./b.js";', "need each other: a.js -> b.js -> a.js"),
    ],
)
def test_what_it_does_not_know_it_refuses(text, said):
    with pytest.raises(BundleError, match=said):
        bundled({"a.js": text, "b.js": 'import { a } from "./a.js";'}, "a.js")


def test_text_that_only_looks_like_an_export_stays():
    text = "const LINE = `pip install xtrace\nexport AWS_XRAY_DAEMON_ADDRESS=${address}`;\n"
    assert text in bundled({"a.js": text}, "a.js")

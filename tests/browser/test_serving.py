"""How the console comes to the browser: small, safe, kept, and only to those who ask for a page."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import urllib.request
from urllib.parse import urlencode, urlsplit

import pytest

from tests.browser.conftest import settled
from xtrace.collector import running
from xtrace.collector.console import PAGES
from xtrace.collector.console.assets import STATIC, load

MAX_TRANSFERRED = 150_000
MAX_FILES = 5
"""A browser asks for six at a time."""

HTML = {"accept": "text/html", "accept-encoding": "gzip"}


@pytest.fixture(scope="module")
def url():
    with running() as collector:
        yield collector.url


def ask(address, headers=HTML):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        content = answer.read()
        size = len(content)
        if answer.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        return content.decode(), answer.headers, size


@pytest.mark.parametrize("path", [page.replace("{id:path}", "1-2-3") for page in PAGES])
def test_every_page_is_the_shell(url, path):
    content, headers, _ = ask(url + path)
    assert headers["content-type"].startswith("text/html")
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert '<div id="app">' in content


def test_who_asks_for_no_page_is_told_what_this_is(url):
    content, headers, _ = ask(url, {"accept": "*/*"})
    assert headers["content-type"].startswith("text/plain")
    assert content.startswith("xtrace collector")


def test_all_that_a_page_needs_is_small(url):
    shell, _, size = ask(url)
    files = re.findall(r'(?:src|href)="(/assets/[^"]+)"', shell)
    assert len(files) <= MAX_FILES
    assert size + sum(ask(url + file)[2] for file in files) < MAX_TRANSFERRED


def test_files_are_kept_for_ever_under_a_path_of_their_version(url):
    assets = load()
    _, headers, _ = ask(f"{url}{assets.root}/console.js")
    assert "immutable" in headers["cache-control"]
    assert headers["content-type"].startswith("text/javascript")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(f"{url}/assets/000000000000/console.js")
    _, headers, _ = ask(url)
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["../__init__.py", "%2e%2e/__init__.py", "vendor/../../pages.py"])
def test_no_other_file_can_be_had(url, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(f"{url}{load().root}/{path}")


def test_no_file_names_another_address_to_load_from():
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".html") and path.parent.name != "vendor":
            text = path.read_text()
            assert not re.search(r"""(?:src|url|import|from)\s*[=(]?\s*["']?https?:""", text), path


def test_nothing_makes_markup_of_a_text_or_code():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerouslySet"
    )
    for path in (STATIC / "js").rglob("*.js"):
        assert not forbidden.search(path.read_text()), path


def test_all_modules_are_one_file_and_each_is_in_it_once():
    text = load().files["console.js"].content.decode()
    written = [
        path.relative_to(STATIC).as_posix()
        for path in STATIC.rglob("*.js")
        if path.name != "early.js"
    ]
    assert sorted(re.findall(r"^// ---- (.+)$", text, re.MULTILINE)) == sorted(written)
    assert written[0] not in load().files


def test_what_is_vendored_is_what_the_list_says():
    folder = STATIC / "vendor"
    listed = json.loads((folder / "NOTICE.json").read_text())
    assert {each["file"] for each in listed} == {path.name for path in folder.glob("*.js")}
    for each in listed:
        content = (folder / each["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["sha256"], each["file"]
        assert (folder / each["licence_file"]).read_text().strip()
        assert each["version"]
        assert each["licence"] in ("MIT", "Apache-2.0")


ODD = """annotation.shop = "a~b*c é+%2B&<>'" """


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/", {}),
        ("/", {"range": "2026-11-27T10:00:00Z~2030-11-27T10:00:00Z"}),
        ("/traces", {}),
        ("/traces", {"filter": ODD, "range": "PT1H", "sort": "-response_time", "by": "url"}),
        ("/traces/{id}", {"view": "raw"}),
    ],
)
def test_what_a_page_asks_first_is_asked_while_its_scripts_are_on_their_way(console, path, params):
    path = path.replace("{id}", console.one("ok"))
    address = f"{path}?{urlencode(params)}"
    asked = []
    page = console.page()
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    answer = page.goto(address, wait_until="domcontentloaded")
    settled(page)
    link = re.fullmatch(r"<(.+)>; rel=preload; as=fetch; crossorigin", answer.headers["link"])
    first = urlsplit(link[1])
    # A short list has the page ask for what follows, from a cursor on.
    same = [each for each in asked if each.path == first.path and "cursor=" not in each.query]
    assert [each.query for each in same] == [first.query]

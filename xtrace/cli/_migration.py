"""A program's text for aws_xray_sdk as one for xtrace: imports, calls, names in Django's settings."""

from __future__ import annotations

from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = "aws_xray_sdk"

# Where a name is found, and what it is called there.
NAMES = {
    "core.xray_recorder": ("xtrace", "xray_recorder"),
    "core.patch": ("xtrace", "patch"),
    "core.patch_all": ("xtrace", "patch_all"),
    "core.AWSXRayRecorder": ("xtrace", "Recorder"),
    "core.AsyncAWSXRayRecorder": ("xtrace", "Recorder"),
    "core.recorder.AWSXRayRecorder": ("xtrace", "Recorder"),
    "core.async_recorder.AsyncAWSXRayRecorder": ("xtrace", "Recorder"),
    "core.patcher.patch": ("xtrace", "patch"),
    "core.patcher.patch_all": ("xtrace", "patch_all"),
    "core.models.segment.Segment": ("xtrace", "Segment"),
    "core.models.subsegment.Subsegment": ("xtrace", "Subsegment"),
    "ext.flask.middleware.XRayMiddleware": ("xtrace.integrations.flask", "XRayMiddleware"),
    "ext.bottle.middleware.XRayMiddleware": ("xtrace.integrations.bottle", "XRayMiddleware"),
    "ext.aiohttp.middleware.middleware": ("xtrace.integrations.aiohttp", "middleware"),
}

TEXTS = {
    "aws_xray_sdk.ext.django": "xtrace.integrations.django",
    "aws_xray_sdk.ext.django.middleware.XRayMiddleware": "xtrace.integrations.django.XRayMiddleware",
}
"""In Django's settings."""

CONTEXTS = ("core.async_context.AsyncContext", "core.context.Context")
"""Contexts that needn't be made: xtrace's follows threads and tasks by itself."""

METHODS = {
    "capture_async": "capture",
    "in_segment_async": "in_segment",
    "in_subsegment_async": "in_subsegment",
}
"""Methods of the recorder that have one name for both kinds of code."""

KEYWORDS = {"traceid": "trace_id"}

POSITIONS = {"begin_segment": ("name", "trace_id", "parent_id", "sampling")}
"""Methods of which all arguments but the first are keywords now."""

WITHOUT = {
    "begin_subsegment_without_sampling": "xtrace has no subsegments without sampling",
    "record_subsegment": "write a `with xray_recorder.in_subsegment(...)` around the call",
    "record_subsegment_async": "write a `with xray_recorder.in_subsegment(...)` around the call",
    "stream_subsegments": "xtrace streams by itself; leave it out",
}

NOTES = {
    "end_segment": "A segment is sent when it ends; what is open under it is sent by itself, later.",
    "begin_subsegment": "begin_subsegment() never gives None: without a segment it is false.",
    "current_subsegment": "current_subsegment() never gives None: without one it is false.",
    "current_segment": "current_segment() never gives None: without one it is false.",
    "put_annotation": "A key's other characters become `_`; such annotations were dropped.",
    "capture": "@capture without a name takes the function's; generators and coroutines are timed.",
}


class Finding(NamedTuple):
    """Something to tell. is_left: it is for a person to change."""

    line: int
    text: str
    is_left: bool


class Migrated(NamedTuple):
    """A program's text afterwards, and what is to be told."""

    text: str
    findings: list[Finding]


def migrate(text: str) -> Migrated:
    """Rewrite a module. Twice changes nothing. Raises what LibCST raises for what isn't Python."""
    wrapper = MetadataWrapper(cst.parse_module(text))
    imported = _Imports()
    wrapper.visit(imported)
    calls = _Calls(imported.names)
    after_calls = wrapper.visit(calls)
    used = _Used()
    after_calls.visit(used)
    rewriter = _ImportRewriter(imported, used.names)
    return Migrated(after_calls.visit(rewriter).code, calls.findings + rewriter.findings)


def _dotted(node: cst.BaseExpression | None) -> str:
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return ""


def _official(node: cst.ImportFrom) -> str | None:
    """The module below the package that a statement imports from, or None for another package."""
    module = _dotted(node.module)
    if node.relative or not (module == PACKAGE or module.startswith(f"{PACKAGE}.")):
        return None
    return module[len(PACKAGE) + 1 :]


class _Imports(cst.CSTVisitor):
    """names: local name -> path below the package. lines: the line of each import, by its path."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.whole: list[tuple[int, str]] = []

    def _line(self, node: cst.CSTNode) -> int:
        position = self.get_metadata(PositionProvider, node)
        return int(position.start.line)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        """Note what a statement gives names to."""
        module = _official(node)
        if module is None:
            return
        if isinstance(node.names, cst.ImportStar):
            self.lines[f"{module}.*"] = self._line(node)
            return
        for alias in node.names:
            path = f"{module}.{_dotted(alias.name)}".lstrip(".")
            local = _dotted(alias.asname.name) if alias.asname else _dotted(alias.name)
            self.names[local] = path
            self.lines[path] = self._line(node)

    def visit_Import(self, node: cst.Import) -> None:
        """Note imports of modules as such."""
        for alias in node.names:
            name = _dotted(alias.name)
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                self.whole.append((self._line(node), name))


class _Calls(cst.CSTTransformer):
    """Rewrites calls of the recorder, of entities and of Bottle's plugin, and texts."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._recorders = {local for local, path in names.items() if path == "core.xray_recorder"}
        self.findings: list[Finding] = []

    def _tell(self, node: cst.CSTNode, text: str, is_left: bool) -> None:
        position = self.get_metadata(PositionProvider, node)
        self.findings.append(Finding(position.start.line, text, is_left))

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """Rewrite a call."""
        func = updated_node.func
        if isinstance(func, cst.Name):
            return self._named(func.value, updated_node)
        if not isinstance(func, cst.Attribute):
            return updated_node
        method = func.attr.value
        if method == "add_exception" and self._names:
            return _without_stack(updated_node)
        if _dotted(func.value) not in self._recorders:
            return updated_node
        if method in WITHOUT:
            self._tell(original_node, f"{method}(): {WITHOUT[method]}", True)
            return updated_node
        renamed = METHODS.get(method, method)
        if renamed in NOTES:
            self._tell(original_node, NOTES[renamed], False)
        args = [self._keyword(arg) for arg in updated_node.args]
        if method in POSITIONS:
            args = _with_keywords(args, POSITIONS[method])
        if method == "configure":
            args = [arg for arg in args if not self._is_context(arg)]
        return updated_node.with_changes(
            func=func.with_changes(attr=cst.Name(renamed)), args=_tidy(args, updated_node.args)
        )

    def _named(self, name: str, call: cst.Call) -> cst.Call:
        path = self._names.get(name)
        if path == "ext.bottle.middleware.XRayMiddleware":
            if len(call.args) != 1 or call.args[0].keyword is not None:
                return call
            # The first is the application now.
            return call.with_changes(args=[_as_keyword(call.args[0], "recorder")])
        if path in ("core.patch_all", "core.patcher.patch_all"):
            return call.with_changes(args=[])
        return call

    def _keyword(self, arg: cst.Arg) -> cst.Arg:
        if arg.keyword is not None and arg.keyword.value in KEYWORDS:
            return arg.with_changes(keyword=cst.Name(KEYWORDS[arg.keyword.value]))
        return arg

    def _is_context(self, arg: cst.Arg) -> bool:
        return (
            arg.keyword is not None
            and arg.keyword.value == "context"
            and isinstance(arg.value, cst.Call)
            and self._names.get(_dotted(arg.value.func)) in CONTEXTS
        )

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        """Rewrite a name in Django's settings."""
        text = updated_node.raw_value
        if text in TEXTS:
            return updated_node.with_changes(value=updated_node.value.replace(text, TEXTS[text]))
        return updated_node


def _without_stack(call: cst.Call) -> cst.Call:
    """add_exception(error, stack, remote) as add_exception(error, remote=remote)."""
    kept = []
    for number, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else ("exception", "stack", "remote", "")[number]
        if name == "remote":
            kept.append(_as_keyword(arg, "remote"))
        elif name != "stack":
            kept.append(arg)
    return call.with_changes(args=_tidy(kept, call.args))


def _with_keywords(args: Sequence[cst.Arg], names: Sequence[str]) -> list[cst.Arg]:
    return [
        arg if number == 0 or arg.keyword or arg.star else _as_keyword(arg, names[number])
        for number, arg in enumerate(args)
    ]


def _as_keyword(arg: cst.Arg, name: str) -> cst.Arg:
    return arg.with_changes(
        keyword=cst.Name(name),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )


def _tidy(args: Sequence[cst.Arg], before: Sequence[cst.Arg]) -> Sequence[cst.Arg]:
    """Without a comma after the last argument, unless there was one."""
    if args and before and len(args) < len(before):
        return [*args[:-1], args[-1].with_changes(comma=before[-1].comma)]
    return args


class _Used(cst.CSTVisitor):
    """The names that a module uses, outside of its imports."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        """Leave imports out."""
        return False

    def visit_Name(self, node: cst.Name) -> None:
        """Note a name."""
        self.names.add(node.value)


class _ImportRewriter(cst.CSTTransformer):
    """Rewrites `from aws_xray_sdk... import ...`."""

    def __init__(self, imported: _Imports, used: set[str]) -> None:
        self._lines = imported.lines
        self._used = used
        self.findings = [
            Finding(line, f"import {name}: import the names that are used instead", True)
            for line, name in imported.whole
        ]

    def leave_SimpleStatementLine(
        self,
        original_node: cst.SimpleStatementLine,
        updated_node: cst.SimpleStatementLine,
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        """Rewrite a line with one import."""
        statement = updated_node.body[0]
        if len(updated_node.body) != 1 or not isinstance(statement, cst.ImportFrom):
            return updated_node
        module = _official(statement)
        if module is None or isinstance(statement.names, cst.ImportStar):
            if module is not None:
                self._leave(f"{module}.*")
            return updated_node
        new: dict[str, list[cst.ImportAlias]] = {}
        kept = []
        for alias in statement.names:
            path = f"{module}.{_dotted(alias.name)}".lstrip(".")
            local = _dotted(alias.asname.name) if alias.asname else _dotted(alias.name)
            if path in NAMES:
                home, name = NAMES[path]
                new.setdefault(home, []).append(_alias(name, local))
            elif path in CONTEXTS and local not in self._used:
                continue
            else:
                kept.append(alias)
                self._leave(path)
        if len(kept) == len(statement.names):
            return updated_node
        statements = [
            statement.with_changes(module=_expression(home), names=names, lpar=None, rpar=None)
            for home, names in sorted(new.items())
        ]
        if kept:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            statements.append(statement.with_changes(names=kept, lpar=None, rpar=None))
        if not statements:
            return cst.RemoveFromParent()
        lines = [updated_node.with_changes(body=[each], leading_lines=[]) for each in statements]
        lines[0] = lines[0].with_changes(leading_lines=updated_node.leading_lines)
        return cst.FlattenSentinel(lines)

    def _leave(self, path: str) -> None:
        self.findings.append(
            Finding(self._lines.get(path, 0), f"{PACKAGE}.{path} has no namesake in xtrace", True)
        )


def _alias(name: str, local: str) -> cst.ImportAlias:
    if name == local:
        return cst.ImportAlias(cst.Name(name))
    return cst.ImportAlias(cst.Name(name), cst.AsName(cst.Name(local)))


def _expression(dotted: str) -> cst.Attribute | cst.Name:
    first, *others = dotted.split(".")
    found: cst.Attribute | cst.Name = cst.Name(first)
    for each in others:
        found = cst.Attribute(found, cst.Name(each))
    return found

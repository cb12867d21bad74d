"""The rules of style that linters do not know."""

import ast
import io
import re
import tokenize

import pytest

from tests.house.files import LAYERS, python_files, shown

FILE_LINES_MAX = 350
FUNCTION_LINES_MAX = 40
SUPPRESSIONS_MAX = 10
BANNED_CALLS = {
    "domain": {
        "float": "Decimal",
        "now": "a time in the event",
        "utcnow": "a time in the event",
        "uuid4": "an id in the event",
        "open": "a port",
    },
    "actors": {"ask": "tell", "proxy": "tell", "sleep": "a message later"},
}
# The live system hands a sleep on to the clock, for functions that run off the actors.
MAY_CALL = {("actors/runtime/live.py", "sleep")}
MAY_PRINT = ("run.py", "infra/cli/", "infra/screens/")
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)")
SUPPRESSION_WITH_REASON = re.compile(
    r"#\s*(noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])\W+\S+ \S+"
)


def functions(source):
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def code_lines(function, source):
    """Count the lines of a function that are neither blank, comment nor docstring."""
    first, *_ = function.body
    docstring = range(0)
    if ast.get_docstring(function) is not None:
        docstring = range(first.lineno, first.end_lineno + 1)
    lines = source.splitlines()
    return sum(
        1
        for number in range(function.lineno, function.end_lineno + 1)
        if number not in docstring and not re.match(r"\s*(#|$)", lines[number - 1])
    )


def long_functions(source):
    return [
        (function.name, length)
        for function in functions(source)
        if (length := code_lines(function, source)) > FUNCTION_LINES_MAX
    ]


def called_names(source):
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield node.lineno, name


def open_dataclasses(source):
    """Return the dataclasses that are not both frozen and slotted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            found += [
                node.name
                for decorator in decorators
                if "dataclass" in decorator
                and not ("frozen=True" in decorator and "slots=True" in decorator)
            ]
    return found


def suppressions(source):
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        token.string
        for token in tokens
        if token.type == tokenize.COMMENT and SUPPRESSION.search(token.string)
    ]


def test_no_file_is_too_long():
    lengths = {shown(path): len(path.read_text().splitlines()) for path in python_files()}

    assert {name: n for name, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_no_function_is_too_long():
    found = {shown(path): long_functions(path.read_text()) for path in python_files()}

    assert {name: long for name, long in found.items() if long} == {}


def test_dataclasses_of_the_domain_are_frozen_and_slotted():
    found = {shown(path): open_dataclasses(path.read_text()) for path in python_files("domain")}

    assert {name: classes for name, classes in found.items() if classes} == {}


@pytest.mark.parametrize("layer", BANNED_CALLS)
def test_a_layer_calls_nothing_that_is_banned_there(layer):
    found = [
        f"{shown(path)}:{line}: {name}() is banned here; use {BANNED_CALLS[layer][name]}"
        for path in python_files(layer)
        for line, name in called_names(path.read_text())
        if name in BANNED_CALLS[layer] and (shown(path), name) not in MAY_CALL
    ]

    assert found == []


def test_only_the_command_line_and_the_screens_print():
    found = [
        f"{shown(path)}:{line}"
        for path in python_files(*LAYERS)
        if not shown(path).startswith(MAY_PRINT)
        for line, name in called_names(path.read_text())
        if name == "print"
    ]

    assert found == []


def test_suppressions_are_few_and_each_names_its_code_and_reason():
    found = [
        (shown(path), comment)
        for path in python_files()
        for comment in suppressions(path.read_text())
    ]

    assert [one for one in found if not SUPPRESSION_WITH_REASON.search(one[1])] == []
    assert len(found) <= SUPPRESSIONS_MAX, found


def test_these_rules_find_what_they_look_for():
    body = "\n".join(f"    x{n} = {n}" for n in range(FUNCTION_LINES_MAX))

    assert long_functions(f"def f():\n{body}\n") == [("f", FUNCTION_LINES_MAX + 1)]
    assert long_functions(f'def f():\n    """{"a" * 9}\n\n    b."""\n{body[:-60]}\n') == []
    assert open_dataclasses("@dataclass(frozen=True)\nclass A: ...") == ["A"]
    assert open_dataclasses("@dataclass(frozen=True, slots=True)\nclass A: ...") == []
    assert list(called_names("a.b.now()\nfloat('1')")) == [(1, "now"), (2, "float")]
    assert suppressions('x = 1  # noqa\ny = "# noqa"') == ["# noqa"]
    assert not SUPPRESSION_WITH_REASON.search("# noqa: S101")
    assert not SUPPRESSION_WITH_REASON.search("# type: ignore  # because it is wrong")
    assert SUPPRESSION_WITH_REASON.search("# noqa: S101  checked by the caller")
    assert SUPPRESSION_WITH_REASON.search("# type: ignore[arg-type]  # the stub is wrong")

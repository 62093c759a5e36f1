"""The shape of the dashboard: one module asks, one draws texts of customers, and views do neither by themselves."""

import ast
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

from tests.support.product import ROOT, nodes, parsed

FILES = sorted((ROOT / "dashboard").rglob("*.py"))
RAW = {"text", "dataframe", "table", "json", "code", "html", "iframe", "altair_chart", "vega_lite_chart"}
"""What draws values as they are; `html` even runs them."""
RAW_HOMES = {"text.py": {"text", "dataframe"}, "charts.py": {"altair_chart"}, "frame.py": {"html"}}
MARKDOWN = {
    "badge", "button", "caption", "chat_input", "chat_message", "checkbox", "date_input", "divider", "download_button",
    "error", "expander", "feedback", "file_uploader", "form_submit_button", "header", "info", "link_button", "markdown",
    "menu_button", "metric", "multiselect", "number_input", "page_link", "pills", "popover", "progress", "radio",
    "segmented_control", "selectbox", "slider", "spinner", "status", "subheader", "success", "tabs", "text_area",
    "text_input", "time_input", "title", "toast", "toggle", "warning", "write", "write_stream",
}  # fmt: skip
"""What reads Markdown somewhere in its arguments, on `st` and on what `st.columns` and the like give."""
TEXTS = {"label", "body", "help", "placeholder", "value", "delta", "text"}
PASSED_ON = {
    "empty": (0, 1),
    "figure": (1, 4),
    "typed": (0, 1),
    "one_of": (0, 1),
    "field": (0, 1),
    "choices": (0, 1),
    "pick": (0, 1),
    "confirmed": (0, 3),
    "choice": (0, 1),
    "_turn": (1, 2),
    "_items": (0, 1),
    "_sentiment": (0, 1),
    "_outcome": (1, 2),
}
"""Our own functions that hand arguments to Markdown, and which: where they are called counts, as for Streamlit's."""
TEXTS_AT = PASSED_ON | {
    **dict.fromkeys(("link_button", "selectbox", "multiselect", "radio", "pills", "slider"), (0, 1)),
    "page_link": (0, 0),
    "progress": (1, 2),
}
"""Which positional arguments are texts, where not all are: the others are files, addresses, options, numbers."""


def relative(path: Path) -> str:
    """A file's name as a test shows it."""
    return path.relative_to(ROOT).as_posix()


def calls_of(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Calls, by the last name of what is called."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys")))):
                pass
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                yield name, node


def texts_of(name: str, call: ast.Call) -> Iterator[ast.expr]:
    first, last = TEXTS_AT.get(name, (0, len(call.args)))
    yield from call.args[first:last]
    yield from (each.value for each in call.keywords if each.arg in TEXTS)


def is_our_own(node: ast.expr, names: Set[str]) -> bool:
    """Whether a text is written in the code, apart from what dashboard/words.py makes of numbers and dates.

    `names` are those that stand for such texts where it is used.
    """
    match node:
        case ast.Constant() | ast.Dict() | ast.List() | ast.Tuple() | ast.Starred():
            return True
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return name in names or name.isupper()
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module))):
            return module == "words"
        case ast.Attribute(value=ast.Name(id="entry")):
            return True  # of dashboard/pages.py
        case ast.FormattedValue(value=one):
            return is_our_own(one, names)
        case ast.JoinedStr(values=parts):
            return all(is_our_own(part, names) for part in parts)
        case ast.IfExp(body=one, orelse=other):
            return is_our_own(one, names) and is_our_own(other, names)
    return False


def own_names(function: ast.FunctionDef) -> Set[str]:
    """Names in a function that stand for texts of our own: what is assigned, and parameters that were checked."""
    first, last = PASSED_ON.get(function.name, (0, 0))
    found = {each.arg for each in function.args.args[first:last]}
    pairs = (pair for node in ast.walk(function) if isinstance(node, ast.Assign) for pair in assigned(node))
    return found | {name for name, value in pairs if is_our_own(value, found)}


def assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    match node.targets[0], node.value:
        case ast.Name(id=name), value:
            yield name, value
        case ast.Tuple(elts=names), ast.Tuple(elts=values):
            yield from ((ast.unparse(name), value) for name, value in zip(names, values, strict=True))


def foreign_texts(path: Path) -> Iterator[str]:
    for function in nodes(path):
        if isinstance(function, ast.FunctionDef):
            names = own_names(function)
            for name, call in calls_of(function):
                for text in texts_of(name, call) if name in MARKDOWN | PASSED_ON.keys() else ():
                    if not is_our_own(text, names):
                        yield f"{relative(path)}:{call.lineno} {name}({ast.unparse(text)})"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_markdown_is_never_given_what_the_service_answers(path: Path) -> None:
    """`st.error(problem.words)` would run an image in a customer's text. Use dashboard/text.py."""
    assert list(foreign_texts(path)) == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_one_module_draws_texts(path: Path) -> None:
    drawn = {
        name
        for name, call in calls_of(parsed(path))
        if name in RAW
        if isinstance(call.func, ast.Attribute)
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "st"
    }

    assert drawn <= RAW_HOMES.get(path.name, set())


def test_our_own_words_take_numbers_and_dates_only() -> None:
    taken = {
        argument.annotation.id
        for node in parsed(ROOT / "dashboard" / "words.py").body
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
        if isinstance(argument.annotation, ast.Name)
    }

    assert taken <= {"int", "float", "date", "datetime"}


def imported_from_client(path: Path) -> set[str]:
    return {
        alias.name
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module in ("client", "client.live")
        for alias in node.names
    }


def test_only_one_module_asks_the_service() -> None:
    askers = {path.name for path in FILES if imported_from_client(path) - {"calls"}}

    # The settings try whether the key can be sent at all, the start whether anybody is there. A seat listens for as
    # long as a session lasts.
    assert askers == {"__main__.py", "api.py", "seat.py", "settings.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "dashboard" / "views").glob("*.py")), ids=relative)
def test_a_view_keeps_nothing_and_asks_nobody(path: Path) -> None:
    wrong = [
        ast.unparse(node)
        for node in nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr in {"session_state", "query_params", "cache_data"})
        or (isinstance(node, ast.Import | ast.ImportFrom) and "httpx" in ast.unparse(node))
    ]

    assert wrong == []

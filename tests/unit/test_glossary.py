"""One word, one meaning: the glossary is short and sorted, and no name is defined twice in the product."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.support.product import MODULES, ROOT, parsed

GLOSSARY = ROOT / "docs" / "GLOSSARY.md"
MAX_TERMS = 70
LINE = re.compile(r"^- \*\*(?P<term>[^*]+)\*\*: (?P<meaning>.+): `(?P<home>[^`]+)`$")

SAME_CLASS = {"Failed", "Job", "Requeued"}
"""One meaning in two places: both queues have jobs, which fail or are queued again."""
SAME_FUNCTION = {
    "add",
    "claim",
    "conversations_in",
    "depth",
    "end",
    "get",
    "give_back",
    "install",
    "is_due",
    "keep",
    "load",
    "main",
    "matches",
    "opened",
    "page",
    "recover",
    "remove",
    "renew",
    "request_body",
    "resume",
    "schema",
    "settle",
    "usage_of",
}
"""Verbs with one meaning for different things; their modules are named where they are called, as in `chats.get`."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def terms() -> list[re.Match[str]]:
    lines = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("-")]
    found = [LINE.match(line) for line in lines]
    assert [line for line, match in zip(lines, found, strict=True) if match is None] == []
    return [match for match in found if match is not None]


def test_the_glossary_is_short_and_sorted() -> None:
    names = [match["term"] for match in terms()]

    assert len(names) <= MAX_TERMS
    assert names == sorted(set(names))


def test_every_term_has_a_home() -> None:
    assert [match["term"] for match in terms() if not (ROOT / match["home"]).exists()] == []


def test_every_home_knows_its_term() -> None:
    """The term stands in the module, or its name is the module's."""
    strange = [match["term"] for match in terms() if not knows(ROOT / match["home"], match["term"])]

    assert strange == []


def knows(home: Path, term: str) -> bool:
    files = sorted(home.rglob("*.py")) if home.is_dir() else [home]
    words = re.compile("[ _-]?".join(re.split("[ -]", term)), re.IGNORECASE)
    return any(words.search(str(file.relative_to(ROOT)) + file.read_text()) for file in files)


def public(tree: ast.Module, *kinds: type[Definition]) -> Iterator[str]:
    return (node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))


def doubles(names: Mapping[Path, Iterable[str]]) -> dict[str, list[str]]:
    """The names that several modules define, with these modules."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path, defined in names.items():
        for name in set(defined):
            places[name].append(str(path))
    return {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}


def test_no_public_class_has_two_meanings() -> None:
    found = doubles({path: public(parsed(path), ast.ClassDef) for path in MODULES})

    assert {name: places for name, places in found.items() if name not in SAME_CLASS} == {}


def test_no_public_function_has_two_meanings() -> None:
    """Routes apart: their functions are named by what the client does."""
    modules = [path for path in MODULES if path.parent != Path("api/routes")]
    found = doubles({path: public(parsed(path), ast.FunctionDef, ast.AsyncFunctionDef) for path in modules})

    assert {name: places for name, places in found.items() if name not in SAME_FUNCTION} == {}


def test_a_name_that_two_modules_define_is_found() -> None:
    one, other = (
        ast.parse("class Stored: ...\nclass _Own: ..."),
        ast.parse("class Stored: ...\nclass _Own: ..."),
    )
    trees = {Path("a.py"): one, Path("b.py"): other}

    assert doubles({path: public(tree, ast.ClassDef) for path, tree in trees.items()}) == {
        "Stored": ["a.py", "b.py"]
    }

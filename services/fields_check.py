"""The command of `python -m fields`: it reads a file of fields, shows what is sent, and calls nobody."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from core import clock
from core.complaints import complaint
from core.settings import Settings
from domain.fields.fieldsets import FieldSet
from domain.fields.parsing import load_fields
from llm import prices
from llm.field_prompts import fields_schema, fields_section, fields_tokens, typical_fields_tokens
from llm.prices import TICKS_PER_USD
from store.money.spending import day_of

BYTES_PER_TOKEN = 4
"""Of English; other scripts have more tokens for as many bytes."""
MISUSE = 2
THOUSAND = 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0, or 2 if the file or a setting is wrong."""
    parser = ArgumentParser(prog="python -m fields", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check", help="show the prompt, the schema, and what a conversation more costs"
    )
    check.add_argument("file", type=Path, help="a file as FIELDS_FILE names one")
    chosen = parser.parse_args(arguments)
    try:
        fields, settings = load_fields(chosen.file), Settings()
    except ValidationError as error:  # which is a ValueError as well
        return _refused(complaint(error))
    except ValueError as error:
        return _refused(str(error))
    sys.stdout.writelines(f"{line}\n" for line in _told(fields, settings))
    return 0


def _refused(why: str) -> int:
    sys.stderr.write(f"fields: {why}\n")
    return MISUSE


def _told(fields: FieldSet, settings: Settings) -> Iterator[str]:
    """What is to be known of these fields, line by line."""
    asked = (("conversations", "every row"), ("summaries", "the object"))
    for asker, where in asked:
        if chosen := fields.of(asker):
            many = "s" * (len(chosen.fields) > 1)
            yield f"{len(chosen.fields)} field{many} of {asker}, version {chosen.version}"
            yield ""
            yield f"The end of the prompt, which is the same in every call:{fields_section(chosen, where)}"
            yield f"Their part of the schema: {json.dumps(fields_schema(chosen), ensure_ascii=False)}"
            yield ""
            yield from _costs(chosen, settings, asker, where)
            yield ""
    yield _offline(fields)


def _costs(fields: FieldSet, settings: Settings, asker: str, where: str) -> Iterator[str]:
    prompt = len(fields_section(fields, where).encode()) // BYTES_PER_TOKEN
    usual, most = typical_fields_tokens(fields), fields_tokens(fields)
    unit = asker.removesuffix("ies") + "y" if asker == "summaries" else "conversation"
    yield f"A {unit} takes about {usual} more completion tokens, {most} at most."
    yield f"A call takes about {prompt} more prompt tokens, which the provider keeps in its cache."
    tariff = prices.tariff_of(settings.grok_model, day_of(clock.now()))
    if tariff is None:
        yield f"The price of {settings.grok_model} is not known."
        return
    usd = THOUSAND * usual * tariff.usual.completion / TICKS_PER_USD
    yield f"With {settings.grok_model}, a thousand of them cost about {usd:.4f} USD more."


def _offline(fields: FieldSet) -> str:
    answered = {str(rule["name"]) for rule in fields.rules}
    left = [each.name for each in fields.fields if each.name not in answered]
    if not left:
        return "The offline analyzer answers all of them by their words."
    return f"The offline analyzer answers with null, for want of words: {', '.join(left)}."

"""The commands of `python -m access`."""

import asyncio
import getpass
import json
import logging
import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

import database
from core import clock
from core.complaints import complaint
from core.errors import CannotStart
from core.settings import Settings
from database import Database
from domain.roles import Role
from services.access import receipt_check
from services.access.audit_log import PURPOSE, AuditLog, audit_key
from services.access.keys import Keys
from store.access import audit_chain
from store.access.audit import AuditEntry
from store.access.keys import StoredKey

FAILED, MISUSE = 1, 2
LENGTH_OF_NAME = 100
COLUMNS = ("id", "name", "role", "state", "created", "by", "last used")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives 0, 1 if it failed, 2 if it was used wrongly."""
    chosen = _parser().parse_args(arguments)
    # Standard output is for the answer: whoever captures a key must not get a log line with it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return asyncio.run(_run(Settings(), chosen))
    except ValidationError as error:
        return _fail(complaint(error), MISUSE)
    except (CannotStart, SQLAlchemyError, OSError) as error:
        return _fail(str(error).splitlines()[0], FAILED)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m access", description="Keys, the audit log, and receipts of erasures.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create-key", help="make an API key and print it")
    create.add_argument("--role", required=True, choices=[*Role], help="what it may do")
    create.add_argument("--name", required=True, type=_name, help="whose it is, or what for")
    create.add_argument("--expires", type=_moment, help="when it ends, as 2027-01-31 or 2027-01-31T12:00:00Z")
    create.set_defaults(run=_create)
    commands.add_parser("list-keys", help="list all keys").set_defaults(run=_list)
    revoke = commands.add_parser("revoke-key", help="revoke a key for good")
    revoke.add_argument("id", help="as list-keys shows it")
    revoke.set_defaults(run=_revoke)
    verify = commands.add_parser("verify-audit", help="find what was changed or taken out of the audit log")
    verify.add_argument("--entry", type=int, help="the number of an entry that a log line named")
    verify.add_argument("--link", help="the link that the same log line named")
    verify.set_defaults(run=_verify)
    receipt = commands.add_parser("verify-receipt", help="check the receipt of a person's erasure")
    receipt.add_argument("file", type=Path, help="the answer to the DELETE, as JSON")
    receipt.add_argument("--person", help="check as well that it is about this person")
    receipt.set_defaults(run=_verify_receipt)
    return parser


def _name(text: str) -> str:
    if not 1 <= len(text) <= LENGTH_OF_NAME or not text.isprintable():
        raise ValueError
    return text


def _moment(text: str) -> int:
    moment = clock.parse(text)
    if moment <= clock.now():
        raise ValueError
    return moment


async def _run(settings: Settings, chosen: Namespace) -> int:
    async with database.opened_beside(settings.url) as db:
        code: int = await chosen.run(settings, db, chosen)
        return code


def _keys(settings: Settings, db: Database) -> Keys:
    return Keys(db, clock.now, AuditLog(db, clock.now, audit_key(settings.secrets)), secrets.token_hex)


def _asked() -> AuditEntry:
    """Whoever is at the machine's own command line."""
    return AuditEntry(clock.now(), f"operator:{getpass.getuser()}", "", client="command line")


async def _create(settings: Settings, db: Database, chosen: Namespace) -> int:
    key, _ = await _keys(settings, db).create(chosen.name, Role(chosen.role), chosen.expires, _asked())
    sys.stderr.write("This is the only time that the key is shown; the database has only its SHA-256.\n")
    sys.stdout.write(key.text + "\n")
    return 0


async def _list(settings: Settings, db: Database, _: Namespace) -> int:
    found = await _keys(settings, db).list()
    if not found:
        sys.stderr.write(
            "There are no keys. python -m access create-key --role admin --name NAME makes one.\n"
        )
        return 0
    table = Table(*(Column(each, overflow="fold") for each in COLUMNS), box=box.SIMPLE_HEAD)
    for key in found:
        made, used = clock.iso(key.created_at)[:10], (clock.iso_or_none(key.last_used_at) or "never")[:16]
        table.add_row(key.id, key.name, key.role, _state(key), made, key.created_by, used)
    Console().print(table)
    return 0


def _state(key: StoredKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {clock.iso(key.revoked_at)[:10]}"
    if key.expires_at is None:
        return "valid"
    return ("valid until " if key.expires_at > clock.now() else "expired ") + clock.iso(key.expires_at)[:16]


async def _revoke(settings: Settings, db: Database, chosen: Namespace) -> int:
    if not await _keys(settings, db).revoke(chosen.id, _asked()):
        return _fail("no key has this id, or it is revoked already", FAILED)
    sys.stdout.write("Revoked. Running services refuse it within a second.\n")
    return 0


async def _verify(settings: Settings, db: Database, chosen: Namespace) -> int:
    if (chosen.entry is None) != (chosen.link is None):
        return _fail("--entry and --link go together: both stand in one log line", MISUSE)
    kept = None if chosen.entry is None else (chosen.entry, chosen.link)
    keys = settings.secrets.keys(PURPOSE)
    found = await db.read(partial(audit_chain.verify, keys=keys, kept=kept))
    for words in audit_chain.remarks(found):
        sys.stdout.write(words + "\n")
    return FAILED if found.fault else 0


async def _verify_receipt(settings: Settings, db: Database, chosen: Namespace) -> int:
    try:
        receipt = json.loads(await asyncio.to_thread(chosen.file.read_text))
        found = await receipt_check.find(db, settings.secrets, receipt, chosen.person)
    except (ValueError, TypeError):
        return _fail(f"{chosen.file.name} holds no receipt of an erasure", FAILED)
    for words in receipt_check.receipt_remarks(found):
        sys.stdout.write(words + "\n")
    return 0 if found.holds else FAILED


def _fail(words: str, code: int) -> int:
    sys.stderr.write(f"python -m access: {words}\n")
    return code

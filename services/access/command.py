"""The commands of `python -m access`."""

import asyncio
import json
import logging
import os
import pwd
import re
import secrets
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path

import structlog
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

import database
from core import clock
from core.complaints import complaint
from core.settings import Settings
from core.start_faults import database_complaint
from database import Database
from domain.api_keys import NAMES, is_key_name
from domain.roles import Role
from services.access import receipt_check
from services.access.audit_log import PURPOSE, AuditLog, audit_key
from services.access.keys import Keys
from store.access import audit_chain
from store.access.audit import AuditEntry
from store.access.keys import StoredKey

FAILED, MISUSE, INTERRUPTED = 1, 2, 130
WIDTH_OF_PIPE = 1_000
"""Whoever reads from a pipe wants a line for each key."""
COLUMNS = ("id", "name", "role", "state", "created", "by", "last used")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives 0, 1 if it failed, 2 if it was used wrongly."""
    for stream in (sys.stdout, sys.stderr):
        # Names may have characters that the terminal's encoding has not.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    chosen = _parser().parse_args(arguments)
    # Standard output is for the answer: whoever captures a key must not get a log line with it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        settings = Settings()
    except ValidationError as error:
        return _fail(complaint(error), MISUSE)
    try:
        return asyncio.run(_run(settings, chosen))
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except Exception as error:
        # Drivers' own errors have no ancestor that could be named without importing the driver.
        if (words := database_complaint(error, settings)) is None:
            raise
        return _fail(words, FAILED)


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
    verify.add_argument("--entry", type=_number, help="the number of an entry that a log line named")
    verify.add_argument("--link", type=_link, help="the link that the same log line named")
    verify.set_defaults(run=_verify)
    receipt = commands.add_parser("verify-receipt", help="check the receipt of a person's erasure")
    receipt.add_argument("file", type=Path, help="the answer to the DELETE, as JSON")
    receipt.add_argument("--person", help="check as well that it is about this person")
    receipt.set_defaults(run=_verify_receipt)
    return parser


def _name(text: str) -> str:
    if not is_key_name(text):
        raise ArgumentTypeError(NAMES)
    return text


def _moment(text: str) -> int:
    try:
        moment = clock.parse(text)
    except ValueError:
        raise ArgumentTypeError("must be a date such as 2027-01-31 or 2027-01-31T12:00:00Z") from None
    if moment <= clock.now():
        raise ArgumentTypeError("must be in the future")
    return moment


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError("must be the number of an entry, from 1")
    return int(text)


def _link(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise ArgumentTypeError("must be 64 hexadecimal digits, as in the log line")
    return text


async def _run(settings: Settings, chosen: Namespace) -> int:
    if chosen.run is not _create and (absent := _absent(settings)) is not None:
        return _fail(
            f"there is no database at {absent}; create-key or a start of the service makes one", FAILED
        )
    async with database.opened_beside(settings.url) as db:
        code: int = await chosen.run(settings, db, chosen)
        return code


def _absent(settings: Settings) -> Path | None:
    """The SQLite file, if it does not exist: in a new one, made by mistake, every audit log is whole."""
    path = Path(settings.url.database or "")
    return path if settings.url.drivername.startswith("sqlite") and not path.exists() else None


def _keys(settings: Settings, db: Database) -> Keys:
    return Keys(db, clock.now, AuditLog(db, clock.now, audit_key(settings.secrets)), secrets.token_hex)


def _asked() -> AuditEntry:
    """Whoever is at the machine's own command line."""
    return AuditEntry(clock.now(), f"operator:{user_name(os.getuid())}", "", client="command line")


def user_name(uid: int) -> str:
    """The name of a user, or the number of one without, as containers have. The environment could say any name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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
    # An id that is folded can be neither copied nor searched for.
    columns = (Column(each, overflow="fold", no_wrap=each == "id") for each in COLUMNS)
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for key in found:
        made, used = clock.iso(key.created_at)[:10], (clock.iso_or_none(key.last_used_at) or "never")[:16]
        row = (key.id, key.name, key.role, _state(key), made, key.created_by, used)
        table.add_row(*map(Text, row))  # rich would take what stands in [ ] in a name for a style
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_PIPE).print(table)
    return 0


def _state(key: StoredKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {clock.iso(key.revoked_at)[:10]}"
    if key.expires_at is None:
        return "valid"
    return ("valid until " if key.expires_at > clock.now() else "expired ") + clock.iso(key.expires_at)[:16]


async def _revoke(settings: Settings, db: Database, chosen: Namespace) -> int:
    if not chosen.id.isalnum() or not await _keys(settings, db).revoke(chosen.id, _asked()):
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
        text = await asyncio.to_thread(chosen.file.read_text)
    except OSError as error:
        return _fail(f"{chosen.file} cannot be read: {error.strerror}", FAILED)
    except ValueError:
        text = ""
    try:
        receipt = json.loads(text)
        found = await receipt_check.find(db, settings.secrets, receipt, chosen.person)
    except (ValueError, TypeError):
        return _fail(f"{chosen.file.name} holds no receipt of an erasure", FAILED)
    for words in receipt_check.receipt_remarks(found):
        sys.stdout.write(words + "\n")
    return 0 if found.holds else FAILED


def _fail(words: str, code: int) -> int:
    sys.stderr.write(f"python -m access: {words}\n")
    return code

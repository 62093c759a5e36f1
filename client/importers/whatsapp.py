"""A chat that WhatsApp exported as text: one line a message, and more lines where a message has several.

The lines are as the phone showed them, so the form of dates and the words of notices depend on its country. A date
such as 3/4/26 may be either way round: the order is taken from a line of the same file that can only be one way, else
from `--date-order`. Times are the phone's own. A notice may hold a colon, so what stands before it need not be a name.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from client.importers.agents import plain_name
from client.importers.fields import Reader
from client.importers.files import Source, Unreadable
from client.importers.said import Entry, Messages, Said, Spoiled
from client.importers.times import Order

SPACE = "[ \u00a0\u2009\u202f]"
DATE = r"(?P<first>\d{1,4})(?P<mark>[/.-]) ?(?P<second>\d{1,2})(?P=mark) ?(?P<third>\d{2,4})\.?"
HALF = rf"(?:{SPACE}?(?P<half>[ap])\.?{SPACE}?m\b\.?)?"
HEADERS = (
    re.compile(
        rf"[\u200e\u200f]?\[{DATE},?{SPACE}{{1,2}}(?P<hour>\d\d?)[:.](?P<minute>\d\d)[:.](?P<seconds>\d\d){HALF}\]{SPACE}",
        re.IGNORECASE,
    ),
    # Signal writes it so, but with the year in front.
    re.compile(
        rf"[\u200e\u200f]?\[(?!\d{{4}}){DATE},?{SPACE}{{1,2}}(?P<hour>\d\d?)[:.](?P<minute>\d\d){HALF}\]{SPACE}",
        re.IGNORECASE,
    ),
    # Without seconds: with them it is the line of a log.
    re.compile(
        rf"[\u200e\u200f]?{DATE},?{SPACE}(?:(?:à|at){SPACE})?(?P<hour>\d\d?)[:.](?P<minute>\d\d){HALF}{SPACE}-{SPACE}",
        re.IGNORECASE,
    ),
)
SENDER = re.compile(r"([^:\n]{1,120}):(?: |$)")
LOOK = 200
"""Lines at the beginning that are looked at to tell the format."""

DID = re.compile(
    r" (?:changed|created|added|removed|pinned|deleted|turned|updated|set) (?:the|this|your|their|to|group|an?|you)\b"
    r"| (?:joined|left)(?: using| the| this|$)| (?:hat|haben|hast) (?:den|die|das|diese|dich)\b"
    r"| (?:cambió|cambiaste|creó|creaste|añadió|eliminó) (?:el|la|los|las|a|este)\b"
    r"| a (?:changé|créé|ajouté|modifié) (?:le|la|l.|les|ce)| (?:mudou|alterou|criou|adicionou) (?:o|a|os|as|este)\b"
    r"| ha (?:cambiato|creato|aggiunto|modificato) (?:il|la|l.|gli|questo)",
    re.IGNORECASE,
)
"""What somebody did, with a colon behind it: `Mara changed the subject to: Lamps`."""
MEDIA = re.compile(
    r"<(?:media|medien|multimedia|médias|mídia|arquivo de mídia) [^<>\n]*>"
    r"|\u200e?<(?:attached|anhang|adjunto|pièce jointe|anexado|allegato): [^<>\n]+>"
    r"|\u200e?(?:image|video|audio|sticker|document|gif|contact card|video note) omitted"
    # On an iPhone, with the mark that only the program sets; the name of a document may stand before it.
    r"|[^\n]{0,200}\u200e[^\n\u200e:]{2,30} (?:omitted|weggelassen|ausgelassen|omitid[oa]|absente?|omis|manquante?"
    r"|retiré|ocultad[oa]|omess[oa]|esclus[oa]|non inclus[oa])",
    re.IGNORECASE,
)
ATTACHED = re.compile(
    r"\u200e?[^\n]{1,200}\.\w{2,5} \((?:file attached|datei angehängt|archivo adjunto|fichier joint|arquivo anexado"
    r"|file allegato)\)(?:\n|$)",
    re.IGNORECASE,
)
ENCRYPTED = re.compile(
    r"\u200e?(?:messages and calls are end-to-end encrypted|messages (?:you send )?to this (?:chat|group)"
    r"|nachrichten und anrufe sind ende-zu-ende-verschlüsselt|los mensajes y las llamadas están cifrados"
    r"|les messages et les appels sont chiffrés|as mensagens e (?:as )?(?:chamadas|ligações) são protegidas"
    r"|i messaggi e le chiamate sono crittografati)",
    re.IGNORECASE,
)
"""The first line of a chat, which some phones put into the mouth of the group."""
DELETED = re.compile(
    r"\u200e?(?:this message was deleted|you deleted this message|diese nachricht wurde gelöscht"
    r"|du hast diese nachricht gelöscht|se eliminó este mensaje|eliminaste este mensaje|ce message a été supprimé"
    r"|vous avez supprimé ce message|(?:esta )?mensagem (?:foi )?apagada|você apagou esta mensagem"
    r"|questo messaggio è stato eliminato|hai eliminato questo messaggio)\.?",
    re.IGNORECASE,
)
EDITED = re.compile(r" ?(?:\u200e<[^<>:\n]{5,60}>|<this message was edited>)$", re.IGNORECASE)
QUOTES = (("“", "”"), ("„", "“"), ("«", "»"))
NOTICE = "system notice"

Lines = Iterator[tuple[int, str]]


def is_one(head: str) -> bool:
    """Whether a text begins as such a chat does: its first line has date and time, and one of the first a name."""
    lines = head.lstrip("\ufeff\r\n").split("\n")[:LOOK]
    header = _header_of(lines[0])
    found = [line[match.end() :] for line in lines if header and (match := header.match(line))]
    return any(map(SENDER.match, found))


def _header_of(line: str) -> re.Pattern[str] | None:
    return next((header for header in HEADERS if header.match(line)), None)


class WhatsApp(Messages):
    """The messages of an exported chat, which is called as its file is."""

    title = "a WhatsApp chat"

    def __init__(self, name: str, source: Source, reader: Reader) -> None:
        super().__init__(name, source)
        self._reader = reader
        self._order: Order | None = reader.times.order
        self._last: datetime | None = None

    def _entries(self) -> Iterator[Entry]:
        for line, match, text in self._blocks(self._header()):
            try:
                said = self._said(line, match, text)
            except ValueError as error:
                yield Spoiled(line, self.name, str(error))
                continue
            if said is not None:
                yield said

    def _header(self) -> re.Pattern[str]:
        """The form of the file's headers. Settles the order of its dates on the way. Raises Unreadable."""
        header: re.Pattern[str] | None = None
        ambiguous = False
        for _, line in self._lines():
            header = header or _header_of(line)
            match = header and header.match(line)
            if match and (order := _order_of(match)):
                self._order = self._order or order
                break
            ambiguous = ambiguous or bool(match and match["first"] != match["second"])
        if header is None:
            raise Unreadable(
                f"{self.name}: no line of it begins with a date and a time as WhatsApp writes them"
            )
        if ambiguous and self._order is None:
            raise Unreadable(
                "every date may be day and month or month and day: --date-order DMY or MDY says which"
            )
        return header

    def _lines(self) -> Lines:
        self._source.text.seek(0)
        for number, line in enumerate(self._source.text, 1):
            yield number, line.rstrip("\r\n").lstrip("\ufeff")

    def _blocks(self, header: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str], str]]:
        """Lines with a header, each with the lines below it that have none."""
        start: tuple[int, re.Match[str]] | None = None
        some: list[str] = []
        for number, line in self._lines():
            match = header.match(line)
            if match is None:
                some.append(line)
                continue
            if start:
                yield (*start, "\n".join(some))
            start, some = (number, match), [line[match.end() :]]
        if start:
            yield (*start, "\n".join(some))

    def _said(self, line: int, match: re.Match[str], text: str) -> Said | None:
        """The message; None where it is left out and counted. Raises ValueError."""
        sender = SENDER.match(text)
        said = EDITED.sub("", text[sender.end() :].rstrip("\n")) if sender else ""
        kind = _left_out(sender[1], said) if sender else NOTICE
        if sender is None or kind is not None:
            self._reader.left_out[kind or NOTICE] += 1
            return None
        if attached := ATTACHED.match(said):
            self._reader.left_out["attachment"] += 1
            said = said[attached.end() :]
        name = plain_name(sender[1]).removeprefix("~ ")
        role = self._reader.agents.role_of(name)
        return Said(line, self.name, str(line), name, role, said.lstrip("\u200e"), self._moment(match))

    def _moment(self, match: re.Match[str]) -> str:
        first, second, third = (int(match[name]) for name in ("first", "second", "third"))
        year, month, day = _in_order(
            first, second, third, self._order, has_year_first=len(match["first"]) == 4
        )
        hour = int(match["hour"])
        if half := match["half"]:
            if not 1 <= hour <= 12:
                raise ValueError("the time names an hour that does not exist")
            hour = hour % 12 + (12 if half.lower() == "p" else 0)
        try:
            seconds = int(match.groupdict().get("seconds") or 0)
            local = datetime(year, month, day, hour, int(match["minute"]), seconds)  # noqa: DTZ001 - a phone's own
        except ValueError:
            raise ValueError("the time names a day or an hour that does not exist") from None
        self._last = self._reader.times.moment_of(local, after=self._last)
        return self._last.isoformat()


def _order_of(match: re.Match[str]) -> Order | None:
    """The order that a date can only have; None where it may have two."""
    if len(match["first"]) == 4:
        return "YMD"
    first, second = int(match["first"]), int(match["second"])
    if first > 12:
        return "DMY"
    return "MDY" if second > 12 else None


def _in_order(
    first: int, second: int, third: int, order: Order | None, *, has_year_first: bool
) -> Sequence[int]:
    """Year, month and day; a year of two digits is of this century."""
    if has_year_first or order == "YMD":
        year, month, day = first, second, third
    elif order == "MDY":
        year, month, day = third, first, second
    else:
        year, month, day = third, second, first
    return (year + 2000 if year < 100 else year), month, day


def _left_out(sender: str, text: str) -> str | None:
    """What kind of line this is, if it is no message that somebody wrote."""
    if _is_no_name(sender) or ENCRYPTED.match(text):
        return NOTICE
    if DELETED.fullmatch(text):
        return "deleted message"
    attached = ATTACHED.match(text)
    rest = text[attached.end() :] if attached else text
    if MEDIA.fullmatch(rest) or not rest.strip():
        return "media"
    return NOTICE if text.startswith("\u200e") and not attached else None  # iPhones mark notices so


def _is_no_name(sender: str) -> bool:
    """Whether what stands before the colon is part of a notice: what somebody did, or half of a quotation."""
    opened = any(sender.count(one) > sender.count(other) for one, other in QUOTES)
    return opened or sender.count('"') % 2 == 1 or bool(DID.search(sender))

"""CSV as Kaggle or Excel left it."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from client.importers.base import Rejected, Row, Rows
from client.importers.files import Source

# The csv module ends a row at a bare carriage return; in the Kaggle set it is part of a text. A lone
# surrogate stands for it meanwhile: no decoder produces this one, so nothing in a file can be taken for it.
CARRIAGE_RETURN = "\udc0d"
END = "\udc0e"  # behind the last line, for the same reason: in a field, it says that a quote was never closed
BARE = re.compile(r"\r(?!\n)")  # before \n it ends the line
SEPARATOR_LINE = re.compile(r"""["']?sep=(.)["']?""", re.IGNORECASE)
NUMBERS = re.compile(r"[\d.,:/+ TZ-]*\d[\d.,:/+ TZ-]*")
MOST_WARNINGS = 1_000


class Table(Rows):
    """Rows of texts. `columns` are the names in the first row, in lower case."""

    columns: Sequence[str]


class Separated(Table):
    """A CSV file."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source)
        file = source.text
        lines = (BARE.sub(CARRIAGE_RETURN, line) if "\r" in line else line for line in file)
        first = next(lines, "")
        self._skipped = 0
        if separator := SEPARATOR_LINE.fullmatch(first.strip()):  # Excel's own, for the country's separator
            first, self._skipped = next(lines, ""), 1
        # Where the comma is the decimal sign, Excel separates by semicolons.
        self._delimiter = separator[1] if separator else max(",;\t|", key=first.count)
        self._reader = csv.reader(chain([first], lines, [END]), delimiter=self._delimiter)
        self.columns = [name.strip().lower() for name in next(self._reader, [])]

    def _rows(self) -> Iterator[Row | Rejected]:
        while True:
            line = self._reader.line_num + self._skipped + 1
            try:
                values = next(self._reader)
            except csv.Error as error:
                last = self._reader.line_num + self._skipped
                yield Rejected(line, f"not CSV: {error}; lines {line} to {last} are lost")
                continue
            if values == [END]:
                return
            if values[-1:] and values[-1].endswith(END):
                yield self._unclosed(line, values)
                return
            if "".join(values).strip():
                yield self._row(line, values)
            else:
                self.blank += 1

    def _unclosed(self, line: int, values: list[str]) -> Rejected:
        """The rejection of a row whose quote takes in the rest of the file."""
        rest = values[-1].removesuffix(END).splitlines()
        before = sum(value.count("\n") for value in values[:-1])
        taken = sum(1 for each in rest[1:] if each.strip())
        fields = dict(zip(self.columns, values, strict=False))
        return Rejected(
            line,
            f"a quote that opens in line {line + before} is never closed: it took {taken:,} more rows",
            fields,
        )

    def _row(self, line: int, values: list[str]) -> Row | Rejected:
        if any(values[len(self.columns) :]):
            reason = f"{len(values)} fields where the header names {len(self.columns)}"
            return Rejected(line, reason, dict(zip(self.columns, values, strict=False)))
        whole = [value.replace(CARRIAGE_RETURN, "\r") for value in values]
        fields = dict(zip_longest(self.columns, whole[: len(self.columns)], fillvalue=""))
        fields.pop("", None)  # the index that pandas writes in front
        if not _is_text("".join(whole)):
            reason = f"not valid {self._source.text.encoding}; --encoding names another"
            return Rejected(line, reason, fields)
        self._look_for_rows(line, whole)
        return Row(line, fields)

    def _look_for_rows(self, line: int, values: list[str]) -> None:
        """Warns of a field that holds rows: somewhere a quote is missing, and they are part of a text."""
        found = sum(self._are_rows(value, values) for value in values if "\n" in value)
        if found and len(self.warnings) < MOST_WARNINGS:
            rows = "a row" if found == 1 else f"{found:,} rows"
            self.warnings.append((line, f"a field holds what looks like {rows}: is a quote missing?"))

    def _are_rows(self, value: str, values: list[str]) -> int:
        """How many lines of a field have as many fields as the table, and numbers where the row has them."""
        forms = [_form(each) for each in values]
        if len(values) < 2 or not any(forms):
            return 0
        lines = [each for each in value.splitlines()[1:] if each.count(self._delimiter) >= len(values) - 1]
        rows = csv.reader(lines, delimiter=self._delimiter)
        return sum(len(row) == len(values) and _agree(forms, row) for row in rows)


def _form(value: str) -> str:
    """The form of an id or a time, a 9 for every number in it; empty for words."""
    return re.sub(r"\d+", "9", value) if NUMBERS.fullmatch(value) else ""


def _agree(forms: Sequence[str], row: Sequence[str]) -> bool:
    return any(form and form == _form(each) for form, each in zip(forms, row, strict=True))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

"""An Excel workbook: the rows of its first sheet, as texts.

openpyxl reads a sheet row by row; python-calamine is faster, but holds all of it in memory. A cell holds a number, a
text or a time, and a time has no offset. Excel keeps 15 digits of a number, so a longer id has lost its end.
"""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from warnings import catch_warnings, simplefilter

from client.importers.base import Rejected, Row
from client.importers.files import Unreadable
from client.importers.tables import Table

ERRORS = frozenset({"#N/A", "#REF!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#VALUE!"})
EXACT = 10**15


class Sheet(Table):
    """The first sheet of a workbook. `columns` are the names in its first row that is not empty, in lower case."""

    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        # Here, because it loads numpy where that is installed: 30 MB and half a second that only workbooks need.
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException

        self._prepare(name)
        try:
            with (
                catch_warnings()
            ):  # of parts of a workbook that openpyxl passes over, such as drop-down lists
                simplefilter("ignore")
                book = openpyxl.load_workbook(archive.fp, read_only=True, data_only=True)
        except (KeyError, ValueError, InvalidFileException, zipfile.BadZipFile, SyntaxError) as error:
            raise Unreadable(f"{name}: an Excel workbook that cannot be read: {error}") from error
        self.others = book.sheetnames[1:]
        sheet: Any = book.worksheets[0] if book.worksheets else None
        if sheet is None:
            raise Unreadable(f"{name}: a workbook without a sheet of cells")
        self.size = sheet.max_row or 0
        sheet.reset_dimensions()  # what a file says of its size is often wrong
        self._cells: Iterator[tuple[int, tuple[object, ...]]] = enumerate(
            sheet.iter_rows(values_only=True), 1
        )
        self._line = 0
        self.columns = self._header()

    @property
    def position(self) -> int:
        """Rows read so far."""
        return self._line

    def _header(self) -> list[str]:
        for self._line, values in self._cells:  # noqa: B020 - where it is
            if any(value not in (None, "") for value in values):
                return [_text(value).strip().lower() for value in values]
        raise Unreadable(f"{self.name}: the first sheet is empty")

    def _rows(self) -> Iterator[Row | Rejected]:
        for line, values in self._cells:
            self._line = line
            if all(value in (None, "") for value in values):
                self.blank += 1
                continue
            yield self._row(line, values)

    def _row(self, line: int, values: tuple[object, ...]) -> Row | Rejected:
        fields = dict.fromkeys((name for name in self.columns if name), "")
        for name, value in zip(self.columns, values, strict=False):
            if name:
                fields[name] = _text(value)
        if any(value not in (None, "") for value in values[len(self.columns) :]):
            return Rejected(
                line, f"{len(values)} fields where the header names {len(self.columns)}", dict(fields)
            )
        if wrong := next((name for name, value in fields.items() if value in ERRORS), None):
            return Rejected(line, f"{wrong} holds an error of a formula, not a value", dict(fields))
        return Row(line, dict(fields))


def _text(value: object) -> str:
    """A cell as somebody would have written it in a CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "auto")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if not isinstance(value, timedelta) else str(value.total_seconds())


def _number(value: float) -> str:
    """Whole numbers without a point. One whose last digits Excel has dropped has an exponent: it is no id."""
    if value == int(value) and abs(value) < EXACT:
        return str(int(value))
    return f"{value:.14E}" if abs(value) >= EXACT else repr(value)

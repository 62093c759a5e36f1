"""`python -m fields check`: what it shows of a file, and how it ends where the file is wrong."""

from pathlib import Path

import pytest

from services.fields_check import MISUSE, main
from tests.support.field_data import FIELDS, FILE


def test_it_shows_the_prompt_the_schema_and_the_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fields.yaml"
    file.write_text(FILE.replace("    of: customer\n", "    of: customer\n    for: both\n", 1))

    assert main(["check", str(file)]) == 0
    told = capsys.readouterr().out
    assert f"5 fields of conversations, version {FIELDS.version}" in told
    assert "1 field of summaries" in told
    assert '- urgency, of the customer: how soon the customer needs an answer. One of "high"' in told
    assert '"refund_amount": {"type": ["number", "null"], "minimum": 0, "maximum": 5000}' in told
    assert "more completion tokens" in told
    assert "for want of words: refund_amount, wishes, place." in told


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            FILE.replace("minimum: 0", "minimum: 6000"),
            "field 2 (refund_amount): minimum: must be below maximum",
        ),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, why: str
) -> None:
    file = tmp_path / "fields.yaml"
    if content is not None:
        file.write_text(content)

    assert main(["check", str(file)]) == MISUSE
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"fields: FIELDS_FILE: {why}\n")

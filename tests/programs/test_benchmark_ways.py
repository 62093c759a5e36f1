"""`python -m benchmarks.ways` with a file that has nothing to count."""

from pathlib import Path

import pytest

from benchmarks.ways import main


@pytest.mark.parametrize(
    "content", [None, "", "text\n", "tweet_id,text\n", "a,b\n1,2\n", 'a,b\n"1,2\n', '{"text": "a"}\n']
)
def test_a_file_with_nothing_to_count_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "tweets.csv"
    if content is not None:
        path.write_text(content)

    assert main(["--file", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1

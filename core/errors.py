"""Every error of ours, in one tree; each docstring says what the caller, or the operator, is told.

InsightsError
 ├─ Refusal              a request that cannot be carried out just now, or not as it stands
 │   ├─ Conflicts        409 `conflict`: an id is known with other content
 │   ├─ ChatFull         409 `conflict`: the chat would have too many messages
 │   ├─ Overloaded       503 `overloaded`: too many callers wait for a commit
 │   └─ NotWritable      503 `storage_full` or `database_unavailable`
 ├─ CannotStart          the process ends with one line and exit code 2
 │   ├─ AlreadyInUse     another process serves the same SQLite file
 │   └─ UnknownSchema    a newer version of the program made the database
 ├─ BackupRefused        `python -m database` ends with one line and exit code 1
 ├─ CallFailed           a call to a provider brought nothing usable (`domain/analysis.py`)
 │   ├─ ProviderFault    nobody's fault: the conversations go back to the queue and wait
 │   │   └─ RateLimited  a 429: all calls pause
 │   ├─ Denied           key, credit, permission or model refused: no further calls
 │   ├─ BatchFault       the batch's fault: it is split until one conversation owns it
 │   │   └─ SchemaRefused  the server does not take `json_schema`; `json_object` is tried
 │   ├─ Blocked          the call did not leave: the circuit opened, or a pause began
 │   └─ OverBudget       the daily budget does not cover the call
 │       └─ OverDailyBudget  not even a whole day's budget covers it
 └─ SummaryFailed        an attempt at a summary ended without one (`worker/summaries/calls.py`)
     ├─ LeaseLost        the summary is no longer held: nothing is stored
     ├─ UnusableAnswer   the answer is not a summary
     └─ CallFault        the call itself failed

Only `api/errors.py` turns them into HTTP.
"""

from collections.abc import Mapping


class InsightsError(Exception):
    """The root: whatever this program raises on purpose."""


class Refusal(InsightsError):
    """A request cannot be carried out; `reason` is one line for the client, without any value that was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conflicts(Refusal):
    """Nothing was stored, because ids are known with other content.

    `at` maps the index of each such item to the id that it conflicts with.
    """

    def __init__(self, at: Mapping[int, str], reason: str = "an id is known with other content") -> None:
        super().__init__(reason)
        self.at = at


class ChatFull(Refusal):
    """Nothing was stored, because a chat would have more than `most` messages.

    `at` is the index of the first message that is too many.
    """

    def __init__(self, at: int, most: int) -> None:
        super().__init__(f"A chat may have {most:,} messages, and this one would have more")
        self.at = at


class Overloaded(Refusal):
    """More callers wait for a commit than there is memory for; the client comes again in a second."""

    def __init__(self) -> None:
        super().__init__("too many requests wait for the database")


class NotWritable(Refusal):
    """Nothing can be stored just now. `code` is the API's error code, `retry_after` is in seconds."""

    def __init__(self, code: str, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.code = code
        self.retry_after = retry_after


class CannotStart(InsightsError):
    """The process does not start; the message is one line for the operator."""


class AlreadyInUse(CannotStart):
    """Another process serves this SQLite file."""


class UnknownSchema(CannotStart):
    """A newer version of this program made the database."""


class BackupRefused(InsightsError):
    """A backup or a restore was not carried out; the message is one line for the operator."""


class SummaryFailed(InsightsError):
    """An attempt at a summary ended without one."""

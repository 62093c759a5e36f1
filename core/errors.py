"""The tree of errors: every exception that this program raises on purpose, and what each means to a user.

InsightsError
 ├─ ApiError             an error answer with a code of its own (`api/errors.py`)
 ├─ Refusal              the request cannot be carried out at present, or not as it stands
 │   ├─ Conflicts        409 `conflict`: an id is known with other content
 │   ├─ ChatFull         409 `conflict`: the chat would have too many messages
 │   ├─ NoSuchTopic      404 `not_found`: no topic has this id or name
 │   ├─ TopicConflict    409 `conflict`: a name is another topic's, or topics are being changed
 │   ├─ BadTopicChange   400 `invalid_schema`: a topic cannot be changed like that
 │   ├─ BadCorrection    400 `invalid_schema`: a conversation cannot be corrected like that
 │   ├─ Overloaded       503 `overloaded`: too many callers wait for a commit
 │   └─ NotWritable      503 `storage_full` or `database_unavailable`
 ├─ AccessDenied         whoever calls may not do this
 │   ├─ BadCredential    401 `unauthorized`: none was sent, or it is not valid (any more)
 │   │   ├─ EndedCredential  it was valid once, so it is no guess and is not counted
 │   │   └─ UnknownSigningKey  a token names a key that is not known (`services/access/jwts.py`)
 │   ├─ RoleMissing      403 `forbidden`: the caller has not the role that the call needs
 │   ├─ ForeignPage      403 `forbidden`: a page from elsewhere used a browser's session
 │   ├─ LoginFailed      403 `forbidden`: a log-in at a provider did not succeed
 │   │   ├─ NotAdmitted  403 `forbidden`: it did, and the person is on no list
 │   │   └─ LoginUnavailable  503 `overloaded`: the provider does not answer as it should
 │   └─ TooManyAttempts  429 `rate_limit_exceeded`: too many bad credentials from this client
 ├─ CannotStart          the process ends with one line and exit code 2
 │   ├─ AlreadyInUse     another process serves the same SQLite file
 │   ├─ UnknownSchema    a newer version of the program created the database
 │   └─ WrongKeys        the database is encrypted and its key is not given, or the other way round
 ├─ BackupRefused        `python -m database` ends with one line and exit code 1
 ├─ SealingRefused       the same for `encrypt` and `rotate-key`
 ├─ PartitioningRefused  the same for `partition`
 ├─ CallFailed           a model call gave nothing usable (`domain/analysis.py`)
 │   ├─ ProviderFault    the provider's fault: the conversations return to the queue uncharged
 │   │   ├─ Unsent       there was no connection: the call costs nothing
 │   │   └─ RateLimited  a 429: all calls pause
 │   ├─ Denied           key, credit, permission or model refused: no further calls
 │   ├─ BatchFault       the batch's fault: it is split until one conversation owns the fault
 │   │   ├─ SchemaRefused  the server does not support `json_schema`; `json_object` is tried
 │   │   └─ BatchRefused  the Batch API refused something about one batch (`llm/batches/faults.py`)
 │   ├─ Blocked          the call was not sent: the circuit opened, or a pause began
 │   └─ OverBudget       the rest of the daily budget does not cover the call
 │       └─ OverDailyBudget  not even a whole daily budget covers it
 ├─ ParquetFailed        the process that writes a file ended before it (`api/parquet/files.py`)
 ├─ SummaryFailed        an attempt at a summary ended without one (`worker/summaries/calls.py`)
 │   ├─ LeaseLost        another process holds the summary, or its chat is gone: nothing is stored
 │   ├─ UnusableAnswer   the answer is not a valid summary
 │   └─ CallFault        the call failed
 ├─ BatchLost            another process looks after the batch: nothing is stored (`worker/lane/tools.py`)
 ├─ JobStopped           a long job was paused or cancelled, or another process holds it: nothing is stored
 ├─ JobFailed            a long job cannot be done: it ends as `failed`, with a line for the client
 │   └─ JobCapped        it has spent what it may spend: it ends as `capped`
 ├─ ChatwootRefused      Chatwoot does not take what is written back: that try has failed
 ├─ ForbiddenAddress     a webhook's name leads to an address that is not public: that try has failed
 ├─ DoesNotOpen        a sealed value was moved or changed: 500 `internal_error`, and a line in the log
 └─ ConcurrentCreation another process began the same chat: the transaction is repeated

Only `api/errors.py` maps them to HTTP.
"""

from collections.abc import Mapping


class InsightsError(Exception):
    """The root of the tree."""


class Refusal(InsightsError):
    """A request is refused. `reason` is one line for the client and repeats no value that was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conflicts(Refusal):
    """Nothing was stored, because ids are known with other content.

    `at` maps the index of each such item to its conversation's id, and `messages` to its message's id where the item is
    a message.
    """

    def __init__(self, at: Mapping[int, str], messages: Mapping[int, str] | None = None) -> None:
        super().__init__("an id is known with other content")
        self.at = at
        self.messages = messages or {}


class ChatFull(Refusal):
    """Nothing was stored, because a chat would have more than `most` messages.

    `at` is the index of the first message above the limit.
    """

    def __init__(self, at: int, most: int) -> None:
        super().__init__(f"A chat may have at most {most:,} messages")
        self.at = at


class NoSuchTopic(Refusal):
    """No topic has this id or name."""

    def __init__(self) -> None:
        super().__init__("No topic has this id or name")


class TopicConflict(Refusal):
    """A change of topics does not go with what is there or under way."""


class BadTopicChange(Refusal):
    """A topic cannot be changed like that."""


class BadCorrection(Refusal):
    """A conversation cannot be corrected like that."""


class Overloaded(Refusal):
    """More callers wait for a commit than memory allows; the client retries in a second."""

    def __init__(self) -> None:
        super().__init__("too many requests wait for the database")


class NotWritable(Refusal):
    """Nothing can be stored at present. `code` is the error code of the API, `retry_after` is in seconds."""

    def __init__(self, code: str, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.code = code
        self.retry_after = retry_after


class AccessDenied(InsightsError):
    """A call was refused because of who calls."""


class BadCredential(AccessDenied):
    """No credential was sent, or it is not valid.

    `reason` is for the audit log and never for the client, which could learn from it; None says that there was none.
    """

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "no credential")
        self.reason = reason


class EndedCredential(BadCredential):
    """A credential that was valid once, such as a session that has ended: whoever sends it is not guessing.

    It is not counted against the client. Everybody of an office comes back from lunch to a session that has ended, and
    may share one address.
    """


class RoleMissing(AccessDenied):
    """The caller has not the role `needed`."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"This call needs the role {needed}")
        self.needed = needed


class ForeignPage(AccessDenied):
    """A page from elsewhere sent a change with a browser's session."""


class LoginFailed(AccessDenied):
    """A log-in at a provider did not succeed.

    `reason` is for the audit log and never for the browser; None if it was not this service's log-in at all. `counted`
    says whether it counts against the client as a bad credential does.
    """

    def __init__(self, reason: str | None, *, counted: bool = True) -> None:
        super().__init__(reason or "no log-in was begun")
        self.reason = reason
        self.counted = counted


class NotAdmitted(LoginFailed):
    """A person has proved who they are, and no list of the settings has them."""

    def __init__(self, email: str) -> None:
        # The audit log outlives whatever is erased, so it has no address of a stranger.
        super().__init__(f"not admitted, of {email.rpartition('@')[2]}")
        self.email = email


class LoginUnavailable(LoginFailed):
    """The provider does not answer, or not as it should: whoever logs in is not at fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, counted=False)


class TooManyAttempts(AccessDenied):
    """A client has sent too many bad credentials; seconds until it may try again."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many bad credentials from this client")
        self.retry_after = retry_after


class CannotStart(InsightsError):
    """The process cannot start; the message is one line for the operator."""


class AlreadyInUse(CannotStart):
    """Another process serves this SQLite file."""


class UnknownSchema(CannotStart):
    """A newer version of the program created the database."""


class WrongKeys(CannotStart):
    """The keys of encryption at rest do not fit to what the database holds."""


class ChatwootRefused(InsightsError):
    """Chatwoot answers something else than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Chatwoot answers {status}")
        self.status = status


class ForbiddenAddress(InsightsError):
    """A name leads to an address that no webhook may be sent to."""


class DoesNotOpen(InsightsError):
    """A sealed value does not open: it was moved or changed. `place` names table, column and row."""

    def __init__(self, place: str) -> None:
        super().__init__(f"the value of {place} does not open: it was moved or changed")
        self.place = place


class BackupRefused(InsightsError):
    """A backup or restore was refused; the message is one line for the operator."""


class SealingRefused(InsightsError):
    """Turning values over was refused or did not finish; the message is one line for the operator."""


class PartitioningRefused(InsightsError):
    """Partitioning a database was refused or did not finish; the message is one line for the operator."""


class SummaryFailed(InsightsError):
    """An attempt at a summary ended without one."""


class ConcurrentCreation(InsightsError):
    """Another process has just begun the same chat; the caller repeats its transaction."""


class JobStopped(InsightsError):
    """A long job is not held any more: it was paused or cancelled, or its lease ended."""


class JobFailed(InsightsError):
    """A long job cannot be done. `reason` is one line for the client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JobCapped(JobFailed):
    """A long job has spent what it may spend."""

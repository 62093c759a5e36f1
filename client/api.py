"""Every call of the HTTP API as a method, written once for both clients."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

from . import calls, files, streams
from .files import Download
from .sending import Asynchronous, Blocking
from .streams import Stream
from .wire import Call

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Method(Generic[P, Answer]):
    """A method with one answer; awaited on the asynchronous client."""

    def __init__(self, build: Callable[P, Call[Answer] | Stream[Answer]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Answer]: ...
    @overload
    def __get__(self, client: Asynchronous, owner: type) -> Callable[P, Coroutine[Any, Any, Answer]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Call[Answer] | Stream[Answer]]: ...
    def __get__(self, client: Blocking | Asynchronous | None, owner: type) -> Callable[P, Any]:
        if client is None:
            return self._build

        @wraps(self._build)
        def send(*args: P.args, **kwargs: P.kwargs) -> Any:
            todo = self._build(*args, **kwargs)
            return client.send(todo) if isinstance(todo, Call) else client.first(todo)

        return send


class Listing(Generic[P, Answer]):
    """A method that gives an iterator; an asynchronous one on the asynchronous client."""

    def __init__(self, build: Callable[P, Stream[Answer]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Iterator[Answer]]: ...
    @overload
    def __get__(self, client: Asynchronous, owner: type) -> Callable[P, AsyncIterator[Answer]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Stream[Answer]]: ...
    def __get__(self, client: Blocking | Asynchronous | None, owner: type) -> Callable[P, Any]:
        if client is None:
            return self._build

        @wraps(self._build)
        def each(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.each(self._build(*args, **kwargs))

        return each


class Saving(Generic[P]):
    """A method that writes a file; awaited on the asynchronous client."""

    def __init__(self, build: Callable[P, Download]) -> None:
        self._build = build

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Path]: ...
    @overload
    def __get__(self, client: Asynchronous, owner: type) -> Callable[P, Coroutine[Any, Any, Path]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Download]: ...
    def __get__(self, client: Blocking | Asynchronous | None, owner: type) -> Callable[P, Any]:
        if client is None:
            return self._build

        @wraps(self._build)
        def save(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.save(self._build(*args, **kwargs))

        return save


class Api:
    """The methods. `help(client.METHOD)` says what each takes; all of them raise ClientError."""

    post = Method(calls.post)
    post_bulk = Method(calls.post_bulk)
    conversation = Method(calls.conversation)
    conversations = Listing(streams.conversation_items)
    conversations_page = Method(calls.conversations_page)
    statuses = Method(calls.statuses)
    wait_for_analysis = Listing(streams.wait_for_analysis)
    retry = Method(calls.retry)
    retry_all = Method(calls.retry_all)
    delete = Method(calls.delete)
    quality = Method(calls.quality)
    quality_sample = Method(calls.quality_sample)
    correct = Method(calls.correct)
    withdraw_correction = Method(calls.withdraw_correction)

    insights = Listing(streams.insights_of_window)
    insights_page = Method(calls.insights_page)
    save_insights = Saving(files.insights_file)
    save_people = Saving(files.people_file)
    save_facets = Saving(files.facets_file)
    save_summaries = Saving(files.summaries_file)
    save_topics = Saving(files.topics_file)
    save_compared_topics = Saving(files.compared_topics_file)
    recent_insights = Method(calls.recent_insights)
    trends = Method(calls.trends)
    compare_topics = Method(calls.compare_topics)
    explain = Method(calls.explain)
    people_page = Method(calls.people_page)
    facets = Method(calls.facets)
    own_fields = Method(calls.own_fields)
    summaries_page = Method(calls.summaries_page)
    estimate_summaries = Method(calls.estimate_summaries)
    summarize_many = Method(calls.summarize_many)
    estimate_reanalysis = Method(calls.estimate_reanalysis)
    reanalyse = Method(calls.reanalyse)
    reanalysis = Method(calls.reanalysis)

    post_messages = Method(calls.post_messages)
    chat = Method(calls.chat)
    messages = Listing(streams.messages)
    chats = Listing(streams.chat_items)
    chats_page = Method(calls.chats_page)
    user_chats = Listing(streams.chats_of_user)
    user_chats_page = Method(calls.user_chats_page)
    summarize = Method(calls.summarize)
    summary = Method(calls.summary)
    wait_for_summary = Method(streams.wait_for_summary)
    analyse_chat = Method(calls.analyse_chat)
    chat_insights = Method(calls.chat_insights)

    all_topics_page = Method(calls.all_topics_page)
    change_topic = Method(calls.change_topic)
    merge_topics = Method(calls.merge_topics)
    split_topic = Method(calls.split_topic)
    undo_topic_change = Method(calls.undo_topic_change)
    topic_changes = Method(calls.topic_changes)
    topic_history = Method(calls.topic_history)
    discover_topics = Method(calls.discover_topics)
    proposal = Method(calls.proposal)
    proposals_page = Method(calls.proposals_page)
    accept_proposal = Method(calls.accept_proposal)
    reject_proposal = Method(calls.reject_proposal)

    job = Method(calls.job)
    jobs_page = Method(calls.jobs_page)
    cancel_job = Method(calls.cancel_job)
    pause_job = Method(calls.pause_job)
    resume_job = Method(calls.resume_job)

    create_alert = Method(calls.create_alert)
    alerts = Method(calls.alerts)
    alert = Method(calls.alert)
    change_alert = Method(calls.change_alert)
    delete_alert = Method(calls.delete_alert)

    create_webhook = Method(calls.create_webhook)
    webhooks = Method(calls.webhooks)
    webhook = Method(calls.webhook)
    change_webhook = Method(calls.change_webhook)
    delete_webhook = Method(calls.delete_webhook)
    deliveries_page = Method(calls.deliveries_page)
    resend_event = Method(calls.resend_event)

    alive = Method(calls.alive)
    me = Method(calls.me)
    health = Method(calls.health)
    metrics = Method(calls.metrics)
    spending = Method(calls.spending)
    estimate = Method(calls.estimate)
    batches = Method(calls.batches)
    cancel_batch = Method(calls.cancel_batch)
    pause_analysis = Method(calls.pause_analysis)
    resume_analysis = Method(calls.resume_analysis)


class Client(Blocking, Api):
    """The service at `url`; a context manager that closes its connections.

    `key` is an API key, or a token that one got. `session` is the value of the cookie of somebody who has logged in,
    for a program that speaks for them. `patience` is for how many seconds the service may be away, before
    a call raises Unreachable; `busy_patience` is the same for a busy one (429, or 503 with Retry-After), which raises
    Busy, at once where it asks for a longer pause; None is for as long as it likes. `on_pause` is called with the
    reason and the seconds of each pause that the service asks for. The other arguments are httpx's. What is not safe
    to send twice is sent once.
    """

    @property
    def is_closed(self) -> bool:
        """Whether its connections were closed. It sends nothing more then, and raises RuntimeError."""
        return self._http.is_closed


class AsyncClient(Asynchronous, Api):
    """The same as `Client`, awaited; to be used in one event loop."""

    @property
    def is_closed(self) -> bool:
        """Whether its connections were closed. It sends nothing more then, and raises RuntimeError."""
        return self._http.is_closed

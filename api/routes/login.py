"""`/auth/login` and `/auth/callback`: log-in at a provider, for browsers."""

import re

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers, QueryParams

from api.access import SESSION_COOKIE, asked, cookies, set_cookie
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, to_api_error
from api.pages import SAFE, Link, page, wants_page
from core.clock import SECOND
from core.errors import LoginUnavailable
from schemas import Code
from services.access.login import LASTS, CallBack
from services.access.sessions import LONGEST

router = APIRouter(prefix="/auth", include_in_schema=False)
BROWSER_COOKIE = "__Host-login"
BROWSER = re.compile(r"[0-9a-f]{64}")
SEE_OTHER = 303
UNKNOWN = "Log-in is not configured for this provider"
MOVED = "moved"
"""A parameter that says that the browser was sent to PUBLIC_URL's host before, and must not be sent there again."""
log = structlog.get_logger()


@router.get("/login")
async def choose(resources: ResourcesDep) -> Response:
    """The providers to choose from."""
    links = [
        Link(f"Log in with {each.label}", _at(resources, name))
        for name, each in resources.access.login.providers.items()
    ]
    words = "Choose where you have an account" if links else "Nobody can log in here; API keys work"
    return page("Log in", words, *links)


@router.get("/login/{provider}")
async def begin(resources: ResourcesDep, request: Request, provider: str) -> Response:
    """Send the browser to the provider."""
    if _is_elsewhere(resources, request):
        # The provider sends the browser to PUBLIC_URL, and cookies of another name do not come along.
        return RedirectResponse(f"{_at(resources, provider)}?{MOVED}=1", SEE_OTHER, SAFE)
    try:
        _known(resources, provider)
        given = cookies(request.scope).get(BROWSER_COOKIE, "")
        own = given if BROWSER.fullmatch(given) else None
        begun = await resources.access.login.begin(provider, own, asked(request.scope))
    except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
        return _refused(resources, request, provider, error)
    answer = RedirectResponse(begun.address, SEE_OTHER, SAFE)
    set_cookie(answer, BROWSER_COOKIE, begun.browser, LASTS)
    return answer


@router.get("/callback/{provider}")
async def finish(resources: ResourcesDep, request: Request, provider: str) -> Response:
    """Where the provider sends the browser back to."""
    try:
        _known(resources, provider)
        _refuse_embedded(request.headers)
        session = await resources.access.login.finish(provider, _call_back(request), asked(request.scope))
    except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
        return _refused(resources, request, provider, error)
    answer = RedirectResponse(f"{resources.settings.public_url}/", SEE_OTHER, SAFE)
    set_cookie(answer, SESSION_COOKIE, session, LONGEST // SECOND)
    return answer


def _known(resources: Resources, provider: str) -> None:
    if provider not in resources.access.login.providers:
        raise ApiError(Code.NOT_FOUND, UNKNOWN)


def _is_elsewhere(resources: Resources, request: Request) -> bool:
    public = (resources.settings.public_url or "").split("/")
    return len(public) > 2 and request.headers.get("host") != public[2] and MOVED not in request.query_params


def _refuse_embedded(headers: Headers) -> None:
    """A page elsewhere could show call-backs as its images, and have its visitors' log-ins refused for a while."""
    if headers.get("sec-fetch-dest", "document") != "document":
        raise ApiError(Code.FORBIDDEN, "A log-in ends in a page of its own")


def _call_back(request: Request) -> CallBack:
    query, held = request.query_params, cookies(request.scope)
    return CallBack(
        state=_once(query, "state"),
        browser=held.get(BROWSER_COOKIE),
        code=_once(query, "code"),
        issuer=_once(query, "iss"),
        error=_once(query, "error"),
        session=held.get(SESSION_COOKIE),
    )


def _once(query: QueryParams, name: str) -> str | None:
    given = query.getlist(name)
    if len(given) > 1:
        raise ApiError(Code.INVALID_QUERY, f"{name}: was given more than once")
    return given[0] if given else None


def _at(resources: Resources, provider: str) -> str:
    return f"{resources.settings.public_url}/auth/login/{provider}"


def _refused(resources: Resources, request: Request, provider: str, error: Exception) -> Response:
    answer = to_api_error(error)
    if isinstance(error, LoginUnavailable):
        log.warning("login_unavailable", provider=provider, reason=error.reason)
    elif answer.code is Code.INTERNAL_ERROR:
        log.error("login_failed", provider=provider, exc_info=error)
    if not wants_page(request.headers.get("accept", "")):
        return answer.response()
    known = provider in resources.access.login.providers
    links = [Link("Begin again", _at(resources, provider))] if known else []
    words = str(answer.details or "Something went wrong here. Please begin again in a minute")
    shown = page("Log-in", words, *links, status=answer.status_code)
    if answer.retry_after is not None:
        shown.headers["Retry-After"] = str(answer.retry_after)
    return shown

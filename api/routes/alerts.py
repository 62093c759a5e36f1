"""`/api/v1/alerts`: rules over what is counted anyway, and which of them fire."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy import Row

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import OF_ALL, OF_BODIES, ApiError, documented
from api.guard import CREATED
from api.openapi import json_body
from api.own_fields import fields_of_insights
from api.parameters.common import once_each
from api.parsing import parse_body, read_json
from api.views.alerts import alert_view
from domain import topics
from domain.alerts import (
    BUDGET_LEFT,
    SHARES,
    AlertRule,
    usual_direction,
    usual_minimum,
    usual_resolve_threshold,
)
from domain.fields.filters import FIELD, FieldFilter, why_not_found
from schemas import AlertChange, AlertOut, AlertsOut, Code, NewAlert
from store.insights.topic_names import names_near
from store.webhooks import alerts as store
from store.webhooks.alerts import MOST_ALERTS

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"], dependencies=[Depends(once_each)])
NEW, CHANGE = TypeAdapter(NewAlert), TypeAdapter(AlertChange)


@router.post(
    "",
    status_code=201,
    response_model=AlertOut,
    responses=documented(*OF_BODIES, Code.CONFLICT, *OF_ALL),
    openapi_extra=json_body(NewAlert),
)
async def create(resources: ResourcesDep, request: Request) -> Response:
    """Have an alert fire when a value reaches a threshold, and resolve when it has been back for some time."""
    new = parse_body(NEW, await read_json(request))
    if new.metric == "budget_left" and resources.settings.daily_budget_usd is None:
        raise ApiError(
            Code.INVALID_SCHEMA, "metric: there is no DAILY_BUDGET_USD of which anything could be left"
        )
    await _check_field(resources, new.field)
    topic = None if new.topic is None else await _known_topic(resources, new.topic)
    rule = _rule(new, topic, _most(resources, new.metric))
    by, now = asked(request.scope).actor, resources.clock()
    row = await resources.database.write(partial(store.add, name=new.name, rule=rule, by=by, now=now))
    if row is None:
        raise ApiError(Code.CONFLICT, f"There are {MOST_ALERTS} alerts already")
    setattr(request.state, CREATED, row.id)
    return JSONResponse(alert_view(row), 201)


@router.get("", response_model=AlertsOut, responses=documented(*OF_ALL))
async def page(resources: ResourcesDep) -> Response:
    """All alerts: those that fire first, then the newest first."""
    return JSONResponse({"alerts": [*map(alert_view, await resources.database.read(store.list_alerts))]})


@router.get("/{alert_id}", response_model=AlertOut, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def one(resources: ResourcesDep, alert_id: str) -> Response:
    """An alert, and how it is."""
    return JSONResponse(alert_view(await _found(resources, alert_id)))


@router.patch(
    "/{alert_id}",
    response_model=AlertOut,
    responses=documented(Code.NOT_FOUND, *OF_BODIES, *OF_ALL),
    openapi_extra=json_body(AlertChange),
)
async def change(resources: ResourcesDep, alert_id: str, request: Request) -> Response:
    """Change an alert. One that fires goes on until the changed rule resolves it."""
    new = parse_body(CHANGE, await read_json(request))
    row = await _found(resources, alert_id)
    given = {name: value for name, value in new.model_dump().items() if value is not None}
    if "threshold" in given and "resolve_threshold" not in given:
        given["resolve_threshold"] = usual_resolve_threshold(
            row.metric, given["threshold"], row.direction, _most(resources, row.metric)
        )
    _check(
        row.metric,
        given.get("threshold", row.threshold),
        given.get("resolve_threshold", row.resolve_threshold),
        row.direction,
    )
    changed = await resources.database.write(partial(store.change_alert, id_=alert_id, values=given))
    if changed is None:
        raise ApiError(Code.NOT_FOUND, "No alert has this id")
    return JSONResponse(alert_view(changed))


@router.delete("/{alert_id}", status_code=204, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def delete(resources: ResourcesDep, alert_id: str) -> Response:
    """Delete an alert. One that fires is told as resolved."""
    await _found(resources, alert_id)
    if not await resources.database.write(partial(store.delete_alert, id_=alert_id, now=resources.clock())):
        raise ApiError(Code.NOT_FOUND, "No alert has this id")
    return Response(status_code=204)


async def _found(resources: Resources, id_: str) -> Row[Any]:
    row = None if "\0" in id_ else await resources.database.read(partial(store.get, id_=id_))
    if row is None:
        raise ApiError(Code.NOT_FOUND, "No alert has this id")
    return row


async def _known_topic(resources: Resources, name: str) -> str:
    """A topic's name as it is looked up. Raises ApiError 400 for one that nobody knows."""
    known = topics.slug(name)
    near = await resources.database.read(partial(names_near, name=known)) if known else []
    if near is not None:
        raise ApiError(Code.INVALID_SCHEMA, f"topic: {topics.unknown_topic(near)}")
    return known


def _most(resources: Resources, metric: str) -> float | None:
    """The most that a value can be by the settings; None where they do not say."""
    return resources.settings.daily_budget_usd if metric == BUDGET_LEFT else None


async def _check_field(resources: Resources, field: str | None) -> None:
    """Raises ApiError 400 for a field or a value that there is not."""
    if field is None:
        return
    name, _, value = field.partition("=")
    known = await fields_of_insights(resources)
    reason = why_not_found([FieldFilter(name, value)], known)
    if reason is not None:
        raise ApiError(Code.INVALID_SCHEMA, f"field: {reason.removeprefix(FIELD)}")


def _rule(new: NewAlert, topic: str | None, most: float | None) -> AlertRule:
    direction = new.direction or usual_direction(new.metric)
    back = new.resolve_threshold
    back = usual_resolve_threshold(new.metric, new.threshold, direction, most) if back is None else back
    _check(new.metric, new.threshold, back, direction)
    least = usual_minimum(new.metric) if new.minimum_count is None else new.minimum_count
    return AlertRule(new.metric, direction, new.threshold, back, least, new.window, topic, new.field)


def _check(metric: str, threshold: float, resolve_threshold: float, direction: str) -> None:
    if metric in SHARES and not 0 <= threshold <= 1:
        # Whoever means 5 % and writes 5 would wait for ever.
        raise ApiError(Code.INVALID_SCHEMA, f"threshold: a {metric} is a part of 1, from 0 to 1")
    is_behind = resolve_threshold <= threshold if direction == "above" else resolve_threshold >= threshold
    if not is_behind:
        words = "must not be over threshold" if direction == "above" else "must not be under threshold"
        raise ApiError(Code.INVALID_SCHEMA, f"resolve_threshold: {words}")

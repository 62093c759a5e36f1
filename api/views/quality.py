"""Measured quality as clients see it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from api.views.conversations import maker_view
from domain.analysis import CONFIDENCE_UNIT
from domain.quality import Accuracy, Bin, Checked, Threshold, accuracy_of, reliability, threshold
from store.insights.field_quality import FieldJudgement
from store.insights.quality import Evidence, Judgement

Json = dict[str, Any]
PLACES = 4


def quality_view(found: Evidence, pending: int, target: float) -> Json:
    """The quality of insights, as measured on what was drawn and checked."""
    newest = [each for each in found.said if each.is_newest]
    checked = [each.checked for each in newest]
    return {
        "target": target,
        "checked": len(checked),
        "pending": pending,
        "outside": {"corrections": found.outside, "disagreeing": found.disagreeing},
        "accuracy": accuracy_view(accuracy_of(checked)),
        "threshold": _threshold_view(threshold(checked, target)),
        "bins": [_bin_view(each) for each in reliability(checked)],
        "makers": _makers_view(found.said),
        "topics": _topics_view(newest),
        "fields": _fields_view(found.fields),
    }


def accuracy_view(accuracy: Accuracy) -> Json:
    """An estimated share with its interval."""
    share = None if accuracy.share is None else round(accuracy.share, PLACES)
    ends = {"low": round(accuracy.low, PLACES), "high": round(accuracy.high, PLACES)}
    return {"checked": accuracy.n, "accuracy": share, **ends}


def _threshold_view(found: Threshold | None) -> Json | None:
    if found is None:
        return None
    part = {"confidence": found.confidence / CONFIDENCE_UNIT, "share": round(found.part, PLACES)}
    return {**part, **accuracy_view(found.accuracy)}


def _bin_view(each: Bin) -> Json:
    mean = None if each.mean_confidence is None else round(each.mean_confidence, PLACES)
    return {
        "from": each.first / CONFIDENCE_UNIT,
        "to": min(each.end, CONFIDENCE_UNIT) / CONFIDENCE_UNIT,
        "share": None if each.part is None else round(each.part, PLACES),
        "mean_confidence": mean,
        **accuracy_view(each.accuracy),
    }


def _makers_view(said: Iterable[Judgement]) -> list[Json]:
    by_maker: defaultdict[Any, list[Checked]] = defaultdict(list)
    for each in said:
        by_maker[each.maker].append(each.checked)
    return [
        {**maker_view(maker), **accuracy_view(accuracy_of(checked))}
        for maker, checked in sorted(by_maker.items())
    ]


def _topics_view(said: Sequence[Judgement]) -> list[Json]:
    by_topic: defaultdict[str, list[Judgement]] = defaultdict(list)
    for each in said:
        for slug in each.clusters:
            by_topic[slug].append(each)
    most = sorted(by_topic.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [_topic_view(slug, found) for slug, found in most]


def _topic_view(slug: str, said: Sequence[Judgement]) -> Json:
    named = [
        each.checked._replace(agrees=slug in each.right_clusters)
        for each in said
        if each.right_clusters is not None
    ]
    return {
        "slug": slug,
        **accuracy_view(accuracy_of(each.checked for each in said)),
        "precision": accuracy_view(accuracy_of(named)),
    }


def _fields_view(said: Iterable[FieldJudgement]) -> list[Json]:
    by_field: defaultdict[tuple[str, str], list[Checked]] = defaultdict(list)
    for name, kind, checked in said:
        by_field[name, kind].append(checked)
    return [
        {"name": name, "type": kind, **accuracy_view(accuracy_of(found))}
        for (name, kind), found in sorted(by_field.items())
    ]

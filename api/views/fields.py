"""The operator's fields as clients see them."""

import json
from typing import Any

from core.clock import iso
from domain.fields.fieldsets import FieldSet
from store.insights.field_versions import CountedVersion, CountedVersions

Json = dict[str, Any]


def all_fields_view(fields: FieldSet, found: CountedVersions) -> Json:
    """What is asked for now, and how many insights have which version."""
    current, summaries = fields.of("conversations").version, fields.of("summaries").version
    have = sum(each.insights for each in found.versions if each.version == current)
    offline = {rule["name"] for rule in fields.rules}
    return {
        "fields": [
            {**each.definition, "for": each.asker, "answered_offline": each.name in offline}
            for each in fields.fields
        ],
        "version": current or None,
        "summary_version": summaries or None,
        "insights": found.insights,
        "insights_without": found.insights - have if current else 0,
        "versions": [_version_view(each, each.version in {current, summaries}) for each in found.versions],
    }


def _version_view(found: CountedVersion, current: bool) -> Json:
    return {
        "version": found.version,
        "current": current,
        "first_seen": iso(found.first_seen),
        "insights": found.insights,
        "fields": json.loads(found.definition),
    }

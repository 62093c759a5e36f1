"""Which texts stay readable in an encrypted database: a new column is sealed, or it stands here with its reason."""

from sqlalchemy import LargeBinary, String

import models

READABLE = {
    "ids that senders choose, by which rows are found": {
        *("conversations.id", "conversations.external_id", "conversations.idempotency_key"),
        *("messages.message_id", "insight_metadata.key", "metadata_keys.key"),
    },
    "states, kinds and leases": {
        *("conversations.status", "conversations.lease", "asking.lease", "messages.role", "switches.name"),
        *(
            "summaries.status",
            "summaries.lease",
            "summaries.outcome",
            "case_counts.outcome",
            "topic_case_counts.outcome",
            "corrections.outcome",
            "corrections.model_outcome",
        ),
        *("conversations.redactions", "insight_versions.origin"),
        *("processes.id", "processes.role", "processes.host", "processes.version", "processes.state"),
        *("duties.name", "duties.holder"),
        *("conversations.freshness", "reanalyses.freshness", "reanalysis_items.freshness"),
        *(
            "provider_batches.id",
            "provider_batches.status",
            "provider_batches.lease",
            "provider_batches.stage",
        ),
        *("provider_batches.holder", "provider_batches.provider_id", "provider_batches.seen"),
        *("provider_batches.error", "batch_requests.state"),
        *("reanalyses.wanted", "reanalysis_items.status", "reanalysis_items.lease"),
        *("webhooks.id", "webhooks.status", "webhooks.lease", "webhooks.events", "webhooks.disabled_reason"),
        *("webhook_deliveries.id", "webhook_deliveries.type", "webhook_deliveries.subject"),
        *("webhook_deliveries.state", "webhook_deliveries.outcome", "webhook_deliveries.error"),
        *("jobs.id", "jobs.kind", "jobs.status", "jobs.lease", "provider_states.circuit"),
        *(
            "topics.state",
            "topics.origin",
            "topic_unions.state",
            "topic_changes.kind",
            "topic_proposals.state",
        ),
    },
    "who analysed": {
        *("insights.analyzer", "insights.model", "summaries.analyzer", "summaries.model"),
        *(
            f"{table}.{name}"
            for table in ("corrections", "insight_versions", "maker_days", "maker_quarters")
            for name in ("analyzer", "model", "prompt_version")
        ),
        *("insights.prompt_version", "provider_batches.model", "provider_batches.prompt_version"),
        *("summary_parts.analyzer", "summary_parts.model", "summary_parts.version"),
        "topic_proposals.named_by",
        *("departures.provider", "provider_states.provider"),
        *("grok_calls.provider", "grok_calls.model", "grok_calls.outcome", "grok_calls.request_id"),
    },
    "fields of one's own and their values, of a list that an operator gives": {
        *("field_versions.version", "field_versions.definition", "field_version_counts.version"),
        *("field_values.field", "field_values.value", "insights.fields_version"),
        *("insights.filed_fields", "insight_versions.fields_version", "corrections.model_fields_version"),
    },
    "a code of two letters": {"insights.language", "insight_versions.language", "topic_proposals.language"},
    "topics, of a list that an operator gives": {
        *("topics.slug", "topics.label", "topics.label_slug", "topics.description", "topic_names.name"),
        "reanalysis_items.change",
        "insight_versions.clusters",
        *("corrections.clusters", "corrections.model_clusters"),
        *("insights.clusters", "topic_moves.before", "topic_moves.after"),
        *("topic_changes.before", "topic_changes.after"),
    },
    "groups of conversations, known by their numbers": {
        *("topic_proposals.id", "topic_proposals.members", "topic_proposals.examples"),
        *("topic_proposals.came_from", "topic_proposals.went_to", "topic_proposals.scope"),
        "discovery_runs.scope",
    },
    "callers, not the people who wrote": {
        *("insight_versions.made_by", "corrections.made_by"),
        *("conversations.owner", "erasures.actor", "erasures.client", "erasures.request_id"),
        *("jobs.created_by", "topic_changes.actor", "topic_changes.undone_by"),
        *("topic_proposals.decided_by", "webhooks.created_by"),
        *(
            "alerts.id",
            "alerts.name",
            "alerts.metric",
            "alerts.topic",
            "alerts.field",
            "alerts.direction",
            "alerts.state",
        ),
        *("alerts.created_by", "provider_batches.cancelled_by"),
    },
    "keys, sealed by themselves": {"encryption_keys.id", "encryption_keys.index_key"},
}
ACCESS = {
    *("access_marks", "accounts", "api_keys", "audit_entries", "pending_logins", "seen_settings"),
    *("sessions", "tickets"),
}
"""Tables about callers and operators, not about conversations."""


def test_every_text_about_a_conversation_is_sealed_or_named_here() -> None:
    texts = {
        str(column)
        for table in models.metadata.sorted_tables
        if table.name not in ACCESS
        for column in table.c
        if isinstance(column.type, String | LargeBinary)
        and not {"encrypted", "digest", "hashed"} & column.info.keys()
    }

    assert texts == set().union(*READABLE.values())


def test_every_table_with_a_sealed_column_says_what_a_value_belongs_to() -> None:
    tables = [table for table in models.metadata.sorted_tables if any("encrypted" in c.info for c in table.c)]

    assert [table.name for table in tables if not {*table.info["place"]} <= {*table.c.keys()}] == []

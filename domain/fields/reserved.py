"""Names that fields cannot have, because insights and summaries have something of that name already."""

OF_INSIGHTS = """\
analysed_at analyzer author cached call clusters confidence conversation_id corrected correction external_id fields
fields_version grok_analysis history id language made_at made_by messages metadata model model_clusters model_sentiment
model_sentiment_score origin participants partial prompt_version raw raw_data reasoning redactions replaced_at revision
score sentiment sentiment_score text text_truncated timestamp"""
OF_SUMMARIES = "action_items decisions has_open_questions keywords outcome questions status summary"
OF_QUERIES = """\
bom cluster cursor days end_time field format hour include interval keyword limit min_confidence order q sort start_time
topic tz user_id value window"""
RESERVED = frozenset(f"{OF_INSIGHTS} {OF_SUMMARIES} {OF_QUERIES}".split())

"""What the OpenAPI document says of the operator's fields."""

from collections.abc import Mapping

DEFINITIONS = ("FieldDefinition", "AskedField")
OF_FIELDS: Mapping[str, str] = {
    "fields": "Answers to the operator's fields, by their names; null if there were none.",
    "fields_version": "The version of these fields; null if there were none.",
    "FieldsVersion.version": "The version, a digest.",
    "current": "Whether it is asked for now.",
    "FieldsVersion.first_seen": "When a process first asked for it.",
    "FieldsVersion.insights": "How many insights have it.",
    "FieldsVersion.fields": "What the fields were.",
    "Fields.fields": "The fields that are asked for, in their order.",
    "Fields.version": "That of analyses; null if none is asked for.",
    "summary_version": "That of summaries; null if none is asked for.",
    "Fields.insights": "How many insights there are.",
    "insights_without": "How many of them lack the current version.",
    "Fields.versions": "All versions there were, newest first.",
    "of": "Whose it is.",
    "required": "Whether it has to have a value; if not, null says that the conversation has none.",
    "meaning": "What it means.",
    "values": "Of an enum or a list: the values with their meanings.",
    "minimum": "Of a number: the lowest possible one.",
    "maximum": "Of a number: the highest possible one.",
    "unit": "Of a number; null if it has none.",
    "max_length": "Of a text: how many characters it may have.",
    "max_items": "Of a list: how many items it may have.",
    "for": "What answers it.",
    "answered_offline": "Whether it has words by which the offline analyzer answers.",
    "QualityField.type": "The type of its values.",
    **{f"{name}.name": "Its name, by which answers stand in `fields`." for name in DEFINITIONS},
    **{f"{name}.type": "The type of its values." for name in DEFINITIONS},
}

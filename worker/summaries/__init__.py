"""Chats become summaries: `processor` claims one, `dispatch` has it read in parts and merged, `calls` makes a call."""

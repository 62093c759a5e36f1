"""The texts of a run in columns: a million of them take 60 MB, as objects they would take 500."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from llm.discovery.found import GroupTopic, Utterance
from llm.discovery.vectors import Flags, Labels, Numbers


class Columns(NamedTuple):
    """One entry a text in the first three; one for each topic of a text, with the text's place, in the last two."""

    numbers: Numbers
    people: Numbers
    recent: Flags
    owners: Numbers
    topics: Numbers

    @classmethod
    def of(cls, said: Sequence[Utterance], first: int) -> Self:
        """The columns of texts that come after `first` others."""
        held = [(first + place, topic) for place, each in enumerate(said) for topic in each.topics]
        return cls(
            np.array([each.number for each in said], dtype=np.int64),
            np.array([each.person for each in said], dtype=np.int64),
            np.array([each.recent for each in said], dtype=np.bool_),
            np.array([owner for owner, _ in held], dtype=np.int64),
            np.array([topic for _, topic in held], dtype=np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The columns of all parts, one after the other."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


EXPLAINED = 0.5
"""F1 of a group and a topic from which on the topic says what the group does."""
LUMPED = 0.5
"""The share of a group that has a topic from which on the group counts as a part of it."""


def topics_of(columns: Columns, labels: Labels, groups: int) -> list[GroupTopic]:
    """For each group its topic, from the topics that its conversations have."""
    sizes = np.bincount(labels, minlength=groups)
    names, filed = np.unique(columns.topics, return_inverse=True)
    held = np.zeros((groups, len(names)))
    np.add.at(held, (labels[columns.owners], filed), 1)
    return [_topic(held[group], sizes[group], held.sum(axis=0), names) for group in range(groups)]


def _topic(held: Numbers, size: int, totals: Numbers, names: Numbers) -> GroupTopic:
    if not len(names):
        return GroupTopic(None, explains=False)
    f1 = 2 * held / (size + totals)
    if f1.max() >= EXPLAINED:
        return GroupTopic(int(names[f1.argmax()]), explains=True)
    largest = int(held.argmax())
    return GroupTopic(int(names[largest]) if held[largest] >= LUMPED * size else None, explains=False)

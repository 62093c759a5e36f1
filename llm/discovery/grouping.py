"""A whole run: the drawn texts are grouped, every other text joins the nearest group, and groups are told of."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from llm.discovery.columns import Columns, topics_of
from llm.discovery.found import Group, Lost, Utterance
from llm.discovery.graph import communities, graph_of
from llm.discovery.growth import carved, growth_of, people_of
from llm.discovery.identity import Former, matching_of, told
from llm.discovery.names import distinguishing
from llm.discovery.vectors import Encoder, Labels, Matrix, Numbers, centroids, nearest

RESOLUTIONS = (6.0, 12.0, 24.0)
"""The first makes the groups that are kept from run to run; the others show what grows inside of one of them."""
FULL = 3_000
"""Texts from which on these resolutions hold. With fewer they would split what belongs together: of 8 intents with 30
questions each they make 25 groups, scaled down 9; of 77 intents with 40 each 74."""
FEWEST = 20
"""Texts of a language from which on it is grouped."""
EXAMPLES = 10


class Grouping:
    """One run. `fit` the drawn texts, `place` the others in blocks, then ask for `groups`. Deterministic by `seed`."""

    def __init__(self, encoder: Encoder, former: Sequence[Former], *, seed: int, min_people: int) -> None:
        self._encoder = encoder
        self._former = former
        self._seed = seed
        self._min_people = min_people
        self._languages: list[_Language] = []
        self._main = ""

    def fit(self, drawn: Iterable[Utterance]) -> None:
        """Find the groups of each language. To be called once.

        A text whose language is not known counts as one of the language that most have: it is short, and would be apart
        from others of its kind otherwise.
        """
        texts = [*drawn]
        known = Counter(each.language for each in texts if each.language)
        self._main = max(sorted(known), key=known.__getitem__, default="")
        for language, said in sorted(self._by_language(texts).items()):
            if len(said) >= FEWEST:
                former = [each for each in self._former if each.language == language]
                self._languages.append(_Language(language, said, former, self._encoder, self._seed))

    def place(self, block: Iterable[Utterance]) -> None:
        """Put each text into the nearest group of its language, at every resolution."""
        texts = self._by_language(block)
        for each in self._languages:
            if said := texts.get(each.language):
                each.place(said, self._encoder)

    def groups(self) -> tuple[list[Group], list[Lost]]:
        """All groups, also those of few people and those that a topic explains; and former ones that are gone."""
        groups: list[Group] = []
        lost: list[Lost] = []
        for each in self._languages:
            found, gone = each.told(self._min_people, first=len(groups))
            groups += found
            lost += gone
        return groups, lost

    def _by_language(self, texts: Iterable[Utterance]) -> dict[str, list[Utterance]]:
        found: dict[str, list[Utterance]] = defaultdict(list)
        for each in texts:
            found[each.language or self._main].append(each)
        return found


def _resolutions(texts: int) -> list[float]:
    return [resolution * min(1, texts / FULL) ** 0.5 for resolution in RESOLUTIONS]


class _Language:
    """The texts of one language, and the group of each at every resolution."""

    def __init__(
        self, language: str, drawn: Sequence[Utterance], former: Sequence[Former], encoder: Encoder, seed: int
    ) -> None:
        self.language = language
        self._former = former
        self._texts = [each.text for each in drawn]
        self._vectors = encoder.encoded(self._texts)
        graph = graph_of(self._vectors)
        begins = [self._start(drawn), *(None for _ in RESOLUTIONS[1:])]
        levels = zip(_resolutions(len(drawn)), begins, strict=True)
        labels = [communities(graph, resolution, seed, begin) for resolution, begin in levels]
        self._middles = [centroids(self._vectors, each, int(each.max()) + 1) for each in labels]
        self._columns = [Columns.of(drawn, first=0)]
        self._labels = [np.stack(labels)]
        self._size = len(drawn)

    def _start(self, drawn: Sequence[Utterance]) -> list[int] | None:
        """Where each text was in the last run; a new one starts in the group of then that is nearest."""
        if not self._former:
            return None
        start = nearest(self._vectors, np.stack([each.centroid for each in self._former]))
        numbers = np.array([each.number for each in drawn])
        for place, each in enumerate(self._former):
            start[np.isin(numbers, each.members)] = place
        return [int(place) for place in start]

    def place(self, said: Sequence[Utterance], encoder: Encoder) -> None:
        vectors = encoder.encoded([each.text for each in said])
        self._columns.append(Columns.of(said, first=self._size))
        self._labels.append(np.stack([nearest(vectors, middles) for middles in self._middles]))
        self._size += len(said)

    def told(self, min_people: int, first: int) -> tuple[list[Group], list[Lost]]:
        """The groups, and what became of former ones; the first group has the place `first` among all."""
        said = Columns.joined(self._columns)
        labels, grew = carved(
            list(np.concatenate(self._labels, axis=1)), said.people, said.recent, min_people
        )
        drawn = labels[: len(self._texts)]
        middles = centroids(self._vectors, drawn, len(grew))
        identity = matching_of(self._former, said.numbers, labels, middles, self._vectors.mean(axis=0))
        growth = growth_of(labels, said.people, said.recent)
        people = people_of(labels, said.people, len(grew))
        words = self._words(drawn, said.people, min_people)
        topics = topics_of(said, labels, len(grew))
        ids = [each.id for each in self._former]
        groups = [
            Group(
                language=self.language,
                members=np.sort(said.numbers[labels == group]),
                centroid=middles[group],
                people=int(people[group]),
                now=int(growth.now[group]),
                before=int(growth.before[group]),
                p=float(growth.p[group]),
                grew=bool(grew[group]),
                words=words.get(group, []),
                examples=self._examples(said.numbers, drawn, middles[group], group),
                former=ids[identity.former[group]] if identity.former[group] >= 0 else None,
                came_from=told(identity.origins[:, group], ids),
                topic=topics[group],
            )
            for group in range(len(grew))
        ]
        places = [first + group for group in range(len(grew))]
        lost = [
            Lost(ids[place], told(identity.parts[place], places))
            for place in range(len(ids))
            if place not in identity.former
        ]
        return groups, lost

    def _words(self, drawn: Labels, people: Numbers, min_people: int) -> dict[int, list[str]]:
        texts: dict[int, list[str]] = defaultdict(list)
        writers: dict[int, list[int]] = defaultdict(list)
        for text, group, person in zip(self._texts, drawn.tolist(), people.tolist(), strict=False):
            texts[group].append(text)
            writers[group].append(person)
        return distinguishing(texts, writers, min_people)

    def _examples(self, numbers: Numbers, drawn: Labels, middle: Matrix, group: int) -> list[int]:
        """The numbers of the conversations nearest to the group's centroid, nearest first, no two with one text."""
        members = np.flatnonzero(drawn == group)
        order = members[np.argsort(-(self._vectors[members] @ middle), kind="stable")]
        first: dict[str, int] = {}
        for place in order.tolist():
            first.setdefault(self._texts[place], int(numbers[place]))
        return [*first.values()][:EXAMPLES]

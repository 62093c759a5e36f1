"""Why a window's mean sentiment differs from that of the time before: the part of each topic, with conversations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection

from domain.explanation import Contribution, Weighed, mean_of, part_of, rounded_to_sum
from domain.fields.filters import FieldFilter
from models import ALL_TOPICS
from store.insights import windows
from store.insights.entries import InsightEntry
from store.insights.filtered_weights import filtered_weights
from store.insights.listed_topics import ListedTopic, listed_topics
from store.insights.listing import insights_of
from store.insights.narrowing import SCORES, Narrowing
from store.insights.rollups import SCORED
from store.insights.stored_selection import as_stored
from store.insights.topic_days import TopicDays
from store.insights.topic_sums import WindowSums
from store.insights.windows import Position, Selection, Sort

TOP, EXAMPLES = 5, 5
"""Topics that are shown with their part, and conversations of each kind of each."""
UNIT = 100
"""Parts of a unit of scores in which results are whole numbers: a millionth."""
LATEST = 2**62
NOTHING = Weighed(0, 0)
Weights = Mapping[int, Weighed]
"""What is known of each topic, and of ALL_TOPICS."""


class ExplainedTopic(NamedTuple):
    """A topic's part of the change, in millionths, with conversations of the window."""

    topic: ListedTopic
    mix: int
    mood: int
    typical: Sequence[InsightEntry]
    """Those whose scores are nearest to the topic's mean."""
    extreme: Sequence[InsightEntry]
    """Those farthest on the side to which the topic moved the mean."""


class Explanation(NamedTuple):
    """The change, in millionths of the range from 0 to 1; None where a window is empty. The parts add up to it."""

    total: int
    """Insights of the window."""
    before_total: int
    mean: int | None
    before_mean: int | None
    topics: Sequence[ExplainedTopic] = ()
    rest_mix: int = 0
    rest_mood: int = 0

    @property
    def change(self) -> int | None:
        """The difference of the means."""
        return None if self.mean is None or self.before_mean is None else self.mean - self.before_mean


class _Moved(NamedTuple):
    """A topic with its part, before anything is rounded."""

    topic: ListedTopic
    part: Contribution
    mean: int
    """Its mean in the window, in units of scores."""


def explain(
    connection: Connection,
    days: TopicDays,
    window: tuple[int, int],
    before: tuple[int, int],
    *,
    fields: tuple[FieldFilter, ...] = (),
) -> Explanation:
    """Split the change of mean sentiment from the window `before` to `window`, both `[start, end)`, of the insights
    that match all `fields`."""
    chosen = as_stored(connection, Selection(*window, fields=fields))
    if fields:
        earlier = replace(chosen, start=before[0], end=before[1])
        (now, total), (then, before_total) = (
            filtered_weights(connection, each) for each in (chosen, earlier)
        )
        both: tuple[Weights, Weights] = now, then
    else:
        sums, other_sums = days.sums(connection, window, before)
        both = _by_topic(sums), _by_topic(other_sums)
        total, before_total = (each.of(ALL_TOPICS, ("n",))[0] for each in (sums, other_sums))
    return _explained(connection, chosen, both, (total, before_total))


def _explained(
    connection: Connection, chosen: Selection, both: tuple[Weights, Weights], totals: tuple[int, int]
) -> Explanation:
    mean, before_mean = (
        mean_of(all_of_it, UNIT) if all_of_it.weight else None
        for all_of_it in (each.get(ALL_TOPICS, NOTHING) for each in both)
    )
    found = Explanation(*totals, mean, before_mean)
    if found.change is None:
        return found
    listed = listed_topics(connection)
    moved = [*_moved(listed, *both), *_moved(_unlisted(listed, *both), *both)]
    shown = {each.slug for each in listed}
    by_size = sorted(moved, key=lambda each: (each.topic.slug not in shown, -each.part.size, each.topic.slug))
    top = [each for each in by_size[:TOP] if each.topic.slug in shown]
    *parts, rest_mix, rest_mood = _rounded(top, by_size[len(top) :], found.change)
    examples = _Examples(connection, chosen).of_all(top)
    topics = [
        ExplainedTopic(each.topic, parts[2 * place], parts[2 * place + 1], *examples[place])
        for place, each in enumerate(top)
    ]
    return found._replace(topics=topics, rest_mix=rest_mix, rest_mood=rest_mood)


def _by_topic(sums: WindowSums) -> Weights:
    weight, weighted = sums.by_topic("weight"), sums.by_topic("weighted")
    return dict(zip(weight, map(Weighed, weight.values(), weighted.values()), strict=True))


def _moved(listed: Iterable[ListedTopic], now: Weights, before: Weights) -> Iterator[_Moved]:
    all_now, all_before = now[ALL_TOPICS], before[ALL_TOPICS]
    for topic in listed:
        here, there = _of_parts(topic.parts, now), _of_parts(topic.parts, before)
        if here.weight or there.weight:
            mean = round(here.weighted / here.weight) if here.weight else 0
            yield _Moved(topic, part_of(here, there, all_now, all_before), mean)


def _of_parts(parts: Sequence[int], weights: Weights) -> Weighed:
    """A topic that others were merged into has the weights of all of them."""
    if len(parts) == 1:
        return weights.get(parts[0], NOTHING)
    found = [weights.get(part, NOTHING) for part in parts]
    return Weighed(sum(each.weight for each in found), sum(each.weighted for each in found))


def _unlisted(listed: Sequence[ListedTopic], *windows: Weights) -> Iterator[ListedTopic]:
    """Topics that have insights, but that people do not see."""
    known = {part for topic in listed for part in topic.parts} | {ALL_TOPICS}
    for number in {number for weights in windows for number in weights} - known:
        yield ListedTopic("", "", number, (number,))


def _rounded(top: Sequence[_Moved], rest: Sequence[_Moved], change: int) -> list[int]:
    """Mix and mood of each, then those of the rest, as whole numbers that add up to the change."""
    values = [amount for each in top for amount in (each.part.mix, each.part.mood)]
    values += [sum(each.part.mix for each in rest), sum(each.part.mood for each in rest)]
    return rounded_to_sum([value * UNIT for value in values], change)


# --- conversations ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Examples:
    """Finds conversations of a window."""

    connection: Connection
    window: Selection

    def of_all(self, top: Sequence[_Moved]) -> list[tuple[list[InsightEntry], list[InsightEntry]]]:
        """Typical and extreme ones of each topic."""
        chosen = [(self._typical(each), self._extreme(each)) for each in top]
        numbers = {number for both in chosen for some in both for number in some}
        shown = dict(zip(numbers, insights_of(self.connection, [*numbers]), strict=True))
        return [
            ([shown[number] for number in one], [shown[number] for number in other]) for one, other in chosen
        ]

    def _typical(self, moved: _Moved) -> list[int]:
        """Walks away from the mean in both directions."""
        above = self._walk(moved, Sort.LOWEST_SCORE, (moved.mean - 1, LATEST, 0))
        below = self._walk(moved, Sort.HIGHEST_SCORE, (moved.mean, 0, 0))
        nearest = sorted([*above, *below], key=lambda each: (abs(each[0] - moved.mean), -each[1], -each[2]))
        return [each[-1] for each in nearest[:EXAMPLES]]

    def _extreme(self, moved: _Moved) -> list[int]:
        up = moved.part.mix + moved.part.mood > 0
        return [each[-1] for each in self._walk(moved, Sort.HIGHEST_SCORE if up else Sort.LOWEST_SCORE, None)]

    def _walk(self, moved: _Moved, sort: Sort, after: Position | None) -> list[Position]:
        """Up to EXAMPLES of the topic's positions, each with its score, after one; unsure ones have no score."""
        found: list[Position] = []
        for sentiment in reversed(SCORED) if sort.descending else SCORED:
            chosen = replace(self.window, sort=sort, sentiment=sentiment)
            if len(found) < EXAMPLES and not _is_passed(SCORES[sentiment], sort, after):
                found += self._walk_one(moved.topic.counted_as, chosen, after)
        return found[:EXAMPLES]

    def _walk_one(self, topic: int, chosen: Selection, after: Position | None) -> list[Position]:
        total = windows.count_insights(self.connection, topic, chosen)
        if not total:
            return []
        narrowing = Narrowing(self.connection, chosen, topic)
        return narrowing.find_positions(limit=EXAMPLES, after=after, total=total)


def _is_passed(scores: tuple[int, int], sort: Sort, after: Position | None) -> bool:
    """Whether all scores between these lie before a position; looking for them would read the whole window."""
    if after is None:
        return False
    lowest, highest = scores
    return lowest > after[0] if sort.descending else highest < after[0]

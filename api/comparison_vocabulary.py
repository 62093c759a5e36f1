"""What the fields of compared topics and of explanations mean; see api/vocabulary.py."""

from collections.abc import Mapping

COMPARED: Mapping[str, str] = {
    "Explanation.change": "The mean of the window minus that of the baseline; null if one of them has no insights.",
    "Explanation.mean": "The mean score of the window, from -1 to 1; null without insights.",
    "baseline_mean": "The mean score of the baseline; null without insights.",
    "baseline_insights": "How many insights the baseline has.",
    "baseline": "The window that is compared: it ends where the other begins.",
    "Explanation.window": "The window that is explained.",
    "Explanation.topics": "The five topics that moved the mean most, the most first.",
    "rest": "The part of all other topics together.",
    "mix": "What came of the topic being a bigger or smaller part of all. An insight with k topics counts 1/k in each.",
    "mood": "What came of its mean score being another.",
    "typical": "Up to five insights of the window whose scores are nearest to the topic's mean.",
    "extreme": "Up to five whose scores are farthest to the side to which the topic moved the mean.",
    "ComparedTopic.change": "How many more insights the topic has than in the compared window.",
    "TopicFigures.count": "How many insights of the window have the topic.",
    "ComparedTopic.count": "How many insights of the window have the topic.",
    "share": "Which share of the window's insights has the topic; null if the window has none.",
    "negative_share": "Which share of these insights is negative; null if there are none.",
    "surprise": "How unlikely the change is, given how much the topic varies anyway: -log10 of the probability, with"
    " the sign of the change. 1.3 stands for 5 %. Null if there is nothing to compare.",
    "ComparedTopic.first_seen": "When the first insight with the topic was said, of all time and whatever the filters.",
    "ComparedTopic.last_seen": "When the last insight with the topic was said, of all time and whatever the filters.",
    "sparkline": "The topic's insights in 24 equal parts of the window.",
    "ComparedTopics.topics": "The topics of this page, those with insights in one of the windows.",
    "ComparedTopics.window": "The window, and what all its insights add up to.",
    "ComparedTopic.previous": "The same of the compared window.",
    "ComparedTopics.previous": "The compared window, and what all its insights add up to.",
    "history_days": "Days with insights, of the 28 before both windows, that tell how much a topic varies anyway.",
}

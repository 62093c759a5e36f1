"""What the Grafana board shows of batches at the provider."""

from deploy.grafana.panels import FROM, Panel, Row

BATCHES = Row(
    "Batches at xAI",
    [
        Panel(
            "In the lane",
            "Conversations that wait for a batch, and requests of open batches that are not answered.",
            "short",
            {
                "conversations waiting": f"max(batch_lane_waiting{FROM})",
                "requests pending": f"max(batch_lane_requests_pending{FROM})",
                "requests late": f"max(batch_lane_requests_late{FROM})",
            },
        ),
        Panel(
            "Requests of batches",
            "Requests that have ended in the last hour, by outcome. What failed or was not answered went live.",
            "short",
            {"{{outcome}}": f"sum by (outcome) (increase(batch_lane_requests_total{FROM}[1h]))"},
        ),
        Panel(
            "Open batches",
            "Batches that are not over. Whether new ones are begun: 1 yes. Whether xAI has refused them: 1 yes.",
            "short",
            {
                "batches": f"max(batch_lane_batches{FROM})",
                "begun": f"max(batch_lane_open{FROM})",
                "refused": f"max(batch_lane_refused{FROM})",
            },
        ),
        Panel(
            "Longest standstill",
            "For how long no count of a batch has changed. Above an hour BatchesStandStill fires.",
            "s",
            {"{{instance}}": f"batch_lane_unchanged_seconds{FROM}"},
            limit=3_600,
        ),
        Panel(
            "Time used until the deadline",
            "Of the batch that has used most of it. Above three quarters BatchesNearDeadline fires.",
            "percentunit",
            {"{{instance}}": f"batch_lane_time_used_ratio{FROM}"},
            limit=0.75,
        ),
    ],
)

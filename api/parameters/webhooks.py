"""The query parameters of `/api/v1/webhooks/{id}/deliveries`."""

from api.parameters.common import Limit, NumberCursor, Parameters
from schemas import DeliveryState


class DeliveriesParameters(Parameters):
    """Which deliveries."""

    state: DeliveryState | None = None
    limit: Limit = 100
    cursor: NumberCursor | None = None

    @property
    def before(self) -> int | None:
        """The number that the deliveries are below."""
        return None if self.cursor is None else int(self.cursor)

"""What model calls cost: names to prices (`catalog`), tokens to dollars (`cost`), and the table between them (`book`)."""

from spanruns_receiver.pricing.book import PriceBook
from spanruns_receiver.pricing.cost import NO_PRICES, PRICE, costs

__all__ = ["NO_PRICES", "PRICE", "PriceBook", "costs"]

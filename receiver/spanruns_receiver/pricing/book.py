"""The table `model_prices`: read for passes, and filled with what the package knows of models when they are first seen."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray
from spanruns_schema.store import Store, rows

from spanruns_receiver.pricing import catalog
from spanruns_receiver.pricing.cost import COLUMNS, NO_PRICES, PRICE

REFRESH_S = 60.0
"""How long a price that somebody else put into the table may go unseen."""

LOOKUPS = 500
"""Models that are looked up at once; more new names than that in one pass are no models, and would only cost time."""

REMEMBERED = 100_000
"""Models that are remembered as asked for; beyond, all are forgotten and asked for again."""

TABLE_COLUMNS = ("provider", "model", "source", *catalog.Price.__dataclass_fields__)


class PriceBook:
    """The prices of one store, as an array for `costs`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: set[int] = set()
        self._read_at = -REFRESH_S
        self.prices: NDArray[np.void] = NO_PRICES

    def refresh(self) -> None:
        """Read the table again when that was long ago. Prices of another version of the package make way for this one's."""
        if time.monotonic() - self._read_at < REFRESH_S:
            return
        if self._read_at < 0:
            self._drop_old()
        self._read()

    def unknown(self, keys: NDArray[np.uint64]) -> list[int]:
        """Those of the model keys that the book has not been asked for yet, as many as it takes at once."""
        return [key for key in np.unique(keys[keys > 0]).tolist() if key not in self._asked][:LOOKUPS]

    def learn(self, models: Iterable[tuple[int, str, str]], keys: Collection[int]) -> None:
        """Take note of models (key, provider, name): what has no price in the table gets the package's, if that has one."""
        if len(self._asked) > REMEMBERED:
            self._asked.clear()
        self._asked.update(keys)
        priced = set(self.prices["model_key"].tolist())
        lines = [
            json.dumps({"provider": provider, "model": model, "source": catalog.source(), **_fields(price)})
            for key, provider, model in models
            if key not in priced
            for price in catalog.prices(provider, model)
        ]
        if lines:
            self._store.insert("model_prices", TABLE_COLUMNS, "\n".join(lines).encode(), format="JSONEachRow")
            self._read()

    def _drop_old(self) -> None:
        old, mine = "startsWith(source, 'genai-prices ') AND source != {source:String}", {"source": catalog.source()}
        if rows(self._store, f"SELECT 1 AS found FROM model_prices WHERE {old} LIMIT 1", mine):
            self._store.command(f"ALTER TABLE model_prices DELETE WHERE {old}", mine, settings={"mutations_sync": 1})

    def _read(self) -> None:
        columns = ", ".join(sql for _, _, sql in COLUMNS)
        data = self._store.query(f"SELECT {columns} FROM model_prices FINAL", format="RowBinary")
        self.prices = np.frombuffer(data, PRICE)
        self._read_at = time.monotonic()


def _fields(price: catalog.Price) -> dict[str, object]:
    fields = {name: getattr(price, name) for name in catalog.Price.__dataclass_fields__}
    return fields | {"valid_from": price.valid_from.strftime("%Y-%m-%d %H:%M:%S")}

"""Nightly jobs without any agent framework: one goes well, one is slow, one fails."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import spanruns
import spanruns.auto  # this is all the set-up there is

from spanruns_receiver.demo.agents.pace import is_asked_to_end, rounds

PAGES = 4
SHARDS = 12


@spanruns.tool
def fetch_orders(day: str, page: int) -> list[dict[str, object]]:
    """A page of orders."""
    time.sleep(0.15)
    return [{"order": f"{day}-{page * 25 + n}", "amount": 10 + n} for n in range(25)]


@spanruns.tool
def post_invoice(number: int) -> str:
    """The third invoice meets a ledger that does not answer."""
    time.sleep(0.1)
    if number == 3:
        raise TimeoutError("ledger.internal:443 did not answer within 30 s")
    return "posted"


@spanruns.run("import_orders", trigger="schedule", trigger_detail="0 2 * * *", tags=("nightly",), sla=30)
def import_orders(day: str) -> dict[str, object]:
    """Goes well: rows are counted, progress is reported."""
    run = spanruns.current_run()
    for page in range(PAGES):
        run.add_rows(len(fetch_orders(day, page)))
        run.progress(page + 1, PAGES)
    return {"day": day, "pages": PAGES}


@spanruns.run("rebuild_search_index", trigger="event", trigger_detail="catalog changed", tags=("search",))
def rebuild_search_index(shards: int) -> str:
    """Slow enough to be seen running, and to leave off when the service is to end."""
    run = spanruns.current_run()
    for shard in range(shards):
        if is_asked_to_end():
            raise CancelledError(f"asked to end after {shard} of {shards} shards")
        time.sleep(0.5)
        run.add_rows(1_000)
        run.progress(shard + 1, shards)
    return f"{shards} shards"


@spanruns.run("sync_invoices", trigger="schedule", trigger_detail="*/15 * * * *", tags=("finance",))
def sync_invoices(numbers: list[int]) -> None:
    """Fails in the middle."""
    run = spanruns.current_run()
    for number in numbers:
        post_invoice(number)
        run.add_rows(1)


def main() -> None:
    """All three; the slow one beside the others."""
    with ThreadPoolExecutor(1) as pool:
        for number in rounds():
            slow = pool.submit(rebuild_search_index, SHARDS)
            day = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()
            import_orders(day)
            with suppress(TimeoutError):
                sync_invoices([1, 2, 3, 4])
            wait([slow])


if __name__ == "__main__":
    main()

"""The queue between the writer's threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from spanruns_receiver.writer.handoff import Handoff


def test_first_in_first_out() -> None:
    """Items come out in order; what is inside can be had after a close."""
    handoff: Handoff[int] = Handoff(2)
    assert (handoff.put(1), handoff.put(2)) == (True, True)
    handoff.close()
    assert (handoff.put(3), handoff.get(), handoff.get(), handoff.get()) == (False, 1, 2, None)


def test_full_handoff_makes_its_writer_wait() -> None:
    """A put waits until there is room, or until nobody will take it."""
    handoff: Handoff[int] = Handoff(1)
    handoff.put(1)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(handoff.put, 2)
        assert handoff.get() == 1
        assert waiting.result(10) is True
        waiting = pool.submit(handoff.put, 3)
        handoff.close(drop=True)
        assert waiting.result(10) is False
    assert handoff.empty()


def test_empty_handoff_makes_its_reader_wait() -> None:
    """A get waits for an item, or for the close."""
    handoff: Handoff[int] = Handoff(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handoff.get)
        handoff.put(1)
        assert waiting.result(10) == 1
        waiting = pool.submit(handoff.get)
        handoff.close()
        assert waiting.result(10) is None

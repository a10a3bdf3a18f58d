"""The signals that ask a run to stop."""

import signal
from collections.abc import Iterator

import pytest

from resunit.io.ending_signals import ENDING_SIGNALS
from resunit.training.signals import stop_requests


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of the test's own process come back; nohup, which may have started it, ignores SIGHUP."""
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_each_is_a_request_and_leaves_the_host_its_handler(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in ENDING_SIGNALS]
    with stop_requests() as request:
        assert not request.received
        signal.raise_signal(number)
        assert request.received
    assert [signal.getsignal(one) for one in ENDING_SIGNALS] == before


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests() as request:
        signal.raise_signal(signal.SIGHUP)
        assert not request.received
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_second_ctrl_c_interrupts() -> None:
    with stop_requests():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

"""What a network costs, against counts by hand."""

import numpy as np
import pytest

from refrain.compare.forecasts import series_contest
from refrain.compare.measure import measure
from refrain.study.candidates import find_candidates
from tests.tasks.series import seasonal

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

UNITS, CHANNELS, HORIZON, BATCH = 8, 3, 8, 5
CELLS = {"rnn": 1, "lstm": 4, "gru": 3, "bilstm": 8}


@pytest.fixture(scope="module")
def found():
    contest = series_contest(seasonal())
    return {
        c.key: measure(contest, c, UNITS, BATCH)
        for c in find_candidates(",".join(CELLS))
    }, contest.example.shape[1]


@pytest.mark.parametrize("key", CELLS)
def test_parameters_and_work_equal_those_counted_from_the_equations(found, key):
    network = found[0][key]
    biases = 2 if key == "gru" else 1  # two biases: reset after
    state = UNITS * network.directions
    cell = CELLS[key] * UNITS * (CHANNELS + UNITS + biases)
    assert network.parameters == cell + (state + 1) * HORIZON
    assert network.multiply_adds == CELLS[key] * UNITS * (CHANNELS + UNITS)


def test_memory_is_that_of_weights_and_a_batch(found):
    networks, timesteps = found
    for network in networks.values():
        states = BATCH * timesteps * UNITS
        assert network.memory_bytes > 4 * 4 * network.parameters + 4 * states
    assert networks["lstm"].memory_bytes > 2 * networks["rnn"].memory_bytes
    assert networks["bilstm"].memory_bytes > 1.5 * networks["lstm"].memory_bytes


def test_memory_follows_the_plan_and_not_the_steps_of_a_scan(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    contest = series_contest(seasonal())
    network = measure(contest, find_candidates("gru")[0], UNITS, BATCH)
    assert network.memory_bytes is None
    assert "REFRAIN_KERNELS=off" in network.path


def test_a_network_that_reads_against_time_cannot_stream(found):
    ways = {key: network.latency.way for key, network in found[0].items()}
    assert ways == {**dict.fromkeys(CELLS, "stream"), "bilstm": "window"}
    for network in found[0].values():
        latency = network.latency
        assert 0 < latency.p50_us <= latency.p99_us
        assert latency.rate_hz == pytest.approx(1e6 / latency.p99_us)
    assert np.isfinite(found[0]["bilstm"].latency.p99_us)

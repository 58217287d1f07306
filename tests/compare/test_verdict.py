"""The words follow from the figures: other figures, other words."""

from dataclasses import replace

import pytest

from refrain.compare.findings import findings
from refrain.compare.record import Entry, Latency, Metric
from refrain.compare.verdict import apart, verdict
from tests.compare.comparisons import classes, comparison, entry, memory, network


def found(*entries, naive=1.0, more=False):
    """A comparison of networks against a naive answer."""
    base = Entry("naive", "naive", {"MASE": naive, "MAE": 2 * naive})
    metrics = (Metric("MASE", "", more=more), Metric("MAE", ""))
    return comparison(entries=(base, *entries), metrics=metrics)


def told(record):
    return " ".join(verdict(record).lines)


def says(record, aspect):
    (row,) = [row for row in findings(record) if row.aspect == aspect]
    return row.cells, row.says


CHEAP, DEAR = network(multiply_adds=100), network(multiply_adds=400)


def test_the_best_is_named_with_its_spread_and_beside_the_baseline():
    record = found(entry("a", "A", [0.4, 0.5, 0.6]), entry("b", "B", [0.9, 0.9, 0.9]))
    assert told(record) == (
        "A does best: MASE 0.500 ± 0.100 over 3 seeds. "
        "That is 50 % less: naive has 1.000."
    )
    solved = found(entry("a", "A", [0.001]))
    assert "over 99 % less: naive has 1.000." in told(solved)
    other = found(entry("a", "A", [1.4, 1.5, 1.6]), entry("b", "B", [0.9, 0.9, 0.9]))
    assert told(other).startswith("B does best: MASE 0.900")


def test_where_more_is_better_the_highest_is_best():
    record = classes(("gru", "GRU"), ("lstm", "LSTM"))
    text = "LSTM does best: accuracy 0.800. Without training, most frequent has 0.340."
    assert told(record) == text


def test_networks_within_chance_are_told_as_equals_and_the_cheaper_is_taken():
    close = [0.48, 0.58, 0.53]
    record = found(
        entry("a", "A", [0.4, 0.5, 0.6], cost=DEAR), entry("b", "B", close, cost=CHEAP)
    )
    assert "B cannot be told from it by 3 seeds." in told(record)
    assert "Take B: as good, as far as measured, and the least work." in told(record)
    assert verdict(record).take.key == "b"
    clear = found(
        entry("a", "A", [0.40, 0.41, 0.42], cost=DEAR),
        entry("b", "B", [0.53, 0.54, 0.55], cost=CHEAP),
    )
    assert "cannot be told" not in told(clear)
    assert verdict(clear).take.key == "a"


def test_no_network_beats_a_better_baseline():
    record = found(entry("a", "A", [0.5]), naive=0.4)
    assert "No network beats what needs no training: naive has 0.400." in told(record)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ([1.0, 1.2], [1.1, 1.3], False),  # 0.1 apart, standard error 0.14
        ([1.0, 1.01], [1.1, 1.11], True),
        ([1.0] * 3, [1.0] * 3, False),
        ([1.0], [1.01], False),  # a single seed: 2 %
        ([1.0], [1.03], True),
    ],
)
def test_two_standard_errors_tell_networks_apart(one, other, differ):
    record = found(entry("a", "A", one), entry("b", "B", other))
    assert apart(record, *record.networks) == differ


def test_long_term_memory_follows_the_gradient():
    record = found(
        entry("a", "A", [0.5], memory=memory(reach=0.2)),
        entry("b", "B", [0.5], memory=memory(reach=1e-5)),
        entry("c", "C", [0.5], memory=memory(reach=1e4)),
        entry("d", "D", [0.5]),
    )
    cells, text = says(record, "Long-term memory")
    assert cells == (
        "gradient × 0.2 (arrives)",
        "gradient × 1e-05 (vanishes)",
        "gradient × 1e+04 (explodes)",
        "–",
    )
    assert "A: an error still teaches what was 24 steps ago." in text
    assert "B: the gradient vanishes within 24 steps" in text
    assert "C: the gradient explodes" in text
    swapped = found(
        entry("a", "A", [0.5], memory=memory(reach=1e-5)),
        entry("b", "B", [0.5], memory=memory(reach=0.2)),
    )
    assert "A: the gradient vanishes" in says(swapped, "Long-term memory")[1]


def test_retention_follows_the_horizon():
    def record(*horizons):
        names = ("A", "B")
        return found(
            *(
                entry(name, name, [0.5], memory=memory(horizon))
                for name, horizon in zip(names, horizons, strict=True)
            )
        )

    cells, text = says(record(None, 1), "Memory retention")
    assert cells == ("over 24 steps", "1 step")
    assert text == (
        "A: a trace of all that was read is left at the end. "
        "B: 1 % of it is left after 1 step."
    )
    text = says(record(4, 9), "Memory retention")[1]
    assert text == (
        "B: 1 % of a change is left after 9 steps. A: 1 % of it is left after 4 steps."
    )
    text = says(record(4, 4), "Memory retention")[1]
    assert text == "A and B: 1 % of a change is left after 4 steps."


def test_efficiency_follows_the_work():
    one, other = entry("a", "A", [0.5], cost=CHEAP), entry("b", "B", [0.9], cost=DEAR)
    text = says(found(one, other), "Efficiency")[1]
    assert text.startswith("A needs the least work a step, B 4.0 times as much; ")
    assert text.endswith("Of the best, A is the cheapest.")
    swapped = [replace(one, network=DEAR), replace(other, network=CHEAP)]
    assert says(found(*swapped), "Efficiency")[1].startswith("B needs the least")


def test_gates_pay_or_do_not():
    def text(bare, two, three):
        return says(
            found(
                entry("a", "A", bare, cost=network(gates=0)),
                entry("b", "B", two, cost=network(gates=2)),
                entry("c", "C", three, cost=network(gates=3)),
            ),
            "Gates",
        )[1]

    assert text([0.9], [0.5], [0.505]) == (
        "Gates pay: B beats A, the best without. B with 2 and C with 3 do alike."
    )
    assert text([0.9], [0.5], [0.4]) == (
        "Gates pay: C beats A, the best without. C with 3 and B with 2 differ: C is "
        "better."
    )
    assert text([0.3], [0.5], [0.6]).startswith("Gates do not pay: A beats B")
    assert text([0.5], [0.5], [0.6]).startswith("Gates make no difference: B and A")
    alone = found(entry("b", "B", [0.5], cost=network(gates=2)))
    assert says(alone, "Gates")[1].startswith("All of the networks have gates")


def test_real_time_fitness_follows_latency():
    slow = network(directions=2, way="window", p99_us=5000.0)
    record = found(
        entry("a", "A", [0.5], cost=network(p99_us=2.0)),
        entry("b", "B", [0.5], cost=network(p99_us=4.0)),
        entry("c", "C", [0.5], cost=slow),
    )
    cells, text = says(record, "Real-time fitness")
    assert cells[1:] == ("streams, p99 4.0 µs", "whole window, p99 5,000 µs")
    assert text == (
        "A and B: a step a value, up to 250 k a second. C: the whole window is read "
        "again for each value, up to 200 a second."
    )
    fast = replace(slow, latency=Latency(1.0, 1.0, "stream"))
    record = found(entry("c", "C", [0.5], cost=fast))
    assert says(record, "Real-time fitness")[1].startswith("C: a step a value")


def test_what_was_not_measured_is_said_to_be_so():
    record = found(replace(entry("a", "A", [0.5]), network=None))
    rows = findings(record)
    assert [row.cells for row in rows] == [("–",)] * 5
    assert sum(row.says == "Not measured." for row in rows) == 4

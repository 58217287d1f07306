"""A network cut into what can be a step: behind its embedding, between two turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refrain.errors import ExportError
from refrain.network.records import Both, Call, Direction, Entry, Key, Layer, Network


@dataclass(frozen=True)
class Turn:
    """A bidirectional layer, and what follows it up to the next one.

    Attributes:
        forward: the direction that reads as time runs.
        backward: the other one; it is given the sequence from its end.
        merge_mode: how their outputs are joined, as in Keras.
        behind: the layers that follow, or none.
    """

    forward: Network
    backward: Network
    merge_mode: str
    behind: Network


def without_embedding(network: Network) -> tuple[Network, Layer | None]:
    """The network behind its embedding, and the embedding if it begins with one."""
    if not network.calls or len(network.entries) != 1:
        return network, None
    (entry,), first = network.entries, network.calls[0]
    layer = first.layer
    alone = all((entry.name, 0) not in call.inputs for call in network.calls[1:])
    if not (isinstance(layer, Layer) and layer.kind == "Embedding" and alone):
        return network, None
    behind = Entry(layer.name, (*entry.shape, layer.weights[0].shape[1]))
    return replace(network, entries=(behind,), calls=network.calls[1:]), layer


def cut(network: Network) -> tuple[Network, tuple[Turn, ...]]:
    """What comes before the first bidirectional layer, and the turns that follow.

    Raises:
        ExportError: there is none, or it has no form in chunks.
    """
    calls = network.calls
    places = [k for k, call in enumerate(calls) if isinstance(call.layer, Both)]
    if not places or len(network.entries) != 1 or len(network.outputs) != 1:
        raise ExportError(
            f"{network.name}: expected a network with a Bidirectional layer, one input "
            "and one output; refrain.stream.open runs one without such a layer"
        )
    pieces, entry = [], network.entries[0]
    for start, end in zip([-1, *places], [*places, len(calls)], strict=True):
        if start >= 0:
            entry = _joined(calls[start])
        (output,) = calls[end].inputs if end < len(calls) else network.outputs
        pieces.append(_piece(network.name, entry, calls[start + 1 : end], output))
    first, *behind = pieces
    turns = [_turn(calls[k], piece) for k, piece in zip(places, behind, strict=True)]
    return first, tuple(turns)


def _joined(call: Call) -> Entry:
    """What a bidirectional layer gives to the layers behind it."""
    layer = call.layer
    if not isinstance(layer, Both):
        raise TypeError(f"{layer.name} is not bidirectional")
    reason = None
    if not layer.forward.return_sequences:
        reason = (
            "it answers once, at the end of the sequence; expected "
            "return_sequences=True, and a layer behind it that sums the steps up"
        )
    elif layer.merge_mode is None:
        reason = "its directions leave apart; expected a merge_mode"
    elif call.first:
        reason = "its first states come from another layer"
    if reason:
        raise ExportError(f"the layer {layer.name} has no form in chunks: {reason}")
    sizes = [d.loops[-1].sized.output_size for d in (layer.forward, layer.backward)]
    return Entry(
        layer.name, (None, sum(sizes) if layer.merge_mode == "concat" else sizes[0])
    )


def _piece(name: str, entry: Entry, calls: Sequence[Call], output: Key) -> Network:
    known: set[Key] = {(entry.name, 0)}
    for call in calls:
        _check(name, call.inputs, known)
        known.add((call.layer.name, 0))
    _check(name, (output,), known)
    return Network(name, (entry,), tuple(calls), (output,))


def _check(name: str, read: Sequence[Key], known: set[Key]) -> None:
    for key in read:
        if key not in known:
            raise ExportError(
                f"{name}: a branch from the layer {key[0]} leads around a "
                "Bidirectional layer; expected layers one behind the other there"
            )


def _turn(call: Call, behind: Network) -> Turn:
    layer = call.layer
    if not (isinstance(layer, Both) and layer.merge_mode):
        raise TypeError(f"{layer.name} is not bidirectional")
    first, *others = layer.backward.loops
    loops = [replace(first, against_time=False), *others]
    return Turn(
        _alone(layer.forward),
        _alone(replace(layer.backward, loops=loops)),
        layer.merge_mode,
        behind,
    )


def _alone(direction: Direction) -> Network:
    entry = Entry("frames", (None, direction.loops[0].features))
    call = Call(direction, ((entry.name, 0),))
    return Network(direction.name, (entry,), (call,), ((direction.name, 0),))

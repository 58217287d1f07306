"""A copy of a Keras model in which other classes stand for some of its layers.

The structure goes the way of a saved file, through the model's configuration, but in
memory: functions, lambdas and classes that only the program knows are handed over as
they are. Then the state follows: weights, random generators, kept states of stateful
layers, the settings of `compile`, and what the optimiser remembers.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType, NoneType
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from refrain.errors import ConversionError, RefrainError, innermost

# Arguments that Keras tells itself.
_EVERY_LAYER = ("name", "trainable", "dtype")
_EVERY_MODEL = ("self", *_EVERY_LAYER, "inputs", "outputs")
# What a layer, with its configuration, becomes: a class and what that is made of.
Becomes = Callable[[Any, dict[str, Any]], tuple[type, dict[str, Any]] | None]


def copied(model: Any, becomes: Becomes) -> Any:
    """A copy of a model; variables are copied, not shared.

    Args:
        model: a Keras model or layer; it is not changed.
        becomes: what a layer becomes; None leaves it. Arguments that the class does
            not take are left out.

    Raises:
        ConversionError: Keras cannot make the model from its configuration, or makes
            another one.
    """
    for layer in layers_of(model):
        _check_constructor(layer)
    try:
        new = _structure(model, becomes)
    except RefrainError:
        raise
    except Exception as fault:  # of any type: code of the user's classes runs here
        raise ConversionError(
            f"{model.name}: expected a model that Keras can make from its "
            f"configuration, received {type(model).__name__}: {_reason(fault)}\n"
            "  Hint: give its class get_config and from_config, as for saving."
        ) from fault
    pairs = _pairs(model.name, layers_of(model), layers_of(new))
    for old_layer, new_layer in pairs:
        _align(old_layer, new_layer)
    variables = _pairs(model.name, _variables(model), _variables(new))
    for old, fresh in variables:
        _assign(old, fresh)
        fresh.trainable = old.trainable
    if getattr(model, "compiled", False):
        _compile(model, new, {id(old): fresh for old, fresh in variables})
    return new


def _check_constructor(layer: Any) -> None:
    """Refuse a class of models whose constructor's arguments Keras has not kept."""
    kind = type(layer)
    made = kind.__init__
    if not isinstance(layer, keras.Model) or made.__module__.startswith("keras."):
        return
    taken = inspect.signature(made).parameters.values()
    own = [p.name for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    own = [name for name in own if name not in _EVERY_MODEL]
    if own and kind.get_config.__module__.startswith("keras."):
        raise ConversionError(
            f"{layer.name}: expected a class with get_config, received "
            f"{kind.__name__}, which takes {', '.join(own)} and does not tell them.\n"
            "  Hint: define get_config, or make the model anew inside `with "
            "refrain.accelerate():` and give it the weights with set_weights."
        )


def _reason(fault: BaseException) -> str:
    """What went wrong, in one line."""
    fault = innermost(fault)
    lines = str(fault).strip().splitlines() or [type(fault).__name__]
    return lines[0]


def layers_of(model: Any) -> list[Any]:
    """The model and every layer inside it, each once, the outer before the inner."""
    return model._flatten_layers()


def _taken(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """A model's configuration, without what Keras tells and its class does not take.

    What it does not take, it sets itself, or its copy gets it afterwards.
    """
    kind, told = type(layer), type(layer).get_config.__module__
    taken = inspect.signature(kind.__init__).parameters
    open_ended = any(p.kind == p.VAR_KEYWORD for p in taken.values())
    if open_ended or not (isinstance(layer, keras.Model) and told.startswith("keras.")):
        return config
    unasked = [name for name in _EVERY_LAYER if name not in taken]
    return {k: value for k, value in config.items() if k not in unasked}


def arguments_of(found: type) -> set[str]:
    """Names that a class and its bases take when they are made."""
    makers = [c.__init__ for c in found.__mro__ if "__init__" in vars(c)]
    return {name for make in makers for name in inspect.signature(make).parameters}


def _structure(model: Any, becomes: Becomes) -> Any:
    # Lambdas warn that they cannot be saved; they are handed over here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        config: Any = keras.saving.serialize_keras_object(model)
        custom: dict[str, Any] = {}
        for layer, part in list(_written(model, config)):
            part.pop("compile_config", None)
            _hand_over(layer, part["config"], custom)
            if made := becomes(layer, part["config"]):
                found, given = made
                part.update(_place_of(found))
                taken = arguments_of(found).intersection(given)
                part["config"] = {key: given[key] for key in taken}
            elif not _of_keras(layer):
                part["config"] = _taken(layer, part["config"])
                name = keras.saving.get_registered_name(type(layer))
                if custom.setdefault(name, type(layer)) is not type(layer):
                    raise ConversionError(
                        f"{model.name}: expected classes of different names, received "
                        f"two named {name}.\n  Hint: register them for different "
                        "packages with keras.saving.register_keras_serializable."
                    )
            custom.setdefault(f"layer {id(layer)}", _Once(dict(part)))
            part |= {"registered_name": f"layer {id(layer)}"}
            part.pop("build_config", None)
        with keras.saving.custom_object_scope(custom):
            return keras.saving.deserialize_keras_object(config)


class _Once:
    """Makes a layer from its configuration, one for all places where it stands.

    Keras calls `from_config` of what it finds under the name of a class.
    """

    def __init__(self, config: dict[str, Any]):
        self._config = config
        self._made: Any = None

    def from_config(self, _: Any) -> Any:
        """The layer, made when it is asked for first."""
        if self._made is None:
            self._made = keras.saving.deserialize_keras_object(self._config)
        return self._made


def _written(layer: Any, part: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A layer and those inside it, each with its part of the configuration."""
    yield layer, part
    inside = layer._flatten_layers(include_self=False, recursive=False)
    for found in _objects(part["config"]):
        named = [x for x in inside if x.name == found["config"].get("name")]
        if named:
            inside.remove(named[0])  # the next of this name is another one
            yield from _written(named[0], found)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The outermost objects that are written into a configuration."""
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
            return
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _objects(item)


def _hand_over(layer: Any, config: dict[str, Any], custom: dict[str, Any]) -> None:
    """Put what only the program knows into a configuration, instead of its text."""
    for key, value in config.items():
        live = getattr(layer, key, None)
        if isinstance(live, FunctionType) and not _of_keras(live):
            # Where a layer reads a name instead, it looks it up.
            name = f"{layer.name}.{key} {id(live)}"
            custom[name] = custom[live.__name__] = live
            config[key] = name if isinstance(layer, keras.layers.Lambda) else live
        elif (
            isinstance(value, dict)
            and "class_name" in value
            and not isinstance(live, (keras.layers.Layer, NoneType))
            and not _of_keras(live)
        ):
            config[key] = live


def _of_keras(found: Any) -> bool:
    """Whether a function or an object's class is Keras's own."""
    named = found if isinstance(found, FunctionType) else type(found)
    return named.__module__.startswith("keras.")


def _place_of(found: type) -> dict[str, Any]:
    """Where Keras finds a class: by its public name, or as a registered one."""
    ours = found.__module__.startswith("refrain.")
    return {
        "class_name": found.__name__,
        "module": found.__module__ if ours else "keras.layers",
        "registered_name": keras.saving.get_registered_name(found) if ours else None,
    }


def _variables(model: Any) -> list[Any]:
    """A model's variables but kept states, which Keras's layers do not name."""
    kept = {id(state) for layer in layers_of(model) for state in _kept(layer)}
    return [v for v in model.variables if id(v) not in kept]


def _kept(layer: Any) -> list[Any]:
    """States that a stateful layer keeps."""
    return tree.flatten(getattr(layer, "states", None) or [])


def _pairs(name: str, old: Sequence[Any], new: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Parts of a model with those of its copy.

    Raises:
        ConversionError: the copy has others.
    """
    shapes = [
        [tuple(getattr(part, "shape", ())) for part in found] for found in (old, new)
    ]
    if shapes[0] != shapes[1]:
        raise ConversionError(
            f"{name}: expected a copy with {_listed(old)}; received one with "
            f"{_listed(new)}.\n  Hint: its get_config and build have to make the same "
            "layers again."
        )
    return list(zip(old, new, strict=True))


def _listed(parts: Sequence[Any]) -> str:
    return ", ".join(part.name for part in parts) or "nothing"


def _align(old: Any, new: Any) -> None:
    """What a layer has besides its configuration and its variables."""
    new.name = old.name  # of a layer that a constructor named
    if new.trainable != old.trainable:
        new.trainable = old.trainable
    if hasattr(old, "use_cudnn"):
        new.use_cudnn = old.use_cudnn
    for state, copy in zip(_kept(old), _kept(new), strict=False):
        _assign(state, copy)


def _assign(old: Any, new: Any) -> None:
    # Through NumPy: two variables of one JAX array would lose it together when a
    # training step gives its memory away.
    new.assign(np.array(ops.convert_to_numpy(old.value)))


def _compile(model: Any, new: Any, twins: Mapping[int, Any]) -> None:
    """Compile the copy as the model was, and let its optimiser go on."""
    settings = dict(model._compile_config.config)
    settings["optimizer"] = _fresh_optimizer(model.optimizer)
    for kind in ("metrics", "weighted_metrics"):
        settings[kind] = tree.map_structure(_fresh_metric, settings[kind])
    settings["jit_compile"] = model.jit_compile and new.supports_jit
    try:
        inspect.signature(new.compile).bind(**settings)
        new.compile(**settings)
    except Exception as fault:  # of any type: a class may compile in its own way
        raise ConversionError(
            f"{model.name}: expected a model that is compiled with Keras's arguments, "
            f"received {type(model).__name__}: {_reason(fault)}\n  Hint: accelerate "
            "the model before it is compiled, and compile what that returns."
        ) from fault
    old = _inner(model.optimizer)
    if old is None or not old.built:
        return
    if hasattr(old, "_exclude_from_weight_decay"):
        pattern = old._exclude_from_weight_decay_pattern
        _inner(new.optimizer).exclude_from_weight_decay(
            [twins[key] for key in old._exclude_from_weight_decay],
            [pattern.pattern] if pattern else None,
        )
    # In its own order: layers may have been frozen since.
    new.optimizer.build([twins[id(v)] for v in old._trainable_variables])
    for state, copy in _pairs(
        "optimizer", model.optimizer.variables, new.optimizer.variables
    ):
        _assign(state, copy)


def _inner(optimizer: Any) -> Any:
    """The optimiser that moves the weights, without the scaling of the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _fresh_optimizer(optimizer: Any) -> Any:
    if optimizer is None:
        return None
    return type(optimizer).from_config(optimizer.get_config())


def _fresh_metric(metric: Any) -> Any:
    """A metric with sums of its own; names and functions as they are."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())

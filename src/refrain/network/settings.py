"""What a layer's settings say of its cell: for live layers and for saved ones alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refrain.cells import SizedCell
from refrain.cells.counterparts import KERAS_CELLS
from refrain.errors import CellError
from refrain.network.records import refusal

# What our layers can have beside Keras's settings, and networks here have not.
_NOT_YET = ("zoneout", "trainable_initial_state", "return_all_states")


def check_settings(name: str, kind: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings of a layer that a network cannot have.

    Raises:
        ExportError: it is stateful or quantised, or has what goes beyond Keras.
    """
    policy = settings.get("dtype")
    if isinstance(policy, Mapping) and "Quantized" in policy["class_name"]:
        raise refusal(name, kind, "its weights are quantised")
    if settings.get("stateful"):
        raise refusal(
            name,
            kind,
            "it is stateful; make the model with stateful=False, give it the weights, "
            "and export that one with streaming=True",
        )
    for setting in _NOT_YET:
        if settings.get(setting):
            raise refusal(name, kind, f"{setting}={settings[setting]!r}")


def keras_cell(
    name: str, kind: str, cell: str, settings: Mapping[str, Any]
) -> SizedCell:
    """The equations of a cell of Keras, by the name of its class.

    Raises:
        ExportError: they are not known, or a setting of them is not.
    """
    if cell not in KERAS_CELLS:
        raise refusal(name, kind, f"the equations of {cell} are not known")
    made, names = KERAS_CELLS[cell]
    try:
        options = {n: settings[n] for n in names}
        return made(settings["units"], use_bias=settings["use_bias"], **options)
    except CellError as error:
        raise refusal(name, kind, str(error)) from None


def is_own(module: str) -> bool:
    """A class of this module is the user's own."""
    return module.split(".")[0] not in ("keras", "refrain")

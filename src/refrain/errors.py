"""Every exception that a user of refrain can meet.

The rest of the package raises these and nothing of its own besides, but for
`NotTrainedError` in `tasks/job/trained.py`, which is scikit-learn's too.
"""


class RefrainError(Exception):
    """Base of all errors of this package."""


class CellError(RefrainError):
    """The equations of a cell cannot be used as they are written.

    Cause: an unknown function, a state that is never updated, Python control
    flow on a traced value, a declaration that contradicts the equations.
    Repair: the message quotes the line and says what to write.
    """


class CellShapeError(CellError):
    """Two operands in a cell's equations do not fit each other."""


class LayerError(RefrainError, ValueError):
    """A layer is made of, called with or given what does not fit it.

    It is a ValueError too, which is what Keras's own layers raise there.
    """


class GraphError(RefrainError):
    """A graph breaks its own rules; a fault of the package, not of the user."""


class DataError(RefrainError):
    """A user's data cannot serve the task: missing, empty, too short, not numeric."""


class OptionError(RefrainError):
    """An option has a name that is not known, or a value that it cannot have."""


class KernelError(RefrainError):
    """Native kernels were asked for and cannot run."""


class ExportError(RefrainError):
    """A model, or a part of it, has no form in what it is to be exported to."""


class ConversionError(RefrainError):
    """A model or its weights have no exact counterpart where they are to go."""


class StreamError(RefrainError):
    """A network cannot run step by step, or a frame or a state is not one of it."""


def innermost(fault: BaseException) -> BaseException:
    """The fault that others are wrapped round: Keras does so for each layer around."""
    while inner := fault.__cause__ or fault.__context__:
        fault = inner
    return fault

"""What a bijector remembers of an evaluation until its log-determinant is asked for.

TFP asks for a value and its log-determinant in separate calls, and a `tfb.Chain`
asks every member for the value once more on the way to the log-determinant. Our
bijectors compute both in one pass; the later calls find them here.

TFP's own cache would do more than that: it hands out values that are stale once
variables have changed, and takes instances built alike for one. This memory serves
a log-determinant once, to the call that belongs to the value, and forgets it then.
"""

import collections
import weakref
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.record import could_possibly_record

_Evaluation = collections.namedtuple("_Evaluation", "x, y, fldj, arguments, graph, recorded")


class Memory:
    """Evaluations `y = forward(x)` with their log-determinants, each to be used once.

    In eager mode an evaluation keeps its input, and is forgotten when nobody keeps what
    it computed. So the members of a chain find theirs again, and nothing is kept for long.
    In a graph the graph alone keeps tensors.
    """

    def __init__(self) -> None:
        self._evaluations: list[_Evaluation] = []
        self._pinned: tf.Tensor | None = None

    def __reduce__(self):
        return Memory, ()  # A copied or unpickled bijector has nothing to remember.

    def keep(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        fldj: tf.Tensor,
        arguments: tuple[Any, ...],
        computed: tf.Tensor,
        is_pinned: bool | None,
    ) -> None:
        """Keeps an evaluation, in place of an older one of the same input.

        Args:
          x, y, fldj: `Tensor`s.
          arguments: Tuple of the call arguments.
          computed: Which of `x` and `y` was computed.
          is_pinned: Python `bool`, whether to keep it even if nobody keeps `computed`, until it is
            taken or another one is pinned. So moving statistics move once.
        """
        self.take(arguments, **({"y": y} if computed is x else {"x": x}))
        if is_pinned and tf.executing_eagerly():
            self._pinned = computed
        x, y = (
            weakref.ref(tensor, self._forget) if tensor is computed else _hold(tensor) for tensor in (x, y)
        )
        recorded = could_possibly_record()
        self._evaluations.append(_Evaluation(x, y, _hold(fldj), arguments, _graph(), recorded))

    def find(
        self, arguments: tuple[Any, ...], *, x: tf.Tensor | None = None, y: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor] | None:
        """Returns `(x, y, fldj)` of the last evaluation with this `x` or `y`, or None."""
        evaluation = self._last(arguments, x, y)
        return evaluation and (evaluation.x(), evaluation.y(), evaluation.fldj())

    def take(
        self, arguments: tuple[Any, ...], *, x: tf.Tensor | None = None, y: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor] | None:
        """The same as `find`, and forgets the evaluation."""
        evaluation = self._last(arguments, x, y)
        if evaluation is None:
            return None
        tensors = evaluation.x(), evaluation.y(), evaluation.fldj()
        self._evaluations = [e for e in self._evaluations if e is not evaluation]
        if any(tensor is self._pinned for tensor in tensors):
            self._pinned = None
        return tensors

    def _last(self, arguments, x, y):
        graph, records = _graph(), could_possibly_record()
        for evaluation in reversed(self._evaluations):
            if (
                (evaluation.x() is x if x is not None else evaluation.y() is y)
                and evaluation.graph == graph
                and evaluation.recorded >= records  # Else a tape would know no gradient of it.
                and all(a is b for a, b in zip(evaluation.arguments, arguments, strict=True))
            ):
                return evaluation
        return None

    def _forget(self, computed):
        self._evaluations = [e for e in self._evaluations if e.x is not computed and e.y is not computed]


def _hold(tensor):
    """A callable that gives `tensor`: alive as long as it is kept, or as the graph is."""
    return (lambda: tensor) if tf.executing_eagerly() else weakref.ref(tensor)


def _graph():
    return None if tf.executing_eagerly() else weakref.ref(tf.compat.v1.get_default_graph())

"""Stores a bijector's evaluation until its log-determinant is requested.

TFP requests a value and its log-determinant in separate calls, and a `tfb.Chain`
requests every member's value once more on the way to the log-determinant. Our
bijectors compute both in one pass; the later calls find them here.

TFP's own cache does more: it returns stale values after variables have changed, and
treats instances with equal arguments as one. This memory returns a log-determinant
once, to the call that belongs to the value, and then forgets it.
"""

import collections
import weakref
from typing import Any

import tensorflow as tf

from tfp_realnvp.utils.private_names import a_tape_could_record

_Evaluation = collections.namedtuple("_Evaluation", "x, y, fldj, arguments, graph, recorded")


class Memory:
    """Stores evaluations `y = forward(x)` with their log-determinants, each for one use.

    In eager mode an evaluation keeps its input alive, and is forgotten when nothing refers
    to its result. So the members of a chain find their evaluations again, and nothing is
    kept for long. In a graph only the graph keeps tensors alive.
    """

    def __init__(self) -> None:
        self._evaluations: list[_Evaluation] = []
        self._pinned: tf.Tensor | None = None

    def __reduce__(self):
        return Memory, ()  # A copied or unpickled bijector has an empty memory.

    def keep(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        fldj: tf.Tensor,
        arguments: tuple[Any, ...],
        computed: tf.Tensor,
        is_pinned: bool | None,
    ) -> None:
        """Stores an evaluation, in place of an older one with the same input.

        Args:
          x, y, fldj: `Tensor`s.
          arguments: Tuple of the call arguments.
          computed: Which of `x` and `y` was computed.
          is_pinned: Python `bool`, whether to keep it even if nothing refers to `computed`, until it
            is taken or another one is pinned. So moving statistics move once.
        """
        self.take(arguments, **({"y": y} if computed is x else {"x": x}))
        if is_pinned and tf.executing_eagerly():
            self._pinned = computed
        x, y = (
            weakref.ref(tensor, self._forget) if tensor is computed else _hold(tensor) for tensor in (x, y)
        )
        recorded = a_tape_could_record()
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
        """Does the same as `find`, and forgets the evaluation."""
        evaluation = self._last(arguments, x, y)
        if evaluation is None:
            return None
        tensors = evaluation.x(), evaluation.y(), evaluation.fldj()
        self._evaluations = [e for e in self._evaluations if e is not evaluation]
        if any(tensor is self._pinned for tensor in tensors):
            self._pinned = None
        return tensors

    def _last(self, arguments, x, y):
        graph, records = _graph(), a_tape_could_record()
        for evaluation in reversed(self._evaluations):
            if (
                (evaluation.x() is x if x is not None else evaluation.y() is y)
                and evaluation.graph == graph
                and evaluation.recorded >= records  # Else a tape would miss its gradient.
                and all(a is b for a, b in zip(evaluation.arguments, arguments, strict=True))
            ):
                return evaluation
        return None

    def _forget(self, computed):
        self._evaluations = [e for e in self._evaluations if e.x is not computed and e.y is not computed]


def _hold(tensor):
    """Returns a callable that returns `tensor`: eagerly it keeps `tensor` alive, else the graph does."""
    return (lambda: tensor) if tf.executing_eagerly() else weakref.ref(tensor)


def _graph():
    return None if tf.executing_eagerly() else weakref.ref(tf.compat.v1.get_default_graph())

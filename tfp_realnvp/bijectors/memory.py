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

import tensorflow as tf

_Evaluation = collections.namedtuple("_Evaluation", "x, y, fldj, computed, arguments, graph")


class Memory:
    """Evaluations `y = forward(x)` with their log-determinants, each to be used once.

    An evaluation is kept while the tensor it computed lives. In eager mode it keeps
    its input alive meanwhile, so that the members of a chain find theirs again; in a
    graph the graph alone keeps tensors.
    """

    def __init__(self):
        self._evaluations = []

    def __reduce__(self):
        return Memory, ()  # A copied or unpickled bijector has nothing to remember.

    def keep_forward(self, x, y, fldj, arguments, until_taken):
        """Keeps `y`, which was computed from `x`; `until_taken` even if nobody else does."""
        computed = weakref.ref(y, self._forget)
        y = _hold(y) if until_taken else computed
        self._evaluations.append(_Evaluation(_hold(x), y, _hold(fldj), computed, arguments, _graph()))

    def keep_inverse(self, x, y, fldj, arguments, until_taken):
        """Keeps `x`, which was computed from `y`; `until_taken` even if nobody else does."""
        computed = weakref.ref(x, self._forget)
        x = _hold(x) if until_taken else computed
        self._evaluations.append(_Evaluation(x, _hold(y), _hold(fldj), computed, arguments, _graph()))

    def find(self, arguments, *, x=None, y=None):
        """Returns `(x, y, fldj)` of the last evaluation with this `x` or `y`, or None."""
        evaluation = self._last(arguments, x, y)
        return evaluation and (evaluation.x(), evaluation.y(), evaluation.fldj())

    def take(self, arguments, *, x=None, y=None):
        """The same as `find`, and forgets the evaluation."""
        evaluation = self._last(arguments, x, y)
        if evaluation is None:
            return None
        self._forget(evaluation.computed)
        return evaluation.x(), evaluation.y(), evaluation.fldj()

    def _last(self, arguments, x, y):
        graph = _graph()
        for evaluation in reversed(self._evaluations):
            if (
                (evaluation.x() is x if x is not None else evaluation.y() is y)
                and evaluation.graph == graph
                and all(a is b for a, b in zip(evaluation.arguments, arguments, strict=True))
            ):
                return evaluation
        return None

    def _forget(self, computed):
        self._evaluations = [e for e in self._evaluations if e.computed is not computed]


def _hold(tensor):
    """A callable that gives `tensor`: alive as long as it is kept, or as the graph is."""
    return (lambda: tensor) if tf.executing_eagerly() else weakref.ref(tensor)


def _graph():
    return None if tf.executing_eagerly() else weakref.ref(tf.compat.v1.get_default_graph())

"""Curves and histograms, by what matplotlib was asked to draw."""

import matplotlib.figure
import numpy as np
import pytest

from tfp_realnvp.analysis import plots


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the figures that are saved."""
    axes, savefig = [], matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda self, path: (axes.extend(self.axes), savefig(self, path))
    )
    return axes


def test_learning_curves(drawn, tmp_path):
    history = {"epoch": [0, 1, 2], "bits_per_dim": [5, 4, 3.5], "val_bits_per_dim": [6, 4.5, 4]}
    plots.learning_curves(tmp_path / "curves.png", history, reference=3.49)
    (axis,) = drawn
    train, validation, paper = axis.lines
    np.testing.assert_array_equal(train.get_xydata(), [[1, 5], [2, 4], [3, 3.5]])
    np.testing.assert_array_equal(validation.get_ydata(), [6, 4.5, 4])
    assert paper.get_ydata()[0] == 3.49
    assert [t.get_text() for t in axis.get_legend().texts] == ["training", "validation", "paper: 3.49"]
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_histograms(drawn, tmp_path):
    bits = {"test": np.array([3.0, 3.1, 3.5]), "noise": np.array([8.0] * 9 + [1.0, np.inf])}
    plots.histograms(tmp_path / "histogram.png", bits)
    bars = [axis.containers[0] for axis in drawn]
    np.testing.assert_allclose([sum(bar.get_height() for bar in row) for row in bars], 1.0)  # Shares.
    assert [axis.get_title() for axis in drawn] == ["test: 3.20 on average", "noise: 7.30 on average"]
    edges = [bars[0][0].get_x(), bars[0][-1].get_x() + bars[0][-1].get_width()]
    np.testing.assert_allclose(edges, [1.0, 4.0])  # As far above the first set as that is wide.
    assert bars[1][-1].get_height() == pytest.approx(0.9)

"""Curves and histograms of bits per dimension."""

import matplotlib.figure
import numpy as np


def learning_curves(path, history, reference=None):
    """Draws bits per dimension over epochs, in training and on validation images.

    Args:
      path: Name of the PNG file.
      history: Dictionary of lists, as `RunFolder.history` gives it.
      reference: Python `float`, bits per dimension to draw as a line, such as the paper's.
    """
    figure, axis = _figure()
    epochs = 1 + np.array(history["epoch"])
    for name, label in (("bits_per_dim", "training"), ("val_bits_per_dim", "validation")):
        axis.plot(epochs, history[name], marker=".", label=label)
    if reference is not None:
        axis.axhline(reference, color="black", linestyle=":", label=f"paper: {reference}")
    axis.set(xlabel="epoch", ylabel="bits/dim")
    axis.legend()
    figure.savefig(path)


def histograms(path, bits):
    """Draws how bits per dimension of single images are distributed, for sets of images.

    Args:
      path: Name of the PNG file.
      bits: Dictionary of arrays of bits per dimension, by the names of the sets.
    """
    figure, axis = _figure()
    edges = np.histogram_bin_edges(np.concatenate(list(bits.values())), 80)
    for name, values in bits.items():
        weights = np.full(len(values), 1 / len(values))
        axis.hist(values, edges, weights=weights, alpha=0.5, label=f"{name}: {np.mean(values):.2f}")
    axis.set(xlabel="bits/dim of an image", ylabel="share of images")
    axis.legend(title="set: mean")
    figure.savefig(path)


def _figure():
    figure = matplotlib.figure.Figure(figsize=(7, 4), dpi=120, layout="constrained")
    return figure, figure.subplots()

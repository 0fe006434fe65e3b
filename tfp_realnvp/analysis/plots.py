"""Draws curves and histograms of bits per dimension."""

from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np

from tfp_realnvp.utils.hints import Path


def learning_curves(
    path: Path, history: Mapping[str, Sequence[float]], reference: float | None = None
) -> None:
    """Draws bits per dimension over epochs, in training and on validation images.

    Args:
      path: Name of the PNG file.
      history: Dictionary of lists, as `RunFolder.history` returns it.
      reference: Python `float`, bits per dimension to draw as a line, such as the paper's.
    """
    figure = _figure(height=4)
    axis = figure.subplots()
    epochs = 1 + np.array(history["epoch"])
    for name, label in (("bits_per_dim", "training"), ("val_bits_per_dim", "validation")):
        axis.plot(epochs, history[name], marker=".", label=label)
    if reference is not None:
        axis.axhline(reference, color="black", linestyle=":", label=f"paper: {reference}")
    axis.set(xlabel="epoch", ylabel="bits/dim")
    axis.legend()
    figure.savefig(path)


def histograms(path: Path, bits: Mapping[str, np.ndarray]) -> None:
    """Draws a histogram of the bits per dimension of single images for each set, one set per row.

    Args:
      path: Name of the PNG file.
      bits: Dictionary of arrays of bits per dimension, by the names of the sets. The first set
        gives the scale: values that exceed its maximum by more than its range are in the last
        bar. Values that are not finite are left out.
    """
    figure = _figure(height=0.9 * len(bits) + 0.6)
    axes = figure.subplots(len(bits), sharex=True, squeeze=False)[:, 0]
    bits = {name: values[np.isfinite(values)] for name, values in bits.items()}
    first = next(iter(bits.values()))
    largest = np.max(first) + np.ptp(first)
    shown = {name: np.minimum(values, largest) for name, values in bits.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(shown.values())), 80)
    for axis, (name, values) in zip(axes, shown.items(), strict=True):
        axis.hist(values, edges, weights=np.full(len(values), 1 / len(values)))
        axis.set(yticks=[], title=f"{name}: {np.mean(bits[name]):.2f} on average")
    axes[-1].set(xlabel=f"bits/dim of an image (the last bar: {edges[-2]:.1f} and more)")
    figure.savefig(path)


def _figure(height):
    return matplotlib.figure.Figure(figsize=(7, height), dpi=120, layout="constrained")

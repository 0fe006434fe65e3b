"""Keras callbacks of a training run."""

from tfp_realnvp.training.callbacks.averaged_weights import AveragedWeights
from tfp_realnvp.training.callbacks.best_weights import BestWeights
from tfp_realnvp.training.callbacks.checkpointing import Checkpointing
from tfp_realnvp.training.callbacks.epoch_csv import EpochCSV
from tfp_realnvp.training.callbacks.optional import optional
from tfp_realnvp.training.callbacks.sample_grid import SampleGrid
from tfp_realnvp.training.callbacks.stop_after import StopAfter
from tfp_realnvp.training.callbacks.stop_at_non_finite import StopAtNonFinite

__all__ = [
    "AveragedWeights",
    "BestWeights",
    "Checkpointing",
    "EpochCSV",
    "SampleGrid",
    "StopAfter",
    "StopAtNonFinite",
    "optional",
]

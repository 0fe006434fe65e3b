"""Saves a density model to files and loads it from them."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import keras

from tfp_realnvp.bijectors.variables.layer_variables import LayerVariables
from tfp_realnvp.models.saving.fingerprint import Fingerprint
from tfp_realnvp.models.saving.serialization import deserialize, serialize
from tfp_realnvp.models.saving.serving import INTEGERS, export_saved_model, signature
from tfp_realnvp.models.trained_model import TrainedModel
from tfp_realnvp.networks.adaptations import adapt, adaptations
from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.private_names import all_layers
from tfp_realnvp.utils.snapshot import restoring
from tfp_realnvp.utils.whole_file import whole_file


class SavedModel(TrainedModel):
    """The part of `FlowModel` that writes and reads files.

    Files have Keras's formats. An existing file stays until the new one is complete. An error in loading
    leaves all variables unchanged.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checkpointed = LayerVariables([self])
        self._fingerprint = Fingerprint(self.flow_layers)

    def save(self, filepath: Path, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does; an existing file stays until the new one is complete.

        As in Keras, LoRA's low-rank matrices are merged into the kernels that they change, and are
        zero after loading. Integer kernels are rounded once more for that.

        Args:
          filepath: Name of the file, ending in `.keras` or `.h5`.
          overwrite: Python `bool`, whether to replace an existing file without asking.
          **kwargs: Passed to `keras.Model.save`.

        Raises:
          TypeError: if a part of the distribution cannot be described in a file; the message names it.
          ValueError: if the name ends differently, or if it ends in `.h5` and variables of the model
            have the same name, which such a file cannot hold.
        """
        is_file = str(filepath).endswith((".keras", ".h5", ".hdf5"))
        try:
            if not is_file or "://" in str(filepath) or not overwrite:
                return super().save(filepath, overwrite, **kwargs)
            with whole_file(filepath) as partial:
                super().save(partial, **kwargs)
        except ValueError as error:
            if "name already exists" not in str(error):
                raise
            raise ValueError(
                "Variables of the model have the same name, for which an `.h5` file has no place; got "
                f"{filepath}. Save it as `.keras`."
            ) from error

    def save_weights(self, filepath: Path, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves as `keras.Model.save_weights` does; an existing file stays until the new one is complete.

        Args:
          filepath: Name of the file, ending in `.weights.h5`.
          overwrite: Python `bool`, whether to replace an existing file without asking.
          **kwargs: Passed to `keras.Model.save_weights`.

        Raises:
          ValueError: if the name ends differently.
        """
        if not str(filepath).endswith(".weights.h5") or "://" in str(filepath) or not overwrite:
            return super().save_weights(filepath, overwrite, **kwargs)
        with whole_file(filepath) as partial:
            super().save_weights(partial, **kwargs)

    def load_weights(self, filepath: Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads as `keras.Model.load_weights` does; an error leaves all variables unchanged.

        Args:
          filepath: Name of a `.weights.h5` or `.keras` file.
          skip_mismatch: Python `bool`, whether layers with other shapes keep their weights.
          **kwargs: Passed to `keras.Model.load_weights`.

        Raises:
          ValueError: if the weights belong to another model.
        """
        with restoring(self.variables):
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self, filepath: Path, format: str = "tf_saved_model", verbose: bool | None = None, **kwargs: Any
    ) -> None:
        """Exports a SavedModel that returns the same as `predict`, without this package.

        Its function `serve` takes events, or a pair of events and conditions, in the dtypes that
        `predict` takes. It adds the fixed noise to integers and takes floats as given. Servers use
        signatures with one dtype each: `serve_integers` takes int32, `serve_floats` the distribution's
        dtype. For a model of an `image_distribution`, `serving_default` takes integers: pixels are
        integers, and as floats they would silently get no noise. For other models it takes floats.

        Args:
          filepath: Name of the folder or file.
          format: Python `str`, as in `keras.Model.export`. Formats other than `"tf_saved_model"` have
            the default signature only.
          verbose: Python `bool`, whether to print what is exported, or None for Keras's default.
          **kwargs: Passed to `keras.Model.export`. An `input_signature` replaces the signatures above.

        Raises:
          ValueError: if the shape of conditions or the format is unknown.
        """
        default = self.distribution.dtype.name if self._num_levels is None else INTEGERS[0]
        if kwargs.get("input_signature") is None:
            if format == "tf_saved_model":
                return export_saved_model(self, self._continuous, default, filepath, verbose is not False)
            kwargs["input_signature"] = [signature(self.distribution, default)]
        return super().export(filepath, format, verbose=verbose, **kwargs)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        store["fingerprint"] = self._fingerprint.to_array()
        store["noise"] = self._noise.state  # Keras does not save the state of random numbers.

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        if "fingerprint" in store.keys():
            self._fingerprint.check(store["fingerprint"])
            self._noise.state.assign(store["noise"])

    def get_config(self) -> dict[str, Any]:
        return {
            "distribution": serialize(self.distribution),
            "l2": self.l2,
            "seed": self.seed,
            "name": self.name,
            "trainable": self.trainable,
            "adaptations": adaptations(self),
            "frozen_layers": [
                i for i, x in enumerate(all_layers(self, include_self=False)) if not x.trainable
            ],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "SavedModel":
        config = dict(config)
        frozen, adapted = config.pop("frozen_layers", []), config.pop("adaptations", [])
        model = cls(**{**config, "distribution": deserialize(config["distribution"])})
        for i, layer in enumerate(all_layers(model, include_self=False)):
            if layer.trainable == (i in frozen):
                layer.trainable = not layer.trainable  # Sets its inner layers too, which come later.
        adapt(model, adapted)
        return model

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        if config and isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            config["optimizer"] = keras.saving.serialize_keras_object(self.optimizer)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

"""The bijectors of Real NVP, each a `tfb.Bijector`."""

from tfp_realnvp.bijectors.affine_coupling import AffineCoupling
from tfp_realnvp.bijectors.batch_normalization import BatchNormalization
from tfp_realnvp.bijectors.call_arguments import bijector_kwargs
from tfp_realnvp.bijectors.chain import Chain
from tfp_realnvp.bijectors.factor_out import FactorOut
from tfp_realnvp.bijectors.squeeze import Squeeze

__all__ = ["AffineCoupling", "BatchNormalization", "Chain", "FactorOut", "Squeeze", "bijector_kwargs"]

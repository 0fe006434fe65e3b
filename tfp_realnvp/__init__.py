from tfp_realnvp.bijectors import AffineCoupling, BatchNormalization, Chain, FactorOut, Squeeze, bijector_kwargs
from tfp_realnvp.masks import channel_mask, checkerboard_mask
from tfp_realnvp.real_nvp import RealNVP

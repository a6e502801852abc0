"""Models of sequences."""

from deem.models.temporal.rt_gaussian_rbm import RTGaussianRBM
from deem.models.temporal.rt_variance_gaussian_rbm import RTVarianceGaussianRBM
from deem.models.temporal.rtrbm import RTRBM

__all__ = ["RTRBM", "RTGaussianRBM", "RTVarianceGaussianRBM"]

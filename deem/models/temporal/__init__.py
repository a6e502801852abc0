"""Models of sequences."""

from deem.models.temporal.rtrbm import RTRBM

__all__ = ["RTRBM"]

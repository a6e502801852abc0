"""Numbers that more than one module must agree on."""

__all__ = ["EPSILON", "MAX_JOINT_STATES", "MISSING"]

MISSING = -1
"""Code of a missing vote in integer arrays."""

EPSILON = 1e-10
"""Smallest denominator in scaling, and smallest probability inside a logarithm."""

MAX_JOINT_STATES = 4096
"""Largest number of joint hidden states that is still summed over exactly."""

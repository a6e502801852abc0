"""Numbers that the documentation promises."""

from deem.utils.constants import EPSILON, MAX_JOINT_STATES, MISSING


def test_the_numbers_are_those_of_the_documentation():
    assert (MISSING, EPSILON, MAX_JOINT_STATES) == (-1, 1e-10, 4096)

"""What the examples of models of sequences must show."""

from example_checks import has, numbers, rising

FACTS = {
    "models/create_rtrbm.py": [
        has("recurrent_weight: (2, 2)", "(2, 5, 2), hidden means (2, 5, 2)", "sum to 1.0000"),
        lambda text: min(numbers(r"with probability ([\d.]+)", text)) >= 0.9,
    ],
    "applications/rtrbm_bouncing.py": [
        lambda text: (found := numbers(r"next frame ([\d.]+)", text))[3] < 0.5 * min(found[:3]),
        rising(r"(-[\d.]+) nats"),
    ],
}

"""What the examples of models of sequences must show."""

from example_checks import close_estimates, has, numbers, rising

FACTS = {
    "models/create_rtrbm.py": [
        has("recurrent_weight: (2, 2)", "(2, 5, 2), hidden means (2, 5, 2)", "sum to 1.0000"),
        lambda text: min(numbers(r"with probability ([\d.]+)", text)) >= 0.9,
    ],
    "applications/rtrbm_bouncing.py": [
        lambda text: (found := numbers(r"next frame ([\d.]+)", text))[3] < 0.5 * min(found[:3]),
        rising(r"(-[\d.]+) nats"),
    ],
    "models/create_rt_gaussian_rbm.py": [
        has("frame.log_variance", "'0.001016'"),
        lambda text: all(abs(x - 1) < 1e-3 for x in numbers(r"integrates to ([\d.]+)", text)),
        close_estimates(r"frames: (\d+) came (\d+)", 25),
    ],
    "applications/rt_gaussian_forecast.py": [
        lambda text: (
            max((found := numbers(r"next frame ([\d.]+)", text))[2:4]) < 1.4 * found[4]
            and min(found[:2]) > 3 * found[4]
        ),
        close_estimates(r"learned ([\d.]+), true ([\d.]+)", 0.15),
        rising(r"(-[\d.]+) nats"),
    ],
}

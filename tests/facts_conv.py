"""What the examples of convolutional RBMs must show."""

from example_checks import close_estimates, falling, has, numbers

FACTS = {
    "models/create_conv_rbm.py": [
        has("weight: (3, 1, 3, 3)", "hidden units (5, 3, 4, 4)", "next layer (5, 3, 2, 2)"),
        has("differs by at most 0.0000", "in a block: inf", "sum to 1.0000", "2048 draws: 1\n"),
        close_estimates(r"found ([\d.]+), exact ([\d.]+)", 0.04),
    ],
    "models/create_gaussian_conv_rbm.py": [
        has("(100, 4, 4, 4)", "location [100, 100, 100]", "scale [40, 2, 1]", "a grid 1.0000"),
        close_estimates(r"drawn ([\d.]+), expected ([\d.]+)", 0.5),
    ],
    "applications/conv_rbm_training.py": [
        lambda text: (e := numbers(r"epoch ([\d.]+)", text))[1] < e[0] and e[3] < e[2] - 2,
        lambda text: (
            (a := numbers(r"filters ([\d.]+)", text))[0] > 0.3 and abs(a[1] - 0.15) < 0.05
        ),
        has("saved ['filters_0.png', 'filters_30.png']"),
    ],
    "applications/conv_rbm_classification.py": [
        lambda text: min((a := numbers(r"accuracy ([\d.]+)", text))[1:]) > a[0] + 0.1,
    ],
    "applications/gaussian_conv_rbm_training.py": [
        falling(r"epoch ([\d.]+)"),
        lambda text: (
            (found := numbers(r"new pixel ([\d.]+), .* field ([\d.]+)", text))[1] < 0.9 * found[0]
        ),
    ],
}

"""What the examples of RBMs of real units must show."""

from example_checks import close_estimates, falling, has, numbers, rising

FACTS = {
    "models/create_gaussian_rbm.py": [
        has("weight: (2, 3)", "energies: (4,)", "same code alone and among others: True"),
        close_estimates(r"0: spread of draws ([\d.]+), of data ([\d.]+)", 2),
        close_estimates(r"1: spread of draws ([\d.]+), of data ([\d.]+)", 0.001),
        close_estimates(r"log-density (-?[\d.]+) nats, of normal columns (-?[\d.]+)", 0.1),
    ],
    "models/create_variance_gaussian_rbm.py": [
        has("log_variance: (3,)", "noise: ['0.10', '1.00', '5.00']"),
        close_estimates(r"drawn ([\d.]+), set ([\d.]+)", 0.15),
        falling(r"adds ([\d.]+) nats"),
    ],
    "models/create_gaussian_relu_rbm.py": [
        has("weight: (4, 3)", "smallest draw is at least 0: True"),
        close_estimates(r"mean of draws ([\d.]+), expected ([\d.]+)", 0.05),
        close_estimates(r"free energy (-?[\d.]+), summed (-?[\d.]+)", 2e-4),
        lambda text: numbers(r"gain: ([\d.]+)", text)[0] < 1,
    ],
    "models/create_gaussian_selu_rbm.py": [
        has("weight: (4, 3)", "none can be below -1.76"),
        close_estimates(r"most likely (-?[\d.]+), SELU (-?[\d.]+)", 0.015),
        close_estimates(r"mean of draws (-?[\d.]+), expected (-?[\d.]+)", 0.05),
    ],
    "models/create_sigmoid_rbm.py": [
        has("weight: (5, 3)", "strictly between 0 and 1: True"),
        rising(r"mean ([\d.]+),"),
        lambda text: abs(numbers(r"mean density ([\d.]+)", text)[0] - 1) < 0.05,
    ],
    "applications/gaussian_rbm_training.py": [
        has("3 constant pixels have scales [1.0]"),
        lambda text: (found := numbers(r"epoch (\d+), in the last (\d+)", text))[1] < found[0] / 2,
        lambda text: (
            (found := numbers(r"(?:last|training|out) ([\d.]+)", text))[0] < 1.2 * found[1]
            and found[2] < 1.3 * found[1]
        ),
    ],
    "applications/variance_gaussian_rbm_training.py": [
        lambda text: all(abs(x - 1) < 0.1 for x in numbers(r"ratio ([\d.]+)", text)),
        lambda text: numbers(r"right for ([\d.]+)", text)[0] > 0.95,
    ],
    "applications/gaussian_relu_rbm_training.py": [
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[1] > found[0] + 0.05,
        has("features from 0."),
        lambda text: (found := numbers(r"epoch (\d+), in the last (\d+)", text))[1] < found[0],
    ],
    "applications/gaussian_selu_rbm_training.py": [
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[1] > found[0] + 0.05,
        has("features from -1."),
        lambda text: (found := numbers(r"epoch (\d+), in the last (\d+)", text))[1] < found[0],
    ],
    "applications/sigmoid_rbm_training.py": [
        rising(r": (-?[\d.]+) nats"),
        lambda text: numbers(r"in draws ([\d.]+)", text)[0] > 0.3,
    ],
}

"""What the examples of RBMs with dropout must show."""

from example_checks import close_estimates, has, numbers

FACTS = {
    "models/create_dropout_rbm.py": [
        has("weight: (6, 4)", "left out: 0.000"),
        close_estimates(r"RBM: (-?[\d.]+) (-?[\d.]+)", 1e-3),
    ],
    "models/create_dropconnect_rbm.py": [
        has("(1, 6, 4), four equal samples get 1 codes", "(4, 6, 4), four equal samples get 3"),
        has("masked, all probabilities sum to 1.0000", "evaluation they sum to 1.0000"),
        has("root of the share kept: True"),
        lambda text: all(0.6 < x < 0.9 for x in numbers(r"connections kept: ([\d.]+)", text)),
    ],
    "models/create_edropout_rbm.py": [
        lambda text: (found := numbers(r"keep ([\d.]+) of", text))[0] < 0.1 < 0.9 < found[1],
        lambda text: min(numbers(r"follows the data, is kept in ([\d.]+)", text)) > 0.9,
        lambda text: max(numbers(r"do not, in ([\d.]+) and ([\d.]+)", text)[:2]) < 0.1,
        has("multiplied by their roots: True"),
    ],
    "applications/dropout_rbm_training.py": [
        # little dropout costs a small model nothing, much of it a little
        lambda text: abs((found := numbers(r"(-[\d.]+) nats", text))[0] - found[1]) < 0.5,
        lambda text: (found := numbers(r"(-[\d.]+) nats", text))[3] == min(found) > -22,
    ],
    "applications/dropconnect_rbm_training.py": [
        lambda text: (
            max(numbers(r"last epoch ([\d.]+)", text))
            < 0.9 * min(numbers(r"first epoch ([\d.]+)", text))
        ),
        lambda text: max(numbers(r"mean network on test digits ([\d.]+)", text)) < 7,
        lambda text: min(numbers(r"(-[\d.]+) nats", text)) > -22.5,
    ],
    "applications/edropout_rbm_training.py": [
        lambda text: (found := numbers(r"before training ([\d.]+)", text))[0] < 0.2 < found[1],
        lambda text: min(numbers(r"at its end ([\d.]+)", text)) > 0.7,
        lambda text: min(numbers(r"(-[\d.]+) nats", text)) > -21,
    ],
}

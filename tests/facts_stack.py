"""What the examples of models of several layers must show."""

from example_checks import close_estimates, falling, has, numbers, rising

FACTS = {
    "models/create_dbn.py": [
        has("layers.1.weight: (4, 3)", "20 epochs", "refused: layers[0] gives (4,)"),
        close_estimates(r"bound (-[\d.]+), one layer (-[\d.]+)", 1e-3),
    ],
    "models/create_residual_dbn.py": [
        lambda text: max(numbers(r"largest difference ([\d.]+)", text)) < 1e-3,
    ],
    "models/create_conv_dbn.py": [
        has("hands on (4, 3, 3)", "24 numbers a sample", "their units: True", "top: (20, 5)"),
    ],
    "models/create_dbm.py": [
        rising(r"log-likelihood (-[\d.]+)"),
        lambda text: 0 < numbers(r"lies ([\d.]+) nats below", text)[0] < 0.2,
    ],
    "applications/dbn_training.py": [
        falling(r"new digits by .* squared error ([\d.]+)"),
        lambda text: all(
            first > last
            for first, last in zip(
                *(numbers(pattern, text) for pattern in (r"from ([\d.]+)", r"to ([\d.]+)")),
                strict=True,
            )
        ),
        close_estimates(r"drawn digit ([\d.]+), of a digit ([\d.]+)", 0.06),
    ],
    "applications/dbn_classification.py": [
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[1] + 0.1 < found[2] > 0.85,
        has("surer where it is right: True"),
    ],
    "applications/residual_dbn_training.py": [
        lambda text: max((found := numbers(r"of new digits ([\d.]+)", text))[:2]) < found[2],
        lambda text: min(numbers(r"accuracy ([\d.]+)", text)) > 0.75,
    ],
    "applications/conv_dbn_training.py": [
        falling(r"new digits by .* squared error ([\d.]+)"),
    ],
    "applications/dbm_training.py": [
        rising(r"log-likelihood of new digits (-[\d.]+)"),
        falling(r"lower half .* squared error ([\d.]+)"),
        lambda text: 0 < numbers(r"lies ([\d.]+) nats below", text)[0] < 1,
    ],
    "loading/load_pretrained_dbn.py": [
        has("['RBM', 'DropoutRBM']", "same codes: True", "history: 4", "same classes: True"),
        lambda text: numbers(r"accuracy on new digits: ([\d.]+)", text)[0] > 0.7,
    ],
}

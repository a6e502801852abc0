"""What the examples of RBMs that learn from labels must show."""

from example_checks import close_estimates, falling, has, numbers, rising

FACTS = {
    "models/create_discriminative_rbm.py": [
        has("weight: (6, 5)", "class weights (3, 5)", "history: loss, accuracy\n"),
        has("after training: 1.00"),
        close_estimates(r"probability ([\d.]+), by the joint model ([\d.]+)", 1e-5),
    ],
    "models/create_hybrid_discriminative_rbm.py": [
        has("(60, 7)", "loss, accuracy, discriminative_loss, generative_loss", "accuracy 1.00"),
        lambda text: min(numbers(r"class 0: means of 200 draws ([\d.]+), ([\d.]+)", text)) > 0.7,
        lambda text: max(numbers(r"class 1: means of 200 draws ([\d.]+), ([\d.]+)", text)) < 0.3,
    ],
    "applications/discriminative_rbm_training.py": [
        falling(r"loss ([\d.]+)"),
        rising(r"accuracy ([\d.]+)"),
        lambda text: (found := numbers(r"error ([\d.]+)", text))[1] < found[0] < 8,
    ],
    "applications/hybrid_discriminative_rbm_training.py": [
        lambda text: max(numbers(r"error ([\d.]+)", text)) < 10,
        falling(r"generative loss ([\d.]+)"),
        lambda text: numbers(r"of their class: ([\d.]+)", text)[0] > 0.5,
    ],
}

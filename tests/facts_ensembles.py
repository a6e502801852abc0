"""What the examples of ensembles between independent and joint training must show."""

from example_checks import close_estimates, falling, has, numbers, rising

FACTS = {
    "ensembles/beta_sweep.py": [
        rising(r"train ([\d.]+)"),
        falling(r"a learner ([\d.]+)"),
        lambda text: numbers(r"independent: ([-+][\d.]+)", text)[0] < 0,
        has("worse in 2 of 2"),
    ],
    "ensembles/collusion.py": [
        has("explain none of the diversity"),
        lambda text: numbers(r"explain (\d+) % of the diversity", text)[0] > 20,
        lambda text: text.index("beta 1:") < text.index("a sign of collusion"),
        rising(r"their diversity is ([\d.]+) nats"),
        lambda text: (found := numbers(r"accuracy by ([-+][\d.]+)", text))[4] < found[1] - 3,
    ],
    "ensembles/two_learners.py": [
        rising(r"apart ([\d.]+)"),
        falling(r"of a learner ([\d.]+)"),
        lambda text: min(numbers(r"accuracy ([\d.]+)", text)) > 0.8,
    ],
    "ensembles/consensus_of_networks.py": [
        falling(r"alone: ([\d.]+)"),
        lambda text: numbers(r"vote: ([\d.]+)", text)[1] < 0.8,
        lambda text: (
            numbers(r"of labels: ([\d.]+)", text)[1] > numbers(r"vote: ([\d.]+)", text)[1] + 0.05
        ),
        lambda text: min(numbers(r"of probabilities: ([\d.]+)", text)) > 0.8,
    ],
    "ensembles/own_network.py": [
        has("computed by vmap", "same after loading: True", "['GLU', 'Linear', 'ReLU']"),
        lambda text: min(numbers(r": ([\d.]+)", text)) > 0.85,
    ],
    "ensembles/regression.py": [
        rising(r"test error ([\d.]+)"),
        rising(r"of a learner ([\d.]+)"),
        close_estimates(r"diversity ([\d.]+), variance over learners ([\d.]+)", 1e-3),
        close_estimates(r"dropped \+([\d.]+), by the formula \+([\d.]+)", 1e-3),
        close_estimates(r"offsets: ([\d.]+) of it, by the formula ([\d.]+)", 1e-3),
    ],
    "ensembles/table_of_architectures.py": [
        rising(r"(?m)^\w+ +(\d+) "),
        lambda text: min(numbers(r"(?m)^\w+ +\d+ +([\d.]+)", text)) > 0.5,
    ],
    "ensembles/image_folder.py": [
        has("digit 0, digit 1, digit 2", "images: 90 30 60", "kept: (60, 2, 3)"),
        lambda text: min(numbers(r"accuracy ([\d.]+)", text)) > 0.6,
    ],
    "ensembles/resume_a_sweep.py": [
        has("kept: 1 running", "same as in one go: True", "with seed, beta, split, selection"),
        has("(0, 0.0), (0, 0.5), (0, 1.0), (1, 0.0), (1, 0.5), (1, 1.0)"),
    ],
}

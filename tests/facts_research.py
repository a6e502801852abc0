"""What the examples of sampling from RBMs and of their likelihoods must show."""

from example_checks import close_estimates, falling, has, numbers, rising


def second_better(pattern):
    """Whether of each pair of numbers the second is larger."""

    def check(text):
        found = numbers(pattern, text)
        return all(a < b for a, b in zip(found[::2], found[1::2], strict=True))

    return check


FACTS = {
    "models/create_rbm.py": [
        has("weight: (6, 3)", "sum to 1.0000", "n_visible=6, n_hidden=3"),
        close_estimates(r"state (-[\d.]+), summed over 8 hidden states (-[\d.]+)", 1e-3),
        close_estimates(r"found ([\d.]+), exact ([\d.]+)", 0.02),
    ],
    "samplers/rbm_tempering.py": [
        lambda text: numbers(r"Gibbs: ([\d.]+) after", text)[0] < 0.05,
        lambda text: (
            abs(numbers(r"draws: ([\d.]+)", text)[0] - numbers(r"dGibbs: ([\d.]+)", text)[0]) < 0.1
        ),
        rising(r"swap rate ([\d.]+)"),
    ],
    "applications/rbm_likelihood.py": [
        lambda text: (
            (low := numbers(r"steps: between (-[\d.]+)", text)[0])
            < numbers(r"exact: (-[\d.]+)", text)[0]
            < numbers(r"steps: between -[\d.]+ and (-[\d.]+)", text)[0]
            < low + 0.3
        ),
        lambda text: (
            numbers(r"exact: (-[\d.]+)", text)[0] > numbers(r"pixels: (-[\d.]+)", text)[0] + 0.5
        ),
        lambda text: (
            (x := numbers(r"units: (-[\d.]+), between (-[\d.]+) and (-[\d.]+)", text))[1]
            < x[0]
            < x[2]
        ),
        close_estimates(r"all flips (-[\d.]+), one random flip a digit (-[\d.]+)", 5),
    ],
    "applications/impute_and_denoise.py": [
        has("known pixels are kept: True", "known 0.00", "saved imputed.png"),
        falling(r"missing pixels wrong.*: ([\d.]+)"),
        lambda text: numbers(r"missing pixels wrong.*: ([\d.]+)", text)[1] < 0.25,
        falling(r"noisy pixels wrong.*: ([\d.]+)"),
    ],
    "applications/rbm_training.py": [
        lambda text: (
            min(numbers(r": exact (-[\d.]+)", text))
            > numbers(r"training, exact: (-[\d.]+)", text)[0] + 0.5
        ),
        lambda text: max(map(abs, numbers(r"digit, ([-+][\d.]+) above", text))) < 1,
        has("pseudo_likelihood: from", "swap_rate: from"),
    ],
    "applications/rbm_classification.py": [second_better(r"accuracy ([\d.]+)")],
}

"""Draw and save tensors as pictures: grey, in colour, several at once.

Usage: python tensor_picture.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from matplotlib.image import imread
from sklearn.datasets import load_digits

from deem.visual import plot_tensor, save_tensor


def main(folder):
    digits = torch.tensor(load_digits().images)
    save_tensor(digits[0], Path(folder) / "digit.png")
    picture = imread(Path(folder) / "digit.png")[:, :, 0]
    difference = abs(torch.tensor(picture) - digits[0] / digits[0].max()).max()
    print(f"values from {digits.min():.0f} to {digits.max():.0f}, saved as shares of the range")
    print(f"largest difference to the file {difference:.4f}")

    # several tensors become a mosaic, each value a square of 4 x 4 pixels
    save_tensor(digits[:30], Path(folder) / "digits.png", zoom=4)
    print("thirty digits:", imread(Path(folder) / "digits.png").shape[:2], "pixels")

    # a map of hues: red grows to the right, green downwards, blue upwards
    ramp = torch.linspace(0, 1, 64)
    colours = torch.stack(
        [ramp.expand(64, 64), ramp[:, None].expand(64, 64), 1 - ramp.expand(64, 64).T]
    )
    axes = plot_tensor(colours)
    axes.figure.savefig(Path(folder) / "colours.png")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)

"""Two changes of a photo with the same squared error, of which one looks far worse."""

import numpy as np
from sklearn.datasets import load_sample_image

from deem.math.ssim import structural_similarity


def main():
    # (n, channels, h, w), a part of the photo
    photo = load_sample_image("china.jpg")[100:300, 200:400].transpose(2, 0, 1)[np.newaxis] / 255
    noise = np.random.default_rng(0).normal(0, 0.1, photo.shape)
    shift = np.full(photo.shape, np.sqrt((noise**2).mean()))
    for name, change in (("noisy", noise), ("brighter", shift)):
        error, similarity = (change**2).mean(), structural_similarity(photo, photo + change)
        print(f"{name}: squared error {error:.4f}, structural similarity {similarity:.3f}")
    print(f"unchanged: structural similarity {structural_similarity(photo, photo):.3f}")


if __name__ == "__main__":
    main()

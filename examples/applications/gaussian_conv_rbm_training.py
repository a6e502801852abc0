"""Learn filters of textures that have the spectrum of natural images, in grey levels."""

import sys

import torch

from deem.models import GaussianConvRBM

LONG = "--long" in sys.argv
SIDE, N_IMAGES, EPOCHS = (24, 1000, 40) if LONG else (10, 300, 10)


def textures(n, generator):
    """Images (n, 1, side, side) of power that falls with the square of the frequency."""
    f = torch.fft.fftfreq(SIDE).square()
    amplitude = 1 / ((f[:, None] + f).sqrt() + 1 / SIDE)
    noise = torch.randn(n, 1, SIDE, SIDE, generator=generator)
    return 128 + 10 * torch.fft.ifft2(torch.fft.fft2(noise) * amplitude).real


def main():
    generator = torch.Generator().manual_seed(0)
    train, test = textures(N_IMAGES, generator), textures(100, generator)
    model = GaussianConvRBM((SIDE, SIDE), (5, 5), n_filters=16, random_state=0)
    model.fit(train, epochs=EPOCHS, batch_size=20, random_state=0)
    print(f"location {model.location.item():.0f}, scale {model.scale.item():.1f} grey levels")
    errors = [error / train[0].numel() for error in model.history["reconstruction_error"]]
    print(f"squared error of a pixel, first epoch {errors[0]:.1f}")
    print(f"squared error of a pixel, last epoch {errors[-1]:.1f}")

    # A draw, as above, has the noise of the model; the mean has not.
    spread = test.var().item()
    mean_error = (model.reconstruct(test) - test).square().mean().item()
    print(f"variance of a new pixel {spread:.1f}, error of its mean field {mean_error:.1f}")


if __name__ == "__main__":
    main()

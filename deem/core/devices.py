"""Devices by name."""

import torch

from deem.utils.exception import DeviceError

__all__ = ["as_device"]


def as_device(device: object, accelerated: bool = True) -> torch.device:
    """Device of this machine.

    Parameters
    ----------
    device : str or torch.device
        "auto" takes a GPU where there is one.
    accelerated : bool
        Whether "auto" may take one; small work is done before it would get there.

    Raises
    ------
    DeviceError
        If it is not there.

    Examples
    --------
    >>> as_device("auto", accelerated=False)
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if accelerated and torch.cuda.is_available() else "cpu")
    try:
        # The device "meta" takes tensors but holds no values.
        torch.zeros(1, device=torch.device(device)).item()  # type: ignore[call-overload]
    except (RuntimeError, TypeError, AssertionError) as error:
        found = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise DeviceError(
            f"device={device!r} is not there ({str(error).splitlines()[0]}); "
            f'this machine has: {found}. Pass device="auto".'
        ) from error
    return torch.device(device)  # type: ignore[call-overload]

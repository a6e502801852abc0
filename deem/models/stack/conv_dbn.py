"""Deep belief networks of convolutional layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from deem.models.harmonium import Harmonium
from deem.models.stack.building import conv_layers
from deem.models.stack.dbn import DBN

__all__ = ["ConvDBN"]

AnyConvDBN = TypeVar("AnyConvDBN", bound="ConvDBN")


class ConvDBN(DBN):
    """Deep belief network of images: a `DBN` whose layers are harmoniums with filters.

    The filters of a layer are the channels of the one above. A layer with ``pooling`` hands on its
    pooled units, and downwards the probability of a block is spread evenly over its units. Every
    layer is of the kind that was asked for. Dense layers on top of those of filters are possible,
    ``ConvDBN([ConvRBM(...), RBM(...)])``.

    Parameters
    ----------
    layers : sequence of Harmonium
        As in `DBN`.

    References
    ----------
    .. [1] Lee, Grosse, Ranganath, Ng (2009), Convolutional deep belief networks for scalable
       unsupervised learning of hierarchical representations.

    Examples
    --------
    >>> model = ConvDBN.of(
    ...     "ConvRBM", (8, 8), n_filters=[4, 6], filter_shape=[(3, 3), (2, 2)], pooling=[2, None]
    ... )
    >>> model.sample(10, steps=5, random_state=0).shape, model.n_outputs
    (torch.Size([10, 1, 8, 8]), 24)
    """

    @classmethod
    def of(  # type: ignore[override]
        cls: type[AnyConvDBN],
        kinds: str | type[Harmonium] | Sequence[str | type[Harmonium]],
        visible_shape: Sequence[int],
        n_filters: Sequence[int],
        *,
        n_channels: int = 1,
        random_state: int = 0,
        **arguments: Any,
    ) -> AnyConvDBN:
        """Stack of convolutional layers by the names of their classes.

        Parameters
        ----------
        kinds : str, class, or one a layer
            Names in ``deem.models.ZOO``, or classes, such as "ConvRBM".
        visible_shape : (height, width)
            Of the images.
        n_filters : sequence of int
            Of each layer.
        n_channels : int
            Of the images.
        random_state : int
            Seed of the first filters; layer l gets ``random_state + l``.
        **arguments
            Of the layers, such as ``filter_shape``, ``pooling``, ``stride`` and ``padding``: a
            list has one value for each layer, anything else goes to all of them.

        Raises
        ------
        ArgumentError
            If a name is unknown, lists are of different lengths, or the filters of a layer are
            too large for the images that reach it.
        """
        return cls(
            conv_layers(kinds, visible_shape, n_filters, n_channels, random_state, arguments)
        )

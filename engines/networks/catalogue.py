"""The networks that there are."""

from __future__ import annotations

from functools import partial

from .deeplabv3plus import deeplabv3plus, mobilenetv2_features, resnet101_features
from .modnet import modnet
from .network import Network
from .u2net import U2NET, U2NET_LITE, U2NETP, u2net

__all__ = ["NETWORKS"]

_SIDES = ("output", *(f"side{stage}" for stage in range(1, 7)))

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("u2net", partial(u2net, widths=U2NET), outputs=_SIDES, size=(320, 320)),
        Network("u2netp", partial(u2net, widths=U2NETP), outputs=_SIDES, size=(320, 320)),
        Network("u2net-lite", partial(u2net, widths=U2NET_LITE), outputs=_SIDES, size=(320, 320)),
        Network(
            "modnet",
            modnet,
            outputs=("output", "semantic", "detail"),
            aliases={"lr_branch.backbone": "backbone"},
        ),
        Network(
            "deeplabv3plus-mobilenetv2",
            partial(deeplabv3plus, features=mobilenetv2_features),
            sigmoid=False,
        ),
        Network(
            "deeplabv3plus-resnet101",
            partial(deeplabv3plus, features=resnet101_features),
            sigmoid=False,
        ),
    )
}
"""The networks by name."""

"""Bytes as XMP: a packet without thumbnails and in UTF-8, or a ValueError with the cause."""

from __future__ import annotations

import contextlib
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from tests.fuzz.harness import fuzz
from trimatte.io.xmp import kept_xmp

_HEAD = (
    '<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/">'
)


def check(data: bytes) -> str:
    """Searches a packet; says how it ended."""
    try:
        kept, names = kept_xmp(data)
    except ValueError:
        return "refused"
    kept.decode()
    assert all(names)
    if b"Thumbnails" in kept:
        # Some versions of Python write a line break in an attribute so that it cannot be one of a
        # namespace.
        with contextlib.suppress(ExpatError):
            tree = minidom.parseString(kept)
            assert not tree.getElementsByTagNameNS("http://ns.adobe.com/xap/1.0/", "Thumbnails")
    return "kept"


def seeds() -> list[bytes]:
    """Packets with a thumbnail, a gain map, an entity, and in other encodings."""
    texts = (
        f"{_HEAD}<xmp:Thumbnails><a>AA</a></xmp:Thumbnails><keep>1</keep></x:xmpmeta>",
        f'{_HEAD}<a h:Version="1.0" xmp:Thumbnails="AA" tiff="é"/></x:xmpmeta>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a Thumbnails="&b;"/>',
        '<a xmlns:t-1="&#104;ttp://ns.adobe.com/xap/1.0/"><t-1:Thumbnails/></a>',
    )
    encodings = ("utf-8", "utf-16", "utf-16-le")
    return [text.encode(encoding) for text in texts for encoding in encodings]


if __name__ == "__main__":
    fuzz(check, seeds())

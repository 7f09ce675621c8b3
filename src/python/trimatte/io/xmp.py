"""XMP (ISO 16684-1): what of a packet is still true of a picture that was cut out of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xml.dom import minidom

__all__ = ["kept_xmp"]

# A small picture of the whole would still show the background.
_THUMBNAILS = re.compile(rb"<(\w+:Thumbnails)\b.*?</\1\s*>", re.DOTALL)
_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>)\s*)[0-9]')


class _Described(NamedTuple):
    """Other data in the file that a packet describes.

    name: for a sentence. space: how the namespaces of its properties begin. names: how their names
    begin. mentions: what else tells that the data are there.
    """

    name: str
    space: str
    names: tuple[str, ...] = ("",)
    mentions: tuple[bytes, ...] = ()


_GOOGLE = "http://ns.google.com/photos/"
_DESCRIBED = (
    _Described("HDR gain map", "http://ns.adobe.com/hdr-gain-map/", mentions=(b'"GainMap"',)),
    _Described("HDR gain map", "http://ns.apple.com/HDRGainMap/"),
    _Described("HDR gain map", "http://ns.apple.com/pixeldatainfo/"),
    _Described(
        "video of the motion photo",
        f"{_GOOGLE}1.0/camera/",
        ("MotionPhoto", "MicroVideo"),
        (b'"MotionPhoto"',),
    ),
    _Described("depth map", f"{_GOOGLE}1.0/depthmap/", mentions=(b'"Depth"',)),
    _Described("depth map", f"{_GOOGLE}dd/"),
    _Described("original picture", f"{_GOOGLE}1.0/image/"),
    _Described("sound", f"{_GOOGLE}1.0/audio/"),
    _Described("extended XMP", "http://ns.adobe.com/xmp/note/"),
    _Described("other data", f"{_GOOGLE}1.0/container/"),
)


def kept_xmp(packet: bytes) -> tuple[bytes | None, list[str]]:
    """The packet of a picture that is stored upright, without thumbnails and without what it says
    of other data in the file; and names of those data, which are dropped.

    None: nothing of it can be kept, as it is no XML.
    """
    packet = _ORIENTATION.sub(rb"\g<1>1", _THUMBNAILS.sub(b"", packet))
    found = [each for each in _DESCRIBED if each.space.encode() in packet]
    if not found:
        return packet, []
    try:
        return _without(packet, found)
    except (ValueError, RecursionError):
        return None, []


def _without(packet: bytes, found: list[_Described]) -> tuple[bytes, list[str]]:
    """The packet without what it says of these data, and the names of those that it does describe.

    Raises ValueError: it is no XML; RecursionError: it is far too deep.
    """
    document = _parsed(packet)
    names = [name for each in found if (name := _taken_out(document, each, packet))]
    if names[1:]:
        names = [name for name in names if name != "other data"]
    kept = "".join(node.toxml() for node in document.childNodes).encode("utf-8", "surrogatepass")
    return kept, list(dict.fromkeys(names))


def _parsed(packet: bytes) -> minidom.Document:
    from xml.dom import minidom  # only files of phones need it
    from xml.parsers.expat import ExpatError

    if b"<!DOCTYPE" in packet:  # XMP has none, and the entities of one can grow without a bound.
        raise ValueError("XMP with a document type")
    try:
        return minidom.parseString(packet.strip(b"\0 \r\n\t"))
    except ExpatError as error:
        raise ValueError("XMP that is no XML") from error


def _taken_out(document: minidom.Document, described: _Described, packet: bytes) -> str | None:
    """Removes the properties; returns the name of what they describe, None where none did."""
    taken = any(mention in packet for mention in described.mentions)
    for element in list(document.getElementsByTagName("*")):
        if _is_of(element, described):
            if element.parentNode is not None:
                element.parentNode.removeChild(element)
            taken = True
            continue
        for attribute in list(_attributes(element)):
            declares = attribute.prefix == "xmlns" and attribute.value.startswith(described.space)
            of_it = _is_of(attribute, described)
            if of_it or (declares and described.names == ("",)):
                element.removeAttributeNode(attribute)
            taken = taken or of_it
    return described.name if taken else None


def _attributes(element: minidom.Element) -> Iterator[minidom.Attr]:
    attributes = element.attributes
    return (attributes.item(i) for i in range(attributes.length))  # type: ignore[misc]


def _is_of(node: minidom.Element | minidom.Attr, described: _Described) -> bool:
    return (node.namespaceURI or "").startswith(described.space) and (
        node.localName or ""
    ).startswith(described.names)

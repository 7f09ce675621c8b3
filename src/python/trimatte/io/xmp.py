"""XMP (ISO 16684-1): what of a packet is still true of a picture that was cut out of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from xml.dom import minidom

__all__ = ["kept_xmp"]

_LONGEST = 1 << 20  # bytes that are parsed; in memory they are some hundred times as much
_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>)\s*)[0-9]')


class _Described(NamedTuple):
    """Other data in the file that a packet describes.

    name: for a sentence; empty where none is due. space: how the namespaces of its properties
    begin. names: how their names begin. mentions: what else tells that the data are there.
    """

    name: str
    space: str
    names: tuple[str, ...] = ("",)
    mentions: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """One of which is in every packet that describes it."""
        return (self.space,) if self.names == ("",) else self.names


_ADOBE = "http://ns.adobe.com/xap/1.0/"
_GOOGLE = "http://ns.google.com/photos/"
_DESCRIBED = (
    # A small picture of the whole would still show the background.
    _Described("", _ADOBE, ("Thumbnails",)),
    _Described("", f"{_ADOBE}g/img/"),
    _Described("HDR gain map", "http://ns.adobe.com/hdr-gain-map/", mentions=('"GainMap"',)),
    _Described("HDR gain map", "http://ns.apple.com/HDRGainMap/"),
    _Described("HDR gain map", "http://ns.apple.com/pixeldatainfo/"),
    _Described(
        "video of the motion photo",
        f"{_GOOGLE}1.0/camera/",
        ("MotionPhoto", "MicroVideo"),
        ('"MotionPhoto"',),
    ),
    _Described("depth map", f"{_GOOGLE}1.0/depthmap/", mentions=('"Depth"',)),
    _Described("depth map", f"{_GOOGLE}dd/"),
    _Described("original picture", f"{_GOOGLE}1.0/image/"),
    _Described("sound", f"{_GOOGLE}1.0/audio/"),
    _Described("extended XMP", "http://ns.adobe.com/xmp/note/"),
    _Described("other data", f"{_GOOGLE}1.0/container/"),
)


def kept_xmp(packet: bytes) -> tuple[bytes, list[str]]:
    """The packet of a picture that is stored upright, without thumbnails and without what it says
    of other data in the file; and names of those data, which are dropped.

    packet: UTF-8, as files of all formats have it; what is returned is, too, or empty where nothing
    is left.

    Raises ValueError with the cause: it cannot be told what the packet holds.
    """
    text = _decoded(packet)
    names: list[str] = []
    if any(word in text for each in _DESCRIBED for word in each.words):
        if len(packet) > _LONGEST:
            raise ValueError(f"it has more than {_LONGEST >> 20} MB that would have to be searched")
        try:
            packet, names = _without(_parsed(text), text)
        except RecursionError as error:
            raise ValueError("its elements are nested too deeply") from error
    return _ORIENTATION.sub(rb"\g<1>1", packet), names


def _decoded(packet: bytes) -> str:
    try:
        text = packet.decode().strip("\0 \r\n\t")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    if "\0" in text:  # as in UTF-16
        raise ValueError("it is not UTF-8")
    return text


def _parsed(text: str) -> minidom.Document:
    from xml.dom import minidom  # only files of phones need it
    from xml.parsers import expat

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type, which XMP has not")

    checker = expat.ParserCreate()
    checker.StartDoctypeDeclHandler = refuse  # the entities of one can grow without a bound
    try:
        checker.Parse(text, True)
        return minidom.parseString(text)
    except expat.ExpatError as error:
        raise ValueError("it is not XML") from error


def _without(document: minidom.Document, text: str) -> tuple[bytes, list[str]]:
    """The packet without what it says of other data, and the names of those that it describes."""
    told = {
        each
        for each in _DESCRIBED
        if each.space in text and any(mention in text for mention in each.mentions)
    }

    def is_gone(node: minidom.Node) -> bool:
        describe = [each for each in _DESCRIBED if _is_of(node, each)]
        told.update(describe)
        return bool(describe)

    parents: tuple[Any, ...] = (document, *document.getElementsByTagName("*"))
    for parent in parents:
        # At once: to remove one child after the other takes the square of their number.
        parent.childNodes[:] = [child for child in parent.childNodes if not is_gone(child)]
        for attribute in list(parent.attributes.values()) if parent.attributes else ():
            if is_gone(attribute) or _declares(attribute):
                parent.removeAttributeNode(attribute)
    names = [each.name for each in _DESCRIBED if each in told and each.name]
    if names[1:]:
        names = [name for name in names if name != "other data"]
    left = document.childNodes if document.documentElement else ()
    kept = "".join(node.toxml() for node in left).encode()
    return kept, list(dict.fromkeys(names))


def _declares(attribute: minidom.Attr) -> bool:
    """Whether it declares a namespace of which nothing is left."""
    return attribute.prefix == "xmlns" and any(
        attribute.value.startswith(each.space) for each in _DESCRIBED if each.names == ("",)
    )


def _is_of(node: minidom.Node, described: _Described) -> bool:
    return (node.namespaceURI or "").startswith(described.space) and (
        node.localName or ""
    ).startswith(described.names)

"""Containers: what kind of file a video is, as its first bytes tell, whatever its name."""

from __future__ import annotations

# Bytes of a file that tell.
HEAD = 12

# The first box of an ISO base media file; QuickTime files of old begin with any of the others.
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def sniff(head: bytes) -> str | None:
    """FFmpeg's name of the container that a file with these first bytes is; None for any that is not accepted.

    MP4 and MOV are "mov", WebM is "matroska", then there are "avi" and "ogg". Playlists, manifests and everything else
    that could refer to other files are none of them.
    """
    if head[4:8] in _FIRST_BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"OggS"):
        return "ogg"
    return None

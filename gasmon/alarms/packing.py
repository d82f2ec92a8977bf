"""A header and arrays as bytes that know when they were damaged (pure).

    magic (8) · BLAKE2b of what follows (16) · length of header (4) · header · arrays

The header is JSON, the arrays follow one another as they lie in memory,
little-endian. Reading makes views and copies nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DIGEST = 16


class BadPacking(ValueError):
    """The bytes are not what they should be; the text says what and how."""


def pack(magic: bytes, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Join a header and named arrays.

    Args:
        magic: eight bytes that say what it is, with its version.
        header: anything that JSON can hold; the name ``arrays`` is taken.
        arrays: of any shape, their bytes in order of the mapping.
    """
    assert len(magic) == 8, magic
    listed = [[name, a.dtype.str, list(a.shape)] for name, a in arrays.items()]
    text = json.dumps({**header, "arrays": listed}, separators=(",", ":")).encode()
    parts: list[bytes | memoryview] = [len(text).to_bytes(4, "little"), text]
    parts += [
        np.ascontiguousarray(a).reshape(-1).view(np.uint8).data for a in arrays.values()
    ]
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(part)
    return b"".join([magic, digest.digest(), *parts])


def unpack(magic: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take apart what ``pack`` made; the arrays are read-only views of ``data``.

    Raises:
        BadPacking: another kind or version, or a byte is not as it was written.
    """
    if data[:8] != magic:
        raise BadPacking(f"begins with {data[:8]!r}, not {magic!r}")
    body = memoryview(data)[8 + _DIGEST :]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != data[8 : 8 + _DIGEST]:
        raise BadPacking(f"the checksum of its {len(data)} bytes does not fit")
    # From here on the bytes are as we wrote them.
    length = int.from_bytes(body[:4], "little")
    header: dict[str, Any] = json.loads(bytes(body[4 : 4 + length]))
    arrays, at = {}, 4 + length
    for name, dtype, shape in header.pop("arrays"):
        n = int(np.prod(shape, dtype=np.int64))
        size = n * np.dtype(dtype).itemsize
        arrays[name] = np.frombuffer(body[at : at + size], dtype).reshape(shape)
        at += size
    return header, arrays

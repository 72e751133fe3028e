"""Plain data in a tagged encoding: what crosses between a program and the process that judges it.

A value is written as JSON in which every value but None, booleans and text carries a tag, so that a
tuple, a list, a set, an int and a float of equal content stay different:

    1         ["i", "1"]            [1, 2]    ["l", [...]]
    1.0       ["f", "1.0"]          (1, 2)    ["t", [...]]
    1j        ["c", "0.0", "1.0"]   {1: 2}    ["d", [[key, value], ...]]
    b"ab"     ["b", "6162"]         {1, 2}    ["s", [...]] and ["z", [...]] for a frozenset

Arrays, series and frames of numpy and pandas become `ArrayData`, `SeriesData` and `FrameData`,
numpy's scalars `ScalarData`; anything else becomes `Opaque`, the name of its type. Reading is
strict and builds nothing else: no pickle, no eval, no names looked up. So at worst a hostile
program sends a wrong value.

Both sides use this package, which imports only the standard library.
"""

from multiturn.sandbox.encoding.reader import MAX_MEMORY, decode, decode_text
from multiturn.sandbox.encoding.records import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    ArrayData,
    EncodingError,
    FrameData,
    Opaque,
    ScalarData,
    SeriesData,
)
from multiturn.sandbox.encoding.writer import encode

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_MEMORY",
    "MAX_NODES",
    "ArrayData",
    "EncodingError",
    "FrameData",
    "Opaque",
    "ScalarData",
    "SeriesData",
    "decode",
    "decode_text",
    "encode",
]

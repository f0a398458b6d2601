"""Lets extension modules of a newer Debian run with this machine's C library.

Usage: fit_libc.py FOLDER

A module that was linked against a newer C library names versions of functions
that this one does not have, and can't be loaded. Where the function itself is
there, an older version of it will do (in Python's own modules these are the
four that read and set a terminal's line speed): the module's wish is reduced
to the name. A module that wants a function that is not there is removed, as if
Python had been built without it.

The format: System V ABI, chapter "Object Files"; Linux Standard Base, "Symbol
Versioning". Each needed version is a record of 16 bytes (hash, flags, index,
name, next); each symbol has an index of two bytes, of which 1 means none.
"""

import ctypes
import os
import struct
import sys

DYNSYM, VERSIONS_NEEDED, SYMBOL_VERSIONS = 11, 0x6FFFFFFE, 0x6FFFFFFF
WEAK, UNVERSIONED = 2, 1


def sections(data):
    """Type, offset, size and linked section of each section of a 64-bit file."""
    start, = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for index in range(count):
        kind, _, _, offset, length, link = struct.unpack_from("<IQQQQI", data, start + index * size + 4)
        yield kind, offset, length, link


def text(data, offset):
    return data[offset : data.index(b"\0", offset)].decode()


def too_new(data, offset, count_end, strings, known):
    """Offset and index of each version of libc that is not known."""
    while True:
        _, count, _, first, following = struct.unpack_from("<HHIII", data, offset)
        entry = offset + first
        for _ in range(count):
            _, _, index, name, further = struct.unpack_from("<IHHII", data, entry)
            version = text(data, strings + name)
            if version.startswith("GLIBC_2.") and tuple(map(int, version[6:].split("."))) > known:
                yield entry, index & 0x7FFF
            entry += further
        if not following:
            return
        offset += following


def fit(path, known, libc):
    """Returns the function that is missing, if one is."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    table = list(sections(data))
    found = {kind: (offset, size, link) for kind, offset, size, link in table}
    if VERSIONS_NEEDED not in found or SYMBOL_VERSIONS not in found:
        return None
    offset, size, link = found[VERSIONS_NEEDED]
    wishes = list(too_new(data, offset, size, table[link][1], known))
    if not wishes:
        return None
    symbols, length, link = found[DYNSYM]
    indexes = {index for _, index in wishes}
    for number in range(length // 24):
        place = found[SYMBOL_VERSIONS][0] + 2 * number
        if struct.unpack_from("<H", data, place)[0] & 0x7FFF not in indexes:
            continue
        name = text(data, table[link][1] + struct.unpack_from("<I", data, symbols + 24 * number)[0])
        if not hasattr(libc, name):
            return name
        struct.pack_into("<H", data, place, UNVERSIONED)
    for entry, _ in wishes:
        struct.pack_into("<H", data, entry + 4, WEAK)
    with open(path, "wb") as file:
        file.write(data)
    return None


def main():
    folder = sys.argv[1]
    known = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")))
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        missing = fit(path, known, ctypes.CDLL(None))
        if missing:
            print(f"Python's module {name.split('.')[0]} is left out: it needs {missing}, which the stack lacks.")
            os.remove(path)


main()

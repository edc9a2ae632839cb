"""Zip archives that no honest program writes, for the tests of preparation. Each maker takes a path."""

import struct
import zipfile

from raw_sets import write_zip

ZEROS = bytes(2**20)


def patched(path, *changes):
    """Replace bytes in a file: pairs of old and new."""
    data = path.read_bytes()
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)


def directory_field(path, offset, form, *values):
    """Set fields of a zip's first central directory entry."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.index(b"PK\x01\x02") + offset, *values)
    path.write_bytes(data)


def zip_named(name):
    return lambda path: write_zip(path, {"images/1.png": b"x", name: b"x"})


def zip_backslash(path):
    # zipfile mends backslashes when it writes.
    patched(write_zip(path, {"..!a.png": b"x"}), (b"..!a", b"..\\a"))


def zip_nul(path):
    patched(write_zip(path, {"a.png!": b"x"}), (b"a.png!", b"a.png\0"))


def zip_mode(mode):
    def make(path):
        member = zipfile.ZipInfo("images/1.png")
        member.external_attr = mode << 16
        write_zip(path, {member: b"/etc/passwd"})

    return make


def zip_encrypted(path):
    directory_field(write_zip(path, {"a.png": b"x"}), 8, "<H", 1)


def zip_bzip2(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.png", ZEROS)


def zip_huge_member(path):
    directory_field(write_zip(path, {"a.png": b"x" * 100}), 24, "<L", 64 * 2**20 + 1)


def zip_lying_size(path):
    """50 MB that claim to be 4 MB: what is read does not grow, and the CRC does not fit."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", ZEROS * 50)
    directory_field(path, 24, "<L", 4 * 2**20)


def zip_members(declared):
    """300,000 members, as many as declared or not; some 200 MB if they were made objects of."""

    def make(path):
        write_zip(path, {"a": b""})
        data = path.read_bytes()
        start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
        entries = data[start:end] * 300_000
        # Numbers above 65,535 take the records of zip64.
        last = struct.pack(
            "<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, declared, declared, len(entries), start
        )
        last += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(entries), 1)
        last += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
        path.write_bytes(data[:start] + entries + last)

    return make


# what -> maker, what the message says
HOSTILE_ZIPS = {
    "zip: parent folder": (zip_named("../0.png"), "leads out of the archive"),
    "zip: parent folder within": (zip_named("images/../../0.png"), "leads out of the archive"),
    "zip: parent folder, no image": (zip_named("../.bashrc"), "leads out of the archive"),
    "zip: absolute": (zip_named("/etc/0.png"), "leads out of the archive"),
    "zip: drive": (zip_named("C:/0.png"), "leads out of the archive"),
    "zip: backslash": (zip_backslash, "leads out of the archive"),
    "zip: NUL": (zip_nul, "leads out of the archive"),
    "zip: encrypted": (zip_encrypted, "is encrypted"),
    "zip: bzip2": (zip_bzip2, "is packed by method 12"),
    "zip: member too large": (zip_huge_member, "has 67108865 bytes, at most 67108864"),
    "zip: lying size": (zip_lying_size, r"is no readable zip archive \(Bad CRC-32"),
}
# A list of members takes some 15 bytes of memory for each byte of the file, which python's zipfile reads.
HOSTILE_LISTS = {
    "zip: too many members": (zip_members(300_000), "has more than 200000 members"),
    "zip: too many members, not declared": (zip_members(1), "has more than 200000 members"),
}
# Members that are no plain files are not there.
ZIP_LINKS = {"zip: symbolic link": zip_mode(0o120777), "zip: device": zip_mode(0o020666)}

"""Tar archives that no honest program writes, for the tests of preparation. Each maker takes a path."""

import gzip
import tarfile

from raw_sets import write_tar

ZEROS = bytes(2**20)


def tar_named(name):
    return lambda path: write_tar(path, {"a.png": b"x", name: b"x"})


def tar_kind(kind, target="/etc/passwd"):
    def make(path):
        member = tarfile.TarInfo("images/1.png")
        member.type, member.linkname = kind, target
        write_tar(path, {"a.png": b"x", member: b""})

    return make


def tar_huge_member(path):
    """A member of 65 MB, and the archive ends behind its header."""
    header = tarfile.TarInfo("a.png")
    header.size = 65 * 2**20
    path.write_bytes(gzip.compress(header.tobuf() + bytes(512)))


def tar_negative_size(path):
    header = tarfile.TarInfo("a.png")
    header.size = -1024
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))


def tar_ratio(path):
    write_tar(path, {"notes.txt": ZEROS * 30, "a.png": b"x"})


def tar_long_attribute(path):
    """An attribute of 50 MB, which tarfile would take into memory."""
    member = tarfile.TarInfo("a.png")
    member.pax_headers = {"comment": "x" * (50 * 2**20)}
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member)


def tar_long_name(path):
    member = tarfile.TarInfo("a" * (5 * 2**20) + ".png")
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(member)


def tar_header_chain(path):
    """Headers that announce headers, without end."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XGLTYPE, 0
    path.write_bytes(gzip.compress(header.tobuf() * 20_000))


def tar_sparse(path):
    """Sixty gigabytes of holes in a member of no bytes."""
    member = tarfile.TarInfo("a.png")
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\x0000000000000\x00"
    header[483:495] = b"70000000000\x00"
    header[148:156] = b"%06o\x00 " % (sum(header[:148]) + 256 + sum(header[156:512]))
    path.write_bytes(bytes(header) + bytes(1024))


# what -> maker, what the message says. A name in .tgz may be packed or not: the file's first bytes tell.
HOSTILE_TARS = {
    "tar: parent folder": (tar_named("../0.png"), "leads out of the archive"),
    "tar: absolute": (tar_named("/images/0.png"), "leads out of the archive"),
    "tar: backslash": (tar_named("..\\0.png"), "leads out of the archive"),
    "tar: member too large": (tar_huge_member, "unpacks to more than .* has 68157440"),
    "tar: negative size": (tar_negative_size, "( has -1024|is no readable tar)"),
    "tar: ratio": (tar_ratio, "unpacks to more than .* has 31457280"),
    "tar: long attribute": (tar_long_attribute, "a header above 1048576 bytes"),
    "tar: long name": (tar_long_name, "a header above 1048576 bytes"),
    "tar: chain of headers": (tar_header_chain, "is no readable tar archive"),
    "tar: holes": (tar_sparse, "unpacks to more than "),
}
# Members that are no plain files are not there.
TAR_LINKS = {
    "tar: symbolic link": tar_kind(tarfile.SYMTYPE),
    "tar: hard link": tar_kind(tarfile.LNKTYPE, "a.png"),
    "tar: device": tar_kind(tarfile.CHRTYPE),
    "tar: pipe": tar_kind(tarfile.FIFOTYPE),
}

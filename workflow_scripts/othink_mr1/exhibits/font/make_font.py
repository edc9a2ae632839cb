"""Make StudySans.otf, the one font of all pictures: a part of Noto Sans CJK, under a name of its own.

    apt-get install fonts-noto-cjk
    python make_font.py /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

The name is its own so that no installed font is taken for it. Characters: Latin, Greek, signs of mathematics
and geometry, punctuation, and the 3,755 Chinese characters of GB 2312's first level.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection

NAME = "Study Sans"
FACE = "Noto Sans CJK SC"  # simplified Chinese, of the collection's faces
FILE = Path(__file__).with_name("StudySans.otf")
# Blocks from their first to their last character; those that Noto lacks are left out.
BLOCKS = (
    (0x20, 0x7E),
    (0xA0, 0x17F),  # Latin
    (0x370, 0x3FF),  # Greek
    (0x2010, 0x205E),  # punctuation
    (0x2070, 0x209F),  # superscripts and subscripts
    (0x20A0, 0x20BF),  # currencies
    (0x2100, 0x214F),  # letterlike
    (0x2150, 0x218F),  # fractions
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematical operators
    (0x2300, 0x23FF),  # technical, the arc ⌒ among them
    (0x2460, 0x24FF),  # enclosed numbers
    (0x25A0, 0x25FF),  # geometric shapes
    (0x2600, 0x26FF),
    (0x2700, 0x27BF),  # check marks
    (0x3000, 0x303F),  # Chinese punctuation
    (0xFF00, 0xFFEF),  # full-width forms
)
_HAN = "".join(
    bytes([row, place]).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for place in range(0xA1, 0xFF)
)


def main(collection: Path) -> None:
    """Write FILE from Debian's collection; the same collection gives the same bytes."""
    faces = TTCollection(collection).fonts
    font = next(face for face in faces if face["name"].getDebugName(1) == FACE)
    options = Options(hinting=False, notdef_outline=True)
    options.layout_features, options.name_IDs = ["kern", "liga", "ccmp", "locl"], [0, 13, 14]
    subsetter = Subsetter(options)
    wanted = {code for first, last in BLOCKS for code in range(first, last + 1)} | set(map(ord, _HAN))
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    for number, text in ((1, NAME), (2, "Regular"), (3, f"{NAME} 1"), (4, NAME), (6, "StudySans")):
        font["name"].setName(text, number, 3, 1, 0x409)
    font["CFF "].cff.fontNames = ["StudySans"]
    font["head"].created = font["head"].modified
    font.recalcTimestamp = False
    font.save(FILE, reorderTables=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

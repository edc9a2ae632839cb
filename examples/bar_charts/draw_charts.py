"""Draw bar charts with a question each, into data/ beside this file.

Any program will do, or none: what counts are the files, a picture each and a line of json (docs/data.md).
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "data"
COLOURS = {"red": "#c33", "blue": "#27c", "green": "#2a4", "yellow": "#db2", "purple": "#84a"}
SIDE, UNIT = 112, 10  # pixels: of the picture, of a bar's unit
ITEMS = {"train": 600, "test": 100}


def main() -> None:
    for split, items in ITEMS.items():
        rng = random.Random(split)
        (FOLDER / split).mkdir(parents=True, exist_ok=True)
        lines = []
        for number in range(items):
            bars = {colour: rng.randint(1, 9) for colour in rng.sample(sorted(COLOURS), rng.randint(3, 5))}
            file = f"{split}/{number}.png"
            draw(bars).save(FOLDER / file)
            lines.append(json.dumps({"picture": file, **asked(bars, rng.choice(list(bars)))}))
        (FOLDER / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def draw(bars: dict[str, int]) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(image)
    for unit in range(10):
        pen.line((8, SIDE - 8 - UNIT * unit, SIDE - 4, SIDE - 8 - UNIT * unit), fill="#ddd")
    for place, (colour, height) in enumerate(bars.items()):
        left = 14 + 19 * place
        pen.rectangle((left, SIDE - 8 - UNIT * height, left + 12, SIDE - 8), fill=COLOURS[colour])
    return image


def asked(bars: dict[str, int], colour: str) -> dict[str, str | int]:
    higher = [name for name, height in bars.items() if height > bars[colour]]
    listed = ", ".join(f"{name} {height}" for name, height in bars.items())
    return {
        "question": f"How many bars are higher than the {colour} one?",
        "answer": len(higher),
        "why": f"{listed}: {len(higher)} above {bars[colour]}.",
    }


if __name__ == "__main__":
    main()

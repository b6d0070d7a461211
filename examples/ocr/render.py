#!/usr/bin/python3
"""Draws the demonstration's image: one line of text, black on white, 48 pixels high.

usage: render.py [TEXT] [IMAGE.png]

Needs Debian's python3-pil and fonts-dejavu-core. The result is committed, so that nothing here
runs when the demonstration does.
"""

import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
FONT_PIXELS = 32
HEIGHT = 48
MARGIN = 8


def render(text):
    font = ImageFont.truetype(FONT, FONT_PIXELS)
    left, _, right, _ = font.getbbox(text)
    image = Image.new("RGB", (right - left + 2 * MARGIN, HEIGHT), "white")
    # Anchored on the baseline: the line stands equally high whether or not letters descend.
    ImageDraw.Draw(image).text((MARGIN - left, 35), text, fill="black", font=font, anchor="ls")
    return image


def main(arguments):
    folder = pathlib.Path(__file__).parent
    text = arguments[0] if arguments else (folder / "expected.txt").read_text().rstrip("\n")
    path = arguments[1] if len(arguments) > 1 else folder / "line.png"
    render(text).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Draws RetroSync's icon as a PNG: two arrows that follow each other around a direction pad.

    python3 package/icon.py FILE [SIZE]

Only the standard library; the same bytes for the same size, wherever it runs.
"""

import math
import struct
import sys
import zlib

TEAL, CREAM, INK = (38, 166, 154), (250, 244, 227), (33, 53, 71)
SAMPLES = 4  # a side, in each pixel


def inside_round_box(x, y, half, radius):
    dx, dy = max(abs(x) - half + radius, 0), max(abs(y) - half + radius, 0)
    return math.hypot(dx, dy) <= radius


def on_arrow(x, y, start):
    """A ring's arc of 130 degrees that begins at `start`, with a head at its end."""
    angle = (math.degrees(math.atan2(y, x)) - start) % 360
    distance = math.hypot(x, y)
    if angle <= 115 and 0.56 <= distance <= 0.74:
        return True
    # The head: a triangle along the ring, as wide as the arc is long to its tip.
    along = angle - 115
    return 0 <= along <= 32 and abs(distance - 0.65) <= 0.19 * (1 - along / 32)


def colour(x, y):
    """What is at that point; x and y from -1 to 1, y down. `None`: nothing."""
    if not inside_round_box(x, y, 0.98, 0.34):
        return None
    if on_arrow(x, y, -70) or on_arrow(x, y, 110):
        return CREAM
    if min(abs(x), abs(y)) <= 0.115 and max(abs(x), abs(y)) <= 0.34:
        return CREAM if math.hypot(x, y) > 0.07 else TEAL
    return INK if math.hypot(x, y) <= 0.46 else TEAL


def pixel(column, row, size):
    points = [
        colour(
            (column + (i + 0.5) / SAMPLES) / size * 2 - 1,
            (row + (j + 0.5) / SAMPLES) / size * 2 - 1,
        )
        for j in range(SAMPLES)
        for i in range(SAMPLES)
    ]
    seen = [point for point in points if point]
    if not seen:
        return bytes(4)
    mean = [round(sum(point[c] for point in seen) / len(seen)) for c in range(3)]
    return bytes(mean + [round(255 * len(seen) / len(points))])


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def main():
    path, size = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 128
    rows = b"".join(
        b"\0" + b"".join(pixel(column, row, size) for column in range(size)) for row in range(size)
    )
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


main()

"""Paints what `doorward serve --demo` shows: images, a film and a chord.

Needs Python 3 with numpy and Pillow, and ffmpeg. Writes into ../demo, always the
same pictures. Run it only to change them: the results are checked in.
"""

import pathlib
import subprocess
import sys
import zipfile

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1200, 800
DEMO = pathlib.Path(__file__).resolve().parent.parent / "demo"


def colour(text):
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64) / 255


def gradient(stops, t):
    """Colours of `t` (0 to 1) between evenly spaced stops."""
    stops = np.array([colour(stop) for stop in stops])
    at = np.clip(t, 0, 1) * (len(stops) - 1)
    low = np.clip(np.floor(at).astype(int), 0, len(stops) - 2)
    part = (at - low)[..., None]
    part = part * part * (3 - 2 * part)
    return stops[low] * (1 - part) + stops[low + 1] * part


def smooth(rng, count, size):
    """Values between random knots, as long as `size`."""
    knots = rng.random(count + 3)
    at = np.linspace(0, count, size)
    low = at.astype(int)
    part = at - low
    part = part * part * (3 - 2 * part)
    return knots[low] * (1 - part) + knots[low + 1] * part


def ridge(rng, size, knots, octaves=5, rough=0.48):
    line, weight, total = np.zeros(size), 1.0, 0.0
    for octave in range(octaves):
        line += weight * smooth(rng, knots * 2**octave, size)
        total += weight
        weight *= rough
    return line / total


def field(rng, width, height, cells, octaves=3):
    """Smooth noise in two dimensions, 0 to 1."""
    out, weight = np.zeros((height, width)), 1.0
    for octave in range(octaves):
        n = cells * 2**octave
        knots = rng.random((n + 3, n + 3))
        y, x = np.linspace(0, n, height), np.linspace(0, n, width)
        iy, ix = y.astype(int), x.astype(int)
        fy, fx = (y - iy)[:, None], (x - ix)[None, :]
        fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
        a, b = knots[np.ix_(iy, ix)], knots[np.ix_(iy, ix + 1)]
        c, d = knots[np.ix_(iy + 1, ix)], knots[np.ix_(iy + 1, ix + 1)]
        out += weight * ((a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy)
        weight *= 0.5
    out -= out.min()
    return out / out.max()


def axes(width=WIDTH, height=HEIGHT):
    return np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))


def sky(stops, until=0.75, width=WIDTH, height=HEIGHT):
    _, y = axes(width, height)
    return gradient(stops, y / until)


def glow(canvas, x0, y0, radius, tint, strength=0.9, halo=5.0):
    height, width, _ = canvas.shape
    x, y = axes(width, height)
    far = np.hypot((x - x0) * width / height, y - y0)
    disc = np.clip((radius - far) * height / 2 + 0.5, 0, 1)[..., None]
    ring = np.exp(-((far / (radius * halo)) ** 1.3))[..., None] * strength * 0.55
    tint = colour(tint)
    canvas[:] = canvas * (1 - ring) + tint * ring
    canvas[:] = canvas * (1 - disc * strength) + (tint * 0.25 + 0.75) * disc * strength


def hills(canvas, rng, layers, far, near, top, bottom, mist, knots=3, rise=0.22, shift=0.0, sharp=False):
    height, width, _ = canvas.shape
    _, y = axes(width, height)
    for layer in range(layers):
        depth = layer / max(layers - 1, 1)
        line = ridge(rng, width * 2, knots + layer, 6 if sharp else 4, 0.55 if sharp else 0.42)
        if sharp:
            line = 1 - np.abs(line * 2 - 1)
        start = int(shift * (0.15 + depth) * width) % width
        line = line[start : start + width]
        base = top + (bottom - top) * depth
        edge = base - line * rise * (0.55 + 0.45 * depth)
        below = y - edge[None, :]
        mask = np.clip(below * height + 0.5, 0, 1)[..., None]
        body = colour(far) * (1 - depth) + colour(near) * depth
        haze = np.clip(below / 0.22, 0, 1)[..., None] * (1 - depth) * 0.55
        fill = body * (1 - haze) + colour(mist) * haze
        canvas[:] = canvas * (1 - mask) + fill * mask


def stars(canvas, rng, count, until):
    height, width, _ = canvas.shape
    for _ in range(count):
        x, y = int(rng.random() * (width - 2)), int(rng.random() ** 1.4 * height * until)
        canvas[y : y + 2, x : x + 2] += 0.1 + 0.5 * rng.random() ** 3


def dawn():
    rng = np.random.default_rng(11)
    canvas = sky(["#27355c", "#7a6a94", "#e59a83", "#fbdcaa"])
    glow(canvas, 0.66, 0.47, 0.055, "#ffd9a0")
    hills(canvas, rng, 6, "#b88a98", "#1d2139", 0.66, 1.02, "#f3c3a2")
    return canvas


def blue_hour():
    rng = np.random.default_rng(23)
    canvas = sky(["#0d1b3a", "#21457a", "#5f8fb8", "#cfe0e6"])
    stars(canvas, rng, 90, 0.35)
    glow(canvas, 0.24, 0.2, 0.032, "#f4f1de", 0.95, 3.5)
    hills(canvas, rng, 6, "#7fa3bd", "#0b1526", 0.62, 1.0, "#b9d2dd", knots=4, rise=0.3, sharp=True)
    return canvas


def dunes():
    rng = np.random.default_rng(5)
    canvas = sky(["#5c93b5", "#a9cbd0", "#f6e3bd"], 0.6)
    glow(canvas, 0.8, 0.2, 0.04, "#fff1c9", 0.9, 6)
    hills(canvas, rng, 5, "#e8bf86", "#8d4a2b", 0.58, 1.04, "#f7deb0", knots=1, rise=0.24)
    return canvas


def moonlit_sea():
    rng = np.random.default_rng(31)
    canvas = sky(["#0a1024", "#18284f", "#48608a", "#a3a7b8"], 0.62)
    stars(canvas, rng, 140, 0.4)
    glow(canvas, 0.5, 0.33, 0.06, "#fbf3d6", 0.96, 4)
    hills(canvas, rng, 2, "#3a4c70", "#1c2947", 0.60, 0.63, "#8fa0b8", knots=3, rise=0.12)
    x, y = axes()
    sea = np.clip((y - 0.62) / 0.38, 0, 1)
    water = gradient(["#5c7394", "#22365c", "#0b142b"], sea)
    ripple = ridge(rng, HEIGHT, 60, 3)[:, None] * 0.7 + 0.3
    band = np.exp(-(((x - 0.5) / (0.03 + 0.16 * sea)) ** 2)) * ripple * (1 - 0.55 * sea)
    broken = (np.sin(y * 520 + np.sin(x * 30) * 2) * 0.5 + 0.5) ** 2
    water += (band * (0.25 + 0.75 * broken))[..., None] * colour("#fbf3d6") * 0.75
    mask = np.clip((y - 0.62) * HEIGHT, 0, 1)[..., None]
    return canvas * (1 - mask) + water * mask


def aurora():
    rng = np.random.default_rng(47)
    canvas = sky(["#050a1c", "#0a1a33", "#12364a", "#1f5a5a"], 0.85)
    stars(canvas, rng, 260, 0.65)
    x, y = axes()
    for number, tint in enumerate(["#37e2a0", "#4fd8c4", "#8a6cf0"]):
        line = 0.46 - 0.1 * number + 0.16 * (ridge(rng, WIDTH, 3, 3) - 0.5)
        up = line[None, :] - y
        curtain = np.where(up > 0, np.exp(-up / 0.17), np.exp(up / 0.018))
        folds = 0.35 + 0.65 * ridge(rng, WIDTH, 14, 3)[None, :] ** 2
        canvas += (curtain * folds * (0.55 - 0.1 * number))[..., None] * colour(tint)
    hills(canvas, rng, 4, "#12313c", "#03070d", 0.72, 1.0, "#1f5a5a", knots=5, rise=0.2, sharp=True)
    return canvas


def autumn():
    rng = np.random.default_rng(61)
    canvas = sky(["#9db8c4", "#dcd9c6", "#f6e7cf"], 0.55)
    glow(canvas, 0.3, 0.26, 0.045, "#fff3d4", 0.85, 6)
    hills(canvas, rng, 7, "#c9b79c", "#4b2216", 0.5, 1.05, "#efd9b4", knots=2, rise=0.2)
    return canvas


def snow():
    rng = np.random.default_rng(83)
    canvas = sky(["#7fa8cf", "#bcd5e8", "#f4f1ee"], 0.7)
    hills(canvas, rng, 3, "#a9bdd2", "#5d7796", 0.62, 0.86, "#eef3f6", knots=3, rise=0.36, sharp=True)
    hills(canvas, rng, 3, "#dfe9f1", "#ffffff", 0.84, 1.08, "#ffffff", knots=2, rise=0.14)
    return canvas


def contours():
    rng = np.random.default_rng(7)
    height = field(rng, WIDTH, HEIGHT, 3, 2)
    canvas = gradient(["#f3ecdd", "#e3d3b1", "#c9a86a", "#7f8f62", "#3c5a52"], height)
    level = height * 18
    slope = np.hypot(*np.gradient(level)) + 1e-6
    line = np.clip(1.4 - np.abs(level - np.round(level)) / slope, 0, 1)[..., None]
    return canvas * (1 - line * 0.55) + colour("#2b2a24") * line * 0.55


def tiles():
    rng = np.random.default_rng(19)
    scale, cell = 2, 200
    width, height = WIDTH * scale, HEIGHT * scale
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    turn = rng.random((height // cell + 1, width // cell + 1)) < 0.5
    flip = turn[y // cell, x // cell]
    u, v = (x % cell) / cell, (y % cell) / cell
    u = np.where(flip, 1 - u, u)
    near = np.minimum(np.hypot(u, v), np.hypot(1 - u, 1 - v))
    canvas = np.ones((height, width, 3)) * colour("#16233b")
    for outer, inner, tint in [(0.66, 0.34, "#c89b4a"), (0.60, 0.40, "#f3ecdd"), (0.54, 0.46, "#3f7d6e")]:
        mask = ((near < outer) & (near > inner))[..., None]
        canvas = np.where(mask, colour(tint), canvas)
    return canvas.reshape(HEIGHT, scale, WIDTH, scale, 3).mean(axis=(1, 3))


def silk():
    rng = np.random.default_rng(29)
    x, y = axes()
    warp = field(rng, WIDTH, HEIGHT, 2, 3)
    fold = np.sin((x * 1.6 + y * 0.9 + warp * 1.6) * 7) * 0.5 + 0.5
    canvas = gradient(["#1b2a49", "#355c7d", "#8f6c9b", "#e08e79", "#f8d49b"], fold * 0.75 + warp * 0.25)
    return canvas * (0.9 + 0.1 * np.sin(fold * np.pi))[..., None]


def rings():
    x, y = axes(WIDTH * 2, HEIGHT * 2)
    canvas = np.ones((HEIGHT * 2, WIDTH * 2, 3)) * colour("#efe6d5")
    shades = ["#d1495b", "#edae49", "#00798c", "#30638e", "#003d5b", "#c89b4a"]
    places = [(0.26, 0.46, 0.42), (0.74, 0.6, 0.48), (0.55, 0.2, 0.22)]
    for number, (x0, y0, size) in enumerate(places):
        far = np.hypot((x - x0) * 1.5, y - y0)
        for step in range(5):
            mask = (far < size * (1 - step * 0.19))[..., None]
            canvas = np.where(mask, colour(shades[(step + number * 2) % 6]), canvas)
    return canvas.reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))


def weave():
    x, y = axes()
    wave = np.sin(x * 26 + np.sin(y * 5) * 2.2) * np.sin(y * 18 + np.cos(x * 4) * 2)
    tone = wave * 0.32 + 0.5 + (x - y) * 0.22
    return gradient(["#102a2c", "#1f5f5b", "#6fa287", "#d9c98f", "#f7efda"], tone)


def save(canvas, path, quality=84):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(canvas, 0, 1) * 255
    # A touch of noise keeps wide gradients from banding; PNGs do without.
    if path.suffix == ".jpg":
        pixels += np.random.default_rng(1).normal(0, 0.8, pixels.shape[:2])[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if path.suffix == ".png":
        image.quantize(32, dither=Image.Dither.NONE).save(path, optimize=True)
    else:
        image.save(path, quality=quality, optimize=True, progressive=True)
    print(path.relative_to(DEMO), path.stat().st_size)


def film(folder):
    width, height, rate, seconds = 640, 360, 24, 10
    frames = []
    for number in range(rate * seconds):
        t = number / (rate * seconds)
        canvas = sky(["#27355c", "#7a6a94", "#e59a83", "#fbdcaa"], 0.8, width, height)
        glow(canvas, 0.2 + 0.55 * t, 0.56 - 0.3 * np.sin(np.pi * (0.15 + 0.7 * t)), 0.06, "#ffd9a0")
        hills(canvas, np.random.default_rng(11), 5, "#b88a98", "#1d2139", 0.68, 1.02, "#f3c3a2", shift=t * 0.55)
        frames.append((np.clip(canvas, 0, 1) * 255).astype(np.uint8).tobytes())
    chord(folder / "chord.wav", seconds)
    picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
    start = ["ffmpeg", "-nostdin", "-v", "error", "-y", *picture, "-i", str(folder / "chord.wav"), "-map_metadata", "-1"]
    mp4 = ["-c:v", "libx264", "-preset", "slow", "-crf", "27", "-g", "48", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart"]
    webm = ["-c:v", "libvpx", "-b:v", "160k", "-g", "48", "-deadline", "good", "-cpu-used", "2", "-c:a", "libopus", "-b:a", "48k"]
    for name, how in [("sunrise.mp4", mp4), ("sunrise.webm", webm)]:
        command = [word for word in start if word != "-nostdin"] + how + [str(folder / name)]
        subprocess.run(command, input=b"".join(frames), check=True)
        print(name, (folder / name).stat().st_size)
    song = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(folder / "chord.wav"), "-map_metadata", "-1", "-c:a", "libmp3lame", "-b:a", "80k"]
    subprocess.run([*song, str(folder / "chord.mp3")], check=True)
    print("chord.mp3", (folder / "chord.mp3").stat().st_size)
    (folder / "chord.wav").unlink()


def chord(path, seconds):
    import wave

    rate = 44_100
    t = np.arange(rate * seconds) / rate
    sound = np.zeros_like(t)
    for start, notes in [(0, (220, 277.18, 329.63)), (2.5, (196, 246.94, 293.66)), (5, (174.61, 220, 261.63)), (7.5, (220, 277.18, 440))]:
        own = np.clip(t - start, 0, None)
        shape = np.where(t >= start, np.minimum(own * 6, 1) * np.exp(-own * 0.9), 0)
        for note in notes:
            sound += shape * (np.sin(2 * np.pi * note * t) + 0.3 * np.sin(4 * np.pi * note * t))
    sound = sound / np.abs(sound).max() * 0.6
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((sound * 32_767).astype("<i2").tobytes())


def archive(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in [
            ("keys/README.md", "# Keys\n\nThere are none in here.\n"),
            ("keys/2026/front-door.txt", "Under the mat.\n" * 40),
            ("keys/2026/back-door.txt", "There is no back door.\n" * 40),
            ("plans/ground-floor.csv", "room,doors\n" + "".join(f"room {n},{n % 4 + 1}\n" for n in range(60))),
        ]:
            entry = zipfile.ZipInfo(name, (2026, 11, 23, 12, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, text)


def main():
    for name, paint in [
        ("aurora.jpg", aurora),
        ("autumn.jpg", autumn),
        ("blue-hour.jpg", blue_hour),
        ("dawn.jpg", dawn),
        ("dunes.jpg", dunes),
        ("moonlit-sea.jpg", moonlit_sea),
        ("snow.jpg", snow),
    ]:
        save(paint(), DEMO / "Landscapes" / name)
    for name, paint in [("contours.png", contours), ("rings.png", rings), ("silk.jpg", silk), ("tiles.png", tiles), ("weave.jpg", weave)]:
        save(paint(), DEMO / "Patterns" / name)
    if "--stills" in sys.argv:
        return
    (DEMO / "Clips").mkdir(exist_ok=True)
    film(DEMO / "Clips")
    (DEMO / "Documents").mkdir(exist_ok=True)
    archive(DEMO / "Documents" / "keys.zip")


main()

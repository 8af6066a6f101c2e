"""What the sweep over a folder of pictures and PDFs came to, beside Pillow and qpdf (docs/PHOTOS.md).

    python3 tests/corpora/compare.py FOLDER OUT sweep.tsv > differs.tsv

Needs Pillow (with pillow-heif where HEIC counts) and qpdf. Prints a line for each file that the two sides judge
differently, and the counts to the standard error.
"""

import collections
import io
import subprocess
import sys
import warnings

try:
    from pillow_heif import register_heif_opener

    register_heif_opener()
except ImportError:
    pass
from PIL import Image, ImageCms, ImageOps

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 220_000_000
# Mean difference of a colour, of 255, that is more than another way to shrink and pack.
ALIKE = 8.0


def upright_srgb(path):
    """The picture as Pillow sees it: upright, in sRGB, on white."""
    picture = Image.open(path)
    profile = picture.info.get("icc_profile")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = picture.point(lambda v: v / 256).convert("L")
    if picture.mode in ("P", "PA", "LA", "RGBA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except ImageCms.PyCMSError:
            pass
    return picture.convert("RGB")


def pages(path):
    ran = subprocess.run(["qpdf", "--show-npages", path], capture_output=True, timeout=60)
    if b"invalid password" in ran.stderr:
        return "locked"
    return f"pages {int(ran.stdout)}" if ran.returncode in (0, 3) and ran.stdout.strip().isdigit() else None


def difference(ours, theirs):
    small = (min(256, ours.width), min(256, ours.height))
    a, b = (p.resize(small, Image.BOX).tobytes() for p in (ours, theirs.resize(ours.size, Image.BOX)))
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def judge(folder, out, number, name, said):
    path = f"{folder}/{name}"
    if name.lower().endswith(".pdf"):
        theirs = pages(path)
        if said.startswith(("pages", "locked")):
            return ("pdf, the same" if said == theirs else "pdf, otherwise", str(theirs))
        return ("pdf, neither" if theirs is None else "pdf, only qpdf", str(theirs))
    try:
        theirs = upright_srgb(path)
    except Exception as error:  # Whatever the file makes of Pillow.
        return ("only ours" if said[0].isdigit() else "neither", type(error).__name__)
    if not said[0].isdigit():
        kind = {"photo-format": "left to the browser", "photo-heic": "left to the browser"}.get(said, "only Pillow")
        return (kind, f"{theirs.width}x{theirs.height}")
    ours = Image.open(f"{out}/{number}.jpg").convert("RGB")
    if abs(ours.width * theirs.height - ours.height * theirs.width) > 2 * max(theirs.size + ours.size):
        return ("another shape", f"{theirs.width}x{theirs.height}")
    apart = difference(ours, theirs)
    return ("the same" if apart <= ALIKE else "other colours", f"{apart:.1f}")


def main():
    folder, out, sweep = sys.argv[1:4]
    counts = collections.Counter()
    for line in open(sweep, encoding="utf-8"):
        number, name, said, ms = line.rstrip("\n").split("\t")
        kind, theirs = judge(folder, out, number, name, said)
        counts[kind] += 1
        if kind not in ("the same", "neither", "left to the browser", "pdf, the same", "pdf, neither") or int(ms) > 5000:
            print(kind, name, said, theirs, ms, sep="\t")
    for kind, count in sorted(counts.items()):
        print(f"{count:6} {kind}", file=sys.stderr)


main()

"""Files that producers upload, made here: a deck as PDF and a picture, each of plain colours, a short clip and a tone."""

import subprocess


def make_pdf(colours, width=960, height=540):
    """Returns a PDF with a page for each colour (red, green, blue from 0 to 255), written by hand after ISO 32000-1."""
    count = len(colours)
    objects = {1: "<< /Type /Catalog /Pages 2 0 R >>"}
    kids = " ".join(f"{3 + 2 * index} 0 R" for index in range(count))
    objects[2] = f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"
    for index, colour in enumerate(colours):
        drawing = " ".join(f"{channel / 255:.4f}" for channel in colour) + f" rg 0 0 {width} {height} re f"
        objects[3 + 2 * index] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Resources << >> /Contents {4 + 2 * index} 0 R >>"
        )
        objects[4 + 2 * index] = f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream"
    text, offsets = "%PDF-1.4\n", []
    for number in sorted(objects):
        offsets.append(len(text))
        text += f"{number} 0 obj\n{objects[number]}\nendobj\n"
    table = len(text)
    text += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    text += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n"
    return text.encode("latin-1")


def make_png(colour, width=640, height=360):
    """Returns a picture of one colour."""
    source = "color=0x{:02x}{:02x}{:02x}:size={}x{}".format(*colour, width, height)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", "rgb24",
         "-c:v", "png", "-f", "image2pipe", "-"],
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout


def make_clip(path, seconds, size="320x180", rate=10):
    """Makes an MP4 of one colour with a tone, as cheap to play as can be, and returns its path."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", f"color=0x204080:s={size}:r={rate}:d={seconds}",
         "-f", "lavfi", "-i", f"sine=440:r=48000:d={seconds}", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
         "-c:a", "aac", "-movflags", "+faststart", path],
        timeout=60, check=True,
    )  # fmt: skip
    return path


def make_tone(path, frequency, seconds, level=0.25):
    """Makes a file of a tone alone, in the kind that its name says, and returns its path."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi",
         "-i", f"aevalsrc='{level}*sin(2*PI*{frequency}*t)|{level}*sin(2*PI*{frequency}*t)':s=48000:d={seconds}", path],
        timeout=60, check=True,
    )  # fmt: skip
    return path

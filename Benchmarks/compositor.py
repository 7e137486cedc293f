"""What composing costs, side by side with ffmpeg's filter graph and GStreamer, on the same inputs and x264 settings.

Makes four 720p30 cameras with sound, a background, a slide and a lower third with transparency, and runs each job of each
contestant by turns: decoding only, composing too, and the whole job with sound and x264 veryfast. CPU seconds, user and system,
count, not time: the medians of the runs. Then the pictures of all three are compared with a floating point reference.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BINARY = os.environ.get("PROSCENIUM_BINARY", str(REPOSITORY / ".build/release/proscenium"))
FPS = 30
PACKAGES = "ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x"  # fmt: skip
ELEMENTS = "compositor videoconvert videoscale imagefreeze pngdec matroskademux vp8dec opusdec audiomixer avenc_aac x264enc flvmux"  # fmt: skip
CAMERAS = [(1440, 40), (1440, 300), (1440, 560), (1440, 820)]


class Failure(Exception):
    """What the benchmark ends with when there is nothing to measure."""


def missing():
    """Returns what has to be installed first."""
    gone = [tool for tool in ("ffmpeg", "gst-launch-1.0", "gst-inspect-1.0") if shutil.which(tool) is None]
    if not gone:
        gone = [name for name in ELEMENTS.split() if subprocess.run(["gst-inspect-1.0", "--exists", name]).returncode != 0]
    return gone


def quiet(command, **more):
    """Runs a command that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        raise Failure(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    return done.stdout


def make_inputs(folder, seconds):
    """Makes the files that are composed."""
    ffmpeg = ["ffmpeg", "-v", "error", "-y"]
    for number in range(1, 5):
        # Moving shapes with grain, each camera in another colour and with a voice of its own.
        quiet(ffmpeg + [
            "-f", "lavfi", "-i", f"testsrc2=s=1280x720:r={FPS}:d={seconds},hue=h={number * 70},noise=alls=4:allf=t",
            # Opus begins before its first sample; a little later, so that the pictures begin at 0.
            "-itsoffset", "0.02", "-f", "lavfi", "-i", f"sine=f={180 * number}:r=48000:d={seconds}",
            "-c:v", "libvpx", "-b:v", "1200k", "-deadline", "realtime", "-cpu-used", "8", "-g", "120", "-pix_fmt", "yuv420p",
            "-c:a", "libopus", "-b:a", "48k", "-ac", "2", str(folder / f"s{number}.webm"),
        ])  # fmt: skip
    picture, one = ffmpeg + ["-f", "lavfi", "-i"], ["-frames:v", "1"]
    quiet(picture + ["gradients=s=1920x1080:c0=0x102040:c1=0x406080:x0=0:y0=0:x1=1919:y1=1079:n=2", *one, str(folder / "bg.png")])
    font = "fontfile=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
    lines = ",".join(
        f"drawbox=x=90:y={120 + 70 * row}:w={1000 - 60 * row}:h=10:color=0x{30 + 20 * row:02x}40a0:t=fill,"
        f"drawtext={font}:x=90:y={138 + 70 * row}:fontsize={20 + 2 * row}:fontcolor=0x202020:"
        f"text='What is written small has to stay sharp - line {row + 1} of eight'"
        for row in range(8)
    )
    quiet(picture + [f"color=c=0xf8f8f2:s=1280x720,{lines}", *one, str(folder / "slide.png")])
    quiet(picture + [
        "color=c=0x1b3a8f:s=1376x120,format=rgba,drawbox=x=40:y=30:w=700:h=24:color=0xffffff:t=fill,"
        "drawbox=x=40:y=72:w=420:h=16:color=0xffd040:t=fill,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='230*(1-X/W)+12'",
        *one, "-pix_fmt", "rgba", str(folder / "lt.png"),
    ])  # fmt: skip


def measured(command, folder):
    """Runs a command and returns its CPU seconds, user and system, its largest memory in MB, and what it wrote."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            raise Failure(f"{command[0]} ended with {child.returncode}: {errors.read().decode(errors='replace')[-800:]}")
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode(errors="replace")


class FFmpeg:
    """The filter graph as somebody who knows ffmpeg would write it: stills decoded once, cameras never in RGB."""

    name = "ffmpeg"

    @staticmethod
    def command(job, seconds, output=None):
        """Returns the command of a job: decode, compose, whole, or pictures into a file."""
        start = ["ffmpeg", "-v", "error", "-nostats", "-y"]
        cameras = [part for number in range(1, 5) for part in ("-threads", "1", "-i", f"s{number}.webm")]
        if job == "decode":
            ends = [part for number in range(4) for part in ("-map", f"{number}:v", "-t", str(seconds), "-f", "null", "-")]
            return start + cameras + ends
        loop = "loop=loop=-1:size=1:start=0,setpts=N/30/TB"
        matrix = "out_color_matrix=bt709:out_range=tv"
        graph = (
            f"[0:v]scale={matrix},format=yuv420p,{loop}[bg];"
            f"[1:v]scale=1376:774:flags=bilinear:{matrix},format=yuv420p,{loop}[sl];"
            f"[2:v]scale={matrix},format=yuva420p,{loop}[lt];"
        )
        # WebM's stamps are whole milliseconds: without new ones a third of the pictures would show one too late.
        graph += "".join(f"[{3 + n}:v]settb=1/{FPS},setpts=N,scale=448:252:flags=bilinear[c{n}];" for n in range(4))
        graph += "[bg][sl]overlay=32:120:format=yuv420:eval=init[o0];"
        for n, (x, y) in enumerate(CAMERAS):
            graph += f"[o{n}][c{n}]overlay={x}:{y}:format=yuv420:eval=init[o{n + 1}];"
        graph += "[o4][lt]overlay=32:900:format=yuv420:eval=init,format=yuv420p[v]"
        if job == "whole":
            graph += ";" + "".join(f"[{3 + n}:a]" for n in range(4)) + "amix=inputs=4:normalize=0,volume=0.5[a]"
        stills = [part for name in ("bg", "slide", "lt") for part in ("-framerate", str(FPS), "-i", f"{name}.png")]
        command = start + ["-filter_complex_threads", "1"] + stills + cameras
        command += ["-filter_complex", graph, "-map", "[v]", "-t", str(seconds), "-r", str(FPS)]
        if job == "pictures":
            return command + ["-f", "rawvideo", "-pix_fmt", "yuv420p", output]
        if job == "compose":
            return command + ["-f", "null", "-"]
        return command + [
            "-map", "[a]", "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
            "-c:v", "libx264", "-preset", "veryfast", "-b:v", "4500k", "-maxrate", "4500k", "-bufsize", "4500k",
            "-x264-params", "nal-hrd=cbr:force-cfr=1", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "0",
            "-threads", "2", "-c:a", "aac", "-b:a", "128k", "-f", "flv", output,
        ]  # fmt: skip


class GStreamer:
    """The compositor with AYUV, because a lower third with transparency links to nothing less."""

    name = "GStreamer"

    @staticmethod
    def command(job, seconds, output=None):
        """Returns the command of a job, as for ffmpeg."""
        frames = seconds * FPS
        start = ["gst-launch-1.0", "-q"]
        if job == "decode":
            return start + " ".join(
                f"filesrc location=s{n}.webm ! matroskademux ! vp8dec threads=1 ! fakesink sync=false" for n in range(1, 5)
            ).split()
        pads = "sink_0::zorder=0 sink_1::xpos=32 sink_1::ypos=120 sink_1::zorder=1 "
        for n, (x, y) in enumerate(CAMERAS):
            pad = f"sink_{n + 2}::"
            pads += f"{pad}xpos={x} {pad}ypos={y} {pad}width=448 {pad}height=252 {pad}zorder={n + 2} "
        pads += "sink_6::xpos=32 sink_6::ypos=900 sink_6::zorder=6"
        text = f"compositor name=c background=black start-time-selection=zero {pads}"
        text += f" ! video/x-raw,format=AYUV,width=1920,height=1080,framerate={FPS}/1"
        if job == "compose":
            text += " ! fakesink sync=false"
        elif job == "pictures":
            text += f" ! videoconvert ! video/x-raw,format=I420 ! identity eos-after={frames + 1} ! filesink location={output}"
        else:
            text += (
                " ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast bitrate=4500 vbv-buf-capacity=1000"
                " key-int-max=60 bframes=0 threads=2 option-string=scenecut=0:nal-hrd=cbr ! video/x-h264,profile=high"
                f" ! h264parse ! queue ! flvmux name=m streamable=true ! filesink location={output}"
                " audiomixer name=a ! audioconvert ! avenc_aac bitrate=128000 ! aacparse ! queue ! m."
            )
        still = f"imagefreeze num-buffers={frames} ! video/x-raw,framerate={FPS}/1 ! queue"
        ayuv = "video/x-raw,format=AYUV,colorimetry=bt709"
        text += f" filesrc location=bg.png ! pngdec ! videoconvert ! {ayuv} ! {still} ! c.sink_0"
        text += f" filesrc location=slide.png ! pngdec ! videoconvert ! videoscale ! {ayuv},width=1376,height=774 ! {still} ! c.sink_1"
        for n in range(4):
            text += f" filesrc location=s{n + 1}.webm ! matroskademux name=d{n}"
            text += f" d{n}. ! vp8dec threads=1 ! queue max-size-buffers=4 ! c.sink_{n + 2}"
            if job == "whole":
                text += f" d{n}. ! queue ! opusdec ! audioconvert ! audioresample ! queue ! a."
        text += f" filesrc location=lt.png ! pngdec ! videoconvert ! {ayuv} ! {still} ! c.sink_6"
        return start + text.split()


class Proscenium:
    """Ours: the program's own decoders, renderer, mixer and encoder, offline."""

    name = "ours"

    @staticmethod
    def command(job, seconds, output=None, more=()):
        """Returns the command of a job, as for ffmpeg."""
        command = [BINARY, "bench-compositor", ".", "--frames", str(seconds * FPS), *more]
        if job == "pictures":
            return command + ["--mode", "compose", "--bt709", "--output", output]
        return command + ["--mode", job] + (["--output", output] if job == "whole" else [])


CONTESTANTS = [FFmpeg, GStreamer, Proscenium]
JOBS = ["decode", "compose", "whole"]


def written(file, seconds):
    """Tells how much picture and sound is in what a contestant has written, and fails where some is missing."""
    text = quiet(["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "json", str(file)])
    tracks = {one["codec_name"]: int(one["nb_read_packets"]) for one in json.loads(text)["streams"]}
    # How the sound ends is their own affair.
    if tracks.get("h264", 0) < seconds * FPS - 1 or tracks.get("aac", 0) < (seconds - 1) * 48000 // 1024:
        raise Failure(f"{file.name} has not all: {tracks}")
    return f"{tracks['h264']} pictures, {tracks['aac']} frames of sound"


def costs(folder, seconds, runs):
    """Runs all jobs by turns; returns for each contestant and job the CPU seconds and memory of each run, and what ours says.

    Composing is a small difference of two large numbers, and a shared machine changes its speed within seconds. So decoding is
    measured just before composing and just after, and its mean counts.
    """
    found = {(each.name, job): [] for each in CONTESTANTS for job in JOBS}
    said = {job: [] for job in JOBS}

    def once(each, job):
        used, memory, text = measured(each.command(job, seconds, f"{each.name}.out"), folder)
        if each is Proscenium:
            said[job].append(json.loads(text.splitlines()[-1]))
        return used, memory

    for run in range(runs):
        for each in CONTESTANTS:
            before, composed, after = once(each, "decode"), once(each, "compose"), once(each, "decode")
            found[each.name, "decode"].append(((before[0] + after[0]) / 2, max(before[1], after[1])))
            found[each.name, "compose"].append(composed)
        for each in CONTESTANTS:
            found[each.name, "whole"].append(once(each, "whole"))
            if run == 0:
                print(f"{each.name}: {written(folder / f'{each.name}.out', seconds)}", flush=True)
            (folder / f"{each.name}.out").unlink()
        line = ", ".join(f"{each.name} {found[each.name, 'whole'][-1][0] / seconds:.3f}" for each in CONTESTANTS)
        print(f"run {run + 1} of {runs}: whole job, CPU s per media s: {line}", flush=True)
    return found, said


def quality(folder):
    """Composes the first second by all three, and returns how near each is to the reference."""
    files = [f"{each.name}.i420" for each in CONTESTANTS]
    for each, file in zip(CONTESTANTS, files):
        measured(each.command("pictures", 1, file), folder)
    compared = [part for file in files for part in ("--compare", file)]
    text = quiet([BINARY, "bench-compositor", ".", "--frames", "8", *compared], cwd=folder)
    for file in files:
        (folder / file).unlink()
    return dict(zip((each.name for each in CONTESTANTS), json.loads(text)))


def scaling(folder, seconds):
    """Prints what more speakers and more programs cost; a grid of 720p cameras over the background."""
    layout = str(REPOSITORY / "layouts/grid.json")

    def cost(*more):
        # The difference of two runs: only composing, without decoding.
        values = []
        for job in ("decode", "compose"):
            command = Proscenium.command(job, seconds, more=("--layout", layout, *more))
            used, memory, text = measured(command, folder)
            values.append((used, memory, json.loads(text.splitlines()[-1])))
        frames = max(1, values[1][2]["frames"])
        return (values[1][0] - values[0][0]) * 1000 / frames, values[1][2], values[1][1]

    print(f"\n{'speakers':>9}{'programs':>9}{'ms a frame':>12}{'median ms':>11}{'p99 ms':>8}{'memory, MB':>12}")
    for speakers, programs in [(1, 1), (2, 1), (4, 1), (9, 1), (16, 1), (4, 2), (4, 3)]:
        spent, said, memory = cost("--speakers", str(speakers), "--programs", str(programs))
        print(f"{speakers:>9}{programs:>9}{spent:>12.2f}{said['composeMs']:>11.2f}{said['composeP99Ms']:>8.2f}{memory:>12.0f}")


def report(found, said, near, seconds):
    """Prints the tables, and returns what the last line says."""
    frames = seconds * FPS

    def median(name, job):
        return statistics.median(used for used, _ in found[name, job])

    compose, cores = {}, {}
    print(f"\n{'':<11}{'decode':>9}{'compose':>9}{'whole':>9}   CPU s for each s of media{'composing, ms a frame':>24}{'memory, MB':>12}")
    for each in CONTESTANTS:
        parts = [after - before for (before, _), (after, _) in zip(found[each.name, "decode"], found[each.name, "compose"])]
        compose[each.name] = statistics.median(parts) * 1000 / frames
        cores[each.name] = median(each.name, "whole") / seconds
        memory = max(memory for _, memory in found[each.name, "whole"])
        print(
            f"{each.name:<11}{median(each.name, 'decode') / seconds:>9.3f}{median(each.name, 'compose') / seconds:>9.3f}"
            f"{cores[each.name]:>9.3f}{compose[each.name]:>52.2f}{memory:>12.0f}"
        )
    inside = statistics.median(one["composeMs"] for one in said["compose"])
    tail = statistics.median(one["composeP99Ms"] for one in said["compose"])
    busy = statistics.median(one["composeP99Ms"] for one in said["whole"])
    print(f"\nours, inside: median {inside:.2f} ms, p99 {tail:.2f} ms; with the encoder beside it p99 {busy:.2f} ms")
    print(f"composing: {compose['ours'] / compose['ffmpeg']:.2f} of ffmpeg's; whole job: {cores['ours'] / cores['ffmpeg']:.2f}")
    for name, one in near.items():
        print(
            f"{name:<11}SSIM {one['ssim']:.5f}, worst 16×16 block off by {one['worstBlock']:.2f} at"
            f" {one['worstX']}, {one['worstY']} ({one['frames']} frames)"
        )
    return {
        "bench": "compositor",
        "composeMs": round(compose["ours"], 3),
        "composeP99Ms": round(tail, 3),
        "ffmpegComposeMs": round(compose["ffmpeg"], 3),
        "gstreamerComposeMs": round(compose["GStreamer"], 3),
        "cores": round(cores["ours"], 3),
        "ffmpegCores": round(cores["ffmpeg"], 3),
        "gstreamerCores": round(cores["GStreamer"], 3),
        "ssim": round(near["ours"]["ssim"], 5),
        "ffmpegSSIM": round(near["ffmpeg"]["ssim"], 5),
        "rssMB": round(max(memory for _, memory in found["ours", "whole"])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each job is run (5)")
    parser.add_argument("--seconds", type=int, default=20, help="how much media (20)")
    parser.add_argument("--scaling", action="store_true", help="also 1 to 16 speakers and 1 to 3 programs")
    parser.add_argument("--keep", metavar="FOLDER", help="keeps the inputs there, and uses those that are there")
    options = parser.parse_args()
    gone = missing()
    if gone:
        print(f"compositor: missing: {', '.join(gone)}\napt-get install {PACKAGES}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="proscenium-bench-") as folder:
        folder = Path(options.keep or folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            folder = folder / f"{options.seconds}s"
            folder.mkdir(exist_ok=True)
            if not (folder / "lt.png").exists():
                make_inputs(folder, options.seconds)
            found, said = costs(folder, options.seconds, options.runs)
            near = quality(folder)
            result = report(found, said, near, options.seconds)
            if options.scaling:
                scaling(folder, min(5, options.seconds))
            print(f"\n{json.dumps(result, separators=(',', ':'))}")
        except Failure as failure:
            print(f"compositor: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

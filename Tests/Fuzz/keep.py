"""Chooses, of the inputs that fuzzing has gathered, the few that reach most, and writes them into Corpus/TARGET.hex.

keep.py --list FOLDER CONTROL writes a control file of libFuzzer for all that lies in FOLDER; run with -merge_inner=2
it writes behind it what each input reaches. keep.py CONTROL CORPUS then chooses. What stands in CORPUS above MARK
was found to be harmful once, and stays.
"""

import hashlib
import sys
from pathlib import Path

MARK = "# What reaches most places, chosen by scripts/prove fuzz --keep; one input a line."
INPUTS, LONGEST, BYTES = 100, 1024, 8000
# libFuzzer tells eight counts of each place apart.
COUNTS = 8


def features(control):
    """What each file reaches, by its number in the control file, as its first lines list the files."""
    lines = control.read_text().splitlines()
    names = lines[2 : 2 + int(lines[0])]
    reached = {}
    for line in lines[2 + len(names) :]:
        kind, number, *rest = line.split()
        if kind == "FT":
            reached[names[int(number)]] = frozenset(int(one) for one in rest)
    return reached


def choose(reached):
    """Inputs, in turn whichever adds most for its length: at first places, then how often they are come by."""
    inputs = {name: Path(name).read_bytes() for name in reached}
    left = {name: found for name, found in reached.items() if 0 < len(inputs[name]) <= LONGEST}
    chosen, size = [], 0
    for part in (lambda found: {one // COUNTS for one in found}, set):
        known = set().union(*(part(reached[name]) for name in chosen))
        wanted = {name: part(found) for name, found in left.items() if name not in chosen}
        while wanted and len(chosen) < INPUTS:
            for name in [name for name, found in wanted.items() if not found - known or len(inputs[name]) > BYTES - size]:
                del wanted[name]
            if not wanted:
                break
            best = max(sorted(wanted), key=lambda name: len(wanted[name] - known) / (len(inputs[name]) + 16))
            known |= wanted.pop(best)
            chosen.append(best)
            size += len(inputs[best])
    return sorted((inputs[name] for name in chosen), key=lambda one: (len(one), one))


def write_list(folder, control):
    files = [file for file in folder.iterdir() if file.is_file() and 0 < file.stat().st_size <= LONGEST]
    files.sort(key=lambda file: (file.stat().st_size, file.name))
    control.write_text("\n".join([str(len(files)), "0", *map(str, files)]) + "\n")


def main(control, corpus, outside):
    lines = corpus.read_text().splitlines()
    found = lines[: lines.index(MARK)] if MARK in lines else lines
    strange = {hashlib.sha256(file.read_bytes()).digest() for file in outside.rglob("*") if file.is_file()}
    # Whatever lies among them by mistake: what others have written does not go into the repository.
    chosen = [one for one in choose(features(control)) if hashlib.sha256(one).digest() not in strange]
    kept = [one.hex() for one in chosen if one.hex() not in found]
    corpus.write_text("\n".join([*found, MARK, *kept]) + "\n")
    print(f"prove: {corpus.stem} keeps {len(kept)} inputs, {sum(map(len, kept)) // 2} bytes")


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        write_list(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(".cache/corpora"))

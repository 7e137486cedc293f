"""What the histograms of the metrics say."""

import re

BUCKET = re.compile(r'^(?P<name>\w+)_bucket\{(?=[^}]*le="(?P<bound>[^"]+)")[^}]*\} (?P<count>\S+)$', re.MULTILINE)


def percentiles(text, name, *parts):
    """Returns between which bounds of a histogram each part lies, as (above, at most) in milliseconds, all labels together."""
    counts = {}
    for found in BUCKET.finditer(text):
        if found["name"] == name:
            bound = float(found["bound"])
            counts[bound] = counts.get(bound, 0) + float(found["count"])
    bounds = sorted(counts)
    assert bounds and counts[bounds[-1]], f"nothing is counted in {name}"
    result = []
    for part in parts:
        index = next(index for index, bound in enumerate(bounds) if counts[bound] >= part * counts[bounds[-1]])
        result.append((1000 * bounds[index - 1] if index else 0, 1000 * bounds[index]))
    return result


def describe_latencies(text):
    """Returns a line on the way of a camera's pictures: from the network to the encoder, and to the stream."""
    lines = []
    for name in ("camera_to_encoder", "camera_to_stream"):
        half, most = percentiles(text, f"proscenium_compositor_{name}_seconds", 0.5, 0.99)
        lines.append(f"{name}: half within {half[0]:.0f} to {half[1]:.0f} ms, 99 % within {most[0]:.0f} to {most[1]:.0f} ms")
    return "; ".join(lines)

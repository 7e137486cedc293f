#pragma once
#include <string.h>
#include <zlib.h>

// Unpacks a raw deflate stream (RFC 1951) into exactly `length` bytes; 0 when that is what it comes to, else not 0.
static inline int proscenium_inflate(
    const unsigned char *packed, unsigned packedLength, unsigned char *target, unsigned length) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return -1;
    stream.next_in = (unsigned char *)packed;
    stream.avail_in = packedLength;
    stream.next_out = target;
    stream.avail_out = length;
    int result = inflate(&stream, Z_FINISH);
    int isWhole = result == Z_STREAM_END && stream.total_out == length;
    inflateEnd(&stream);
    return isWhole ? 0 : 1;
}

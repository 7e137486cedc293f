// The kernels as plain loops, the choice between them and those for AVX2, and transposition.

#include "raster_forwarders.h"

#include <string.h>

#define NAME(name) plain_##name
#define LOOP(name) void proscenium_raster_##name##_plain
#include "raster_loops.h"

static bool has_avx2;

#if defined(__x86_64__)
__attribute__((constructor)) static void look_at_the_processor(void) {
    __builtin_cpu_init();
    has_avx2 = __builtin_cpu_supports("avx2");
}
#endif

bool proscenium_raster_has_avx2(void) { return has_avx2; }

#define CHOOSE(name, parameters, arguments)                                                                           \
    void proscenium_raster_##name parameters {                                                                        \
        if (has_avx2) proscenium_raster_##name##_avx2 arguments;                                                      \
        else proscenium_raster_##name##_plain arguments;                                                              \
    }

RASTER_FORWARDERS(CHOOSE)

// Sixteen bytes as the compiler's own vector: the same source for every processor.
typedef uint8_t bytes16 __attribute__((vector_size(16)));

// Four times each row laced with the one eight below: a perfect shuffle of 256 bytes, of which four turn the square.
static void transpose_square(
    const uint8_t *source, ptrdiff_t source_stride, uint8_t *target, ptrdiff_t target_stride) {
    bytes16 rows[16], laced[16];
    for (int y = 0; y < 16; y++) memcpy(&rows[y], source + y * source_stride, 16);
    for (int round = 0; round < 4; round++) {
        for (int at = 0; at < 8; at++) {
            laced[2 * at] = __builtin_shufflevector(
                rows[at], rows[at + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            laced[2 * at + 1] = __builtin_shufflevector(
                rows[at], rows[at + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(rows, laced, sizeof rows);
    }
    for (int y = 0; y < 16; y++) memcpy(target + y * target_stride, &rows[y], 16);
}

void proscenium_raster_transpose(
    const uint8_t *source, ptrdiff_t source_stride, uint8_t *target, ptrdiff_t target_stride, size_t width,
    size_t height) {
    if (width < 16 || height < 16) {
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                target[(ptrdiff_t)x * target_stride + (ptrdiff_t)y] =
                    source[(ptrdiff_t)y * source_stride + (ptrdiff_t)x];
        return;
    }
    for (size_t y = 0; y < height; y += 16) {
        // The last squares overlap those before them.
        const size_t top = y + 16 <= height ? y : height - 16;
        for (size_t x = 0; x < width; x += 16) {
            const size_t left = x + 16 <= width ? x : width - 16;
            transpose_square(
                source + (ptrdiff_t)top * source_stride + (ptrdiff_t)left, source_stride,
                target + (ptrdiff_t)left * target_stride + (ptrdiff_t)top, target_stride);
        }
    }
}

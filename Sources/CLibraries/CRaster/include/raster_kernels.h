// Arithmetic on rows of bytes: each kernel as a plain loop, and for x86 with AVX2, chosen once by what the processor has.

#ifndef PROSCENIUM_RASTER_KERNELS_H
#define PROSCENIUM_RASTER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Where a destination pixel takes its source pixels from: `index` and the three after it; weights in 1/16384.
/// A weight of 0 says that the pixel is not to be read: it may lie outside the row.
struct proscenium_raster_tap {
    int32_t index;
    uint16_t weight[4];
};

/// Eight taps as AVX2 wants them: for each half the first byte to read, then which bytes and how much of each.
/// `near` are the first two pixels of each tap, `far` the others; bytes with the upper bit set stand for nothing.
struct proscenium_raster_block {
    int32_t base[2];
    uint8_t near[32], far[32];
    int16_t near_weight[16], far_weight[16];
};

/// Coefficients between YCbCr descriptions in 1/8192; the offset in 1/32, with the rounding inside.
struct proscenium_raster_color {
    int16_t yy, yu, yv, y_offset, uu, uv, vu, vv;
};

/// Whether the kernels without a suffix are those for AVX2.
bool proscenium_raster_has_avx2(void);

/// Asks for a row that will be read soon.
static inline void proscenium_raster_prefetch(const uint8_t *_Nonnull row, size_t count) {
    for (size_t at = 0; at < count; at += 64) __builtin_prefetch(row + at);
}

/// Turns rows into columns: byte x of row y goes to byte y of row x. The two may not overlap.
void proscenium_raster_transpose(
    const uint8_t *_Nonnull source, ptrdiff_t source_stride, uint8_t *_Nonnull target, ptrdiff_t target_stride,
    size_t width, size_t height);

// halve_both: the mean of 2x2. halve_across: of two neighbours. halve_down: of two rows.
// mix_two: two rows, `second` of 16384 is the lower one's. mix_four: four rows, no weight above 16383.
// gather: weighs neighbours; the row holds at least 16 bytes. Blocks come in fours and are null where there is no AVX2.
// over: a premultiplied row over a row. over_faint: the same, less visible as a whole. blend_*: towards a row.
// convert_chroma: in place, and what it adds to luma, twice per sample, in 1/32. convert_luma: in place.
#define PROSCENIUM_RASTER_KERNELS(suffix)                                                                             \
    void proscenium_raster_halve_both##suffix(                                                                        \
        const uint8_t *_Nonnull upper, const uint8_t *_Nonnull lower, uint8_t *_Nonnull target, size_t count);        \
    void proscenium_raster_halve_across##suffix(                                                                      \
        const uint8_t *_Nonnull source, uint8_t *_Nonnull target, size_t count);                                      \
    void proscenium_raster_halve_down##suffix(                                                                        \
        const uint8_t *_Nonnull upper, const uint8_t *_Nonnull lower, uint8_t *_Nonnull target, size_t count);        \
    void proscenium_raster_mix_two##suffix(                                                                           \
        const uint8_t *_Nonnull upper, const uint8_t *_Nonnull lower, uint16_t second, uint8_t *_Nonnull target,      \
        size_t count);                                                                                                \
    void proscenium_raster_mix_four##suffix(                                                                          \
        const uint8_t *_Nonnull a, const uint8_t *_Nonnull b, const uint8_t *_Nonnull c, const uint8_t *_Nonnull d,   \
        const struct proscenium_raster_tap *_Nonnull tap, uint8_t *_Nonnull target, size_t count);                    \
    void proscenium_raster_gather##suffix(                                                                            \
        const uint8_t *_Nonnull row, const struct proscenium_raster_tap *_Nonnull taps,                               \
        const struct proscenium_raster_block *_Nullable blocks, bool uses_far, uint8_t *_Nonnull target,              \
        size_t count);                                                                                                \
    void proscenium_raster_over##suffix(                                                                              \
        const uint8_t *_Nonnull source, const uint8_t *_Nonnull alpha, uint8_t *_Nonnull target, size_t count);       \
    void proscenium_raster_over_faint##suffix(                                                                        \
        const uint8_t *_Nonnull source, const uint8_t *_Nonnull alpha, uint8_t opacity, uint8_t *_Nonnull target,     \
        size_t count);                                                                                                \
    void proscenium_raster_blend_mask##suffix(                                                                        \
        const uint8_t *_Nonnull source, const uint8_t *_Nonnull mask, uint8_t *_Nonnull target, size_t count);        \
    void proscenium_raster_blend_weight##suffix(                                                                      \
        const uint8_t *_Nonnull source, uint8_t weight, uint8_t *_Nonnull target, size_t count);                      \
    void proscenium_raster_convert_chroma##suffix(                                                                    \
        uint8_t *_Nonnull u, uint8_t *_Nonnull v, const struct proscenium_raster_color *_Nonnull color,               \
        int16_t *_Nonnull shift, size_t count);                                                                       \
    void proscenium_raster_convert_luma##suffix(                                                                      \
        uint8_t *_Nonnull y, const int16_t *_Nonnull shift, const struct proscenium_raster_color *_Nonnull color,     \
        size_t count);

PROSCENIUM_RASTER_KERNELS()
PROSCENIUM_RASTER_KERNELS(_plain)
PROSCENIUM_RASTER_KERNELS(_avx2)

#endif

// The kernels for AVX2: by hand where the compiler's vectors are slower, else the plain loops compiled for it.

#include "raster_forwarders.h"

#include <string.h>

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#define NAME(name) loops_##name
#define LOOP(name) static inline void loop_##name
#include "raster_loops.h"
#undef NAME
#undef LOOP

static inline __m256i load(const void *at) { return _mm256_loadu_si256((const __m256i *)at); }
static inline void store(void *at, __m256i value) { _mm256_storeu_si256((__m256i *)at, value); }

// Bytes of two packed vectors back in order.
static inline __m256i packed(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
}

void proscenium_raster_halve_both_avx2(const uint8_t *upper, const uint8_t *lower, uint8_t *target, size_t count) {
    const __m256i one = _mm256_set1_epi8(1), two = _mm256_set1_epi16(2);
    size_t x = 0;
    for (; x + 32 <= count; x += 32) {
        __m256i a = _mm256_maddubs_epi16(load(upper + 2 * x), one);
        __m256i b = _mm256_maddubs_epi16(load(upper + 2 * x + 32), one);
        a = _mm256_add_epi16(a, _mm256_maddubs_epi16(load(lower + 2 * x), one));
        b = _mm256_add_epi16(b, _mm256_maddubs_epi16(load(lower + 2 * x + 32), one));
        a = _mm256_srli_epi16(_mm256_add_epi16(a, two), 2);
        b = _mm256_srli_epi16(_mm256_add_epi16(b, two), 2);
        store(target + x, packed(a, b));
    }
    loop_halve_both(upper + 2 * x, lower + 2 * x, target + x, count - x);
}

void proscenium_raster_halve_across_avx2(const uint8_t *source, uint8_t *target, size_t count) {
    const __m256i one = _mm256_set1_epi8(1), half = _mm256_set1_epi16(1);
    size_t x = 0;
    for (; x + 32 <= count; x += 32) {
        const __m256i a = _mm256_maddubs_epi16(load(source + 2 * x), one);
        const __m256i b = _mm256_maddubs_epi16(load(source + 2 * x + 32), one);
        store(
            target + x, packed(
                            _mm256_srli_epi16(_mm256_add_epi16(a, half), 1),
                            _mm256_srli_epi16(_mm256_add_epi16(b, half), 1)));
    }
    loop_halve_across(source + 2 * x, target + x, count - x);
}

void proscenium_raster_halve_down_avx2(const uint8_t *upper, const uint8_t *lower, uint8_t *target, size_t count) {
    size_t x = 0;
    for (; x + 32 <= count; x += 32) store(target + x, _mm256_avg_epu8(load(upper + x), load(lower + x)));
    loop_halve_down(upper + x, lower + x, target + x, count - x);
}

// Bytes times 256, each half of a lane, times a weight: the upper half of each product.
static inline __m256i low(__m256i bytes, __m256i weight) {
    return _mm256_mulhi_epu16(_mm256_unpacklo_epi8(_mm256_setzero_si256(), bytes), weight);
}
static inline __m256i high(__m256i bytes, __m256i weight) {
    return _mm256_mulhi_epu16(_mm256_unpackhi_epi8(_mm256_setzero_si256(), bytes), weight);
}

void proscenium_raster_mix_two_avx2(
    const uint8_t *upper, const uint8_t *lower, uint16_t second, uint8_t *target, size_t count) {
    size_t x = 0;
    if (second != 0 && second < 16384) {
        const __m256i above = _mm256_set1_epi16((short)(65536 - second * 4));
        const __m256i below = _mm256_set1_epi16((short)(second * 4)), half = _mm256_set1_epi16(129);
        for (; x + 32 <= count; x += 32) {
            const __m256i a = load(upper + x), b = load(lower + x);
            const __m256i l = _mm256_add_epi16(_mm256_add_epi16(low(a, above), low(b, below)), half);
            const __m256i h = _mm256_add_epi16(_mm256_add_epi16(high(a, above), high(b, below)), half);
            store(target + x, _mm256_packus_epi16(_mm256_srli_epi16(l, 8), _mm256_srli_epi16(h, 8)));
        }
    }
    loop_mix_two(upper + x, lower + x, second, target + x, count - x);
}

void proscenium_raster_mix_four_avx2(
    const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d, const struct proscenium_raster_tap *tap,
    uint8_t *target, size_t count) {
    const __m256i wa = _mm256_set1_epi16((short)(tap->weight[0] * 4));
    const __m256i wb = _mm256_set1_epi16((short)(tap->weight[1] * 4));
    const __m256i wc = _mm256_set1_epi16((short)(tap->weight[2] * 4));
    const __m256i wd = _mm256_set1_epi16((short)(tap->weight[3] * 4)), half = _mm256_set1_epi16(130);
    size_t x = 0;
    for (; x + 32 <= count; x += 32) {
        const __m256i va = load(a + x), vb = load(b + x), vc = load(c + x), vd = load(d + x);
        const __m256i l = _mm256_add_epi16(
            _mm256_add_epi16(low(va, wa), low(vb, wb)),
            _mm256_add_epi16(_mm256_add_epi16(low(vc, wc), low(vd, wd)), half));
        const __m256i h = _mm256_add_epi16(
            _mm256_add_epi16(high(va, wa), high(vb, wb)),
            _mm256_add_epi16(_mm256_add_epi16(high(vc, wc), high(vd, wd)), half));
        store(target + x, _mm256_packus_epi16(_mm256_srli_epi16(l, 8), _mm256_srli_epi16(h, 8)));
    }
    loop_mix_four(a + x, b + x, c + x, d + x, tap, target + x, count - x);
}

// Eight destination pixels as sums of 32 bits.
static inline __attribute__((always_inline)) __m256i eight(
    const uint8_t *row, const struct proscenium_raster_block *block, bool uses_far) {
    const __m256i bytes = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row + block->base[0]))),
        _mm_loadu_si128((const __m128i *)(row + block->base[1])), 1);
    __m256i sum = _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, load(block->near)), load(block->near_weight));
    if (uses_far) {
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, load(block->far)), load(block->far_weight)));
    }
    return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(8192)), 14);
}

static inline __attribute__((always_inline)) void gather(
    const uint8_t *row, const struct proscenium_raster_block *block, bool uses_far, uint8_t *target, size_t count) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t x = 0; x < count; x += 32, block += 4) {
        const __m256i a = _mm256_packs_epi32(eight(row, block, uses_far), eight(row, block + 1, uses_far));
        const __m256i b = _mm256_packs_epi32(eight(row, block + 2, uses_far), eight(row, block + 3, uses_far));
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
        if (x + 32 <= count) {
            store(target + x, bytes);
        } else {
            uint8_t rest[32];
            store(rest, bytes);
            memcpy(target + x, rest, count - x);
        }
    }
}

void proscenium_raster_gather_avx2(
    const uint8_t *row, const struct proscenium_raster_tap *taps, const struct proscenium_raster_block *blocks,
    bool uses_far, uint8_t *target, size_t count) {
    if (blocks == NULL) loop_gather(row, taps, blocks, uses_far, target, count);
    else if (uses_far) gather(row, blocks, true, target, count);
    else gather(row, blocks, false, target, count);
}

void proscenium_raster_over_avx2(const uint8_t *source, const uint8_t *alpha, uint8_t *target, size_t count) {
    loop_over(source, alpha, target, count);
}

void proscenium_raster_over_faint_avx2(
    const uint8_t *source, const uint8_t *alpha, uint8_t opacity, uint8_t *target, size_t count) {
    loop_over_faint(source, alpha, opacity, target, count);
}

void proscenium_raster_blend_mask_avx2(const uint8_t *source, const uint8_t *mask, uint8_t *target, size_t count) {
    loop_blend_mask(source, mask, target, count);
}

void proscenium_raster_blend_weight_avx2(const uint8_t *source, uint8_t weight, uint8_t *target, size_t count) {
    loop_blend_weight(source, weight, target, count);
}

// One channel of sixteen chroma samples: both products, half a code value, back around 128, still 16 bits wide.
static inline __m256i channel(__m256i blue, __m256i red, int16_t first, int16_t second) {
    const __m256i sum = _mm256_add_epi16(
        _mm256_mulhi_epi16(blue, _mm256_set1_epi16(first)), _mm256_mulhi_epi16(red, _mm256_set1_epi16(second)));
    return _mm256_add_epi16(
        _mm256_srai_epi16(_mm256_add_epi16(sum, _mm256_set1_epi16(17)), 5), _mm256_set1_epi16(128));
}

void proscenium_raster_convert_chroma_avx2(
    uint8_t *u, uint8_t *v, const struct proscenium_raster_color *color, int16_t *shift, size_t count) {
    const __m256i sign = _mm256_set1_epi8((char)0x80), zero = _mm256_setzero_si256();
    const __m256i forBlue = _mm256_set1_epi16(color->yu), forRed = _mm256_set1_epi16(color->yv);
    const __m256i offset = _mm256_set1_epi16(color->y_offset);
    size_t x = 0;
    for (; x + 32 <= count; x += 32) {
        // In the order of the unpacking; packing brings bytes back, and what goes to luma is put in order below.
        const __m256i a = _mm256_xor_si256(load(u + x), sign), b = _mm256_xor_si256(load(v + x), sign);
        const __m256i ul = _mm256_unpacklo_epi8(zero, a), uh = _mm256_unpackhi_epi8(zero, a);
        const __m256i vl = _mm256_unpacklo_epi8(zero, b), vh = _mm256_unpackhi_epi8(zero, b);
        store(
            u + x,
            _mm256_packus_epi16(channel(ul, vl, color->uu, color->uv), channel(uh, vh, color->uu, color->uv)));
        store(
            v + x,
            _mm256_packus_epi16(channel(ul, vl, color->vu, color->vv), channel(uh, vh, color->vu, color->vv)));
        const __m256i l = _mm256_add_epi16(
            _mm256_add_epi16(_mm256_mulhi_epi16(ul, forBlue), _mm256_mulhi_epi16(vl, forRed)), offset);
        const __m256i h = _mm256_add_epi16(
            _mm256_add_epi16(_mm256_mulhi_epi16(uh, forBlue), _mm256_mulhi_epi16(vh, forRed)), offset);
        // Samples 0…7 and 16…23 are in l, 8…15 and 24…31 in h; each goes out twice.
        const __m256i l0 = _mm256_unpacklo_epi16(l, l), l1 = _mm256_unpackhi_epi16(l, l);
        const __m256i h0 = _mm256_unpacklo_epi16(h, h), h1 = _mm256_unpackhi_epi16(h, h);
        int16_t *out = shift + 2 * x;
        store(out, _mm256_permute2x128_si256(l0, l1, 0x20));
        store(out + 16, _mm256_permute2x128_si256(h0, h1, 0x20));
        store(out + 32, _mm256_permute2x128_si256(l0, l1, 0x31));
        store(out + 48, _mm256_permute2x128_si256(h0, h1, 0x31));
    }
    loop_convert_chroma(u + x, v + x, color, shift + 2 * x, count - x);
}

void proscenium_raster_convert_luma_avx2(
    uint8_t *y, const int16_t *shift, const struct proscenium_raster_color *color, size_t count) {
    const __m256i factor = _mm256_set1_epi16(color->yy), one = _mm256_set1_epi16(1);
    const bool keeps = color->yy == 8192;
    size_t x = 0;
    for (; x + 32 <= count; x += 32) {
        __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(y + x)));
        __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(y + x + 16)));
        __m256i sa = load(shift + x), sb = load(shift + x + 16);
        if (keeps) {
            a = _mm256_add_epi16(a, _mm256_srai_epi16(sa, 5));
            b = _mm256_add_epi16(b, _mm256_srai_epi16(sb, 5));
        } else {
            sa = _mm256_srai_epi16(_mm256_add_epi16(sa, one), 1);
            sb = _mm256_srai_epi16(_mm256_add_epi16(sb, one), 1);
            a = _mm256_add_epi16(_mm256_mulhi_epi16(_mm256_slli_epi16(a, 7), factor), sa);
            b = _mm256_add_epi16(_mm256_mulhi_epi16(_mm256_slli_epi16(b, 7), factor), sb);
            a = _mm256_srai_epi16(a, 4);
            b = _mm256_srai_epi16(b, 4);
        }
        store(y + x, packed(a, b));
    }
    loop_convert_luma(y + x, shift + x, color, count - x);
}

#pragma clang attribute pop

#else

#define FORWARD(name, parameters, arguments)                                                                          \
    void proscenium_raster_##name##_avx2 parameters { proscenium_raster_##name##_plain arguments; }

RASTER_FORWARDERS(FORWARD)

#endif

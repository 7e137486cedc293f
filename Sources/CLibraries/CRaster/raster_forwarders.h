// Every kernel that hands its arguments on to another: name, parameters, arguments.

#ifndef PROSCENIUM_RASTER_FORWARDERS_H
#define PROSCENIUM_RASTER_FORWARDERS_H

#include "raster_kernels.h"

#define RASTER_FORWARDERS(KERNEL)                                                                                     \
    KERNEL(halve_both, (const uint8_t *a, const uint8_t *b, uint8_t *target, size_t count), (a, b, target, count))    \
    KERNEL(halve_across, (const uint8_t *source, uint8_t *target, size_t count), (source, target, count))             \
    KERNEL(halve_down, (const uint8_t *a, const uint8_t *b, uint8_t *target, size_t count), (a, b, target, count))    \
    KERNEL(                                                                                                           \
        mix_two, (const uint8_t *a, const uint8_t *b, uint16_t second, uint8_t *target, size_t count),                \
        (a, b, second, target, count))                                                                                \
    KERNEL(                                                                                                           \
        mix_four,                                                                                                     \
        (const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d,                                      \
         const struct proscenium_raster_tap *tap, uint8_t *target, size_t count),                                     \
        (a, b, c, d, tap, target, count))                                                                             \
    KERNEL(                                                                                                           \
        gather,                                                                                                       \
        (const uint8_t *row, const struct proscenium_raster_tap *taps, const struct proscenium_raster_block *blocks,  \
         bool uses_far, uint8_t *target, size_t count),                                                               \
        (row, taps, blocks, uses_far, target, count))                                                                 \
    KERNEL(                                                                                                           \
        over, (const uint8_t *source, const uint8_t *alpha, uint8_t *target, size_t count),                           \
        (source, alpha, target, count))                                                                               \
    KERNEL(                                                                                                           \
        over_faint, (const uint8_t *source, const uint8_t *alpha, uint8_t opacity, uint8_t *target, size_t count),    \
        (source, alpha, opacity, target, count))                                                                      \
    KERNEL(                                                                                                           \
        blend_mask, (const uint8_t *source, const uint8_t *mask, uint8_t *target, size_t count),                      \
        (source, mask, target, count))                                                                                \
    KERNEL(                                                                                                           \
        blend_weight, (const uint8_t *source, uint8_t weight, uint8_t *target, size_t count),                         \
        (source, weight, target, count))                                                                              \
    KERNEL(                                                                                                           \
        convert_chroma,                                                                                               \
        (uint8_t *u, uint8_t *v, const struct proscenium_raster_color *color, int16_t *shift, size_t count),          \
        (u, v, color, shift, count))                                                                                  \
    KERNEL(                                                                                                           \
        convert_luma, (uint8_t *y, const int16_t *shift, const struct proscenium_raster_color *color, size_t count),  \
        (y, shift, color, count))

#endif

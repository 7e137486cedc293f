// The plain loops; included once as they are, and once compiled for AVX2. NAME gives each its name.

static inline uint8_t NAME(clamped)(int value) { return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value; }

// The upper half of a product of 16 bits, and of one with signs.
static inline uint16_t NAME(upper)(uint16_t a, uint16_t b) { return (uint16_t)(((uint32_t)a * b) >> 16); }
static inline int16_t NAME(high)(int16_t a, int16_t b) { return (int16_t)(((int32_t)a * b) >> 16); }
static inline int16_t NAME(centred)(uint8_t chroma) { return (int16_t)((chroma - 128) * 256); }

// t / 255, rounded, of t = a * b + 128; exact for 0 and 255.
static inline uint16_t NAME(over_255)(uint16_t t) { return (uint16_t)((uint16_t)(t + (t >> 8)) >> 8); }

LOOP(halve_both)(
    const uint8_t *restrict upper, const uint8_t *restrict lower, uint8_t *restrict target, size_t count) {
    for (size_t x = 0; x < count; x++)
        target[x] = (uint8_t)((upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1] + 2) >> 2);
}

LOOP(halve_across)(const uint8_t *restrict source, uint8_t *restrict target, size_t count) {
    for (size_t x = 0; x < count; x++) target[x] = (uint8_t)((source[2 * x] + source[2 * x + 1] + 1) >> 1);
}

LOOP(halve_down)(
    const uint8_t *restrict upper, const uint8_t *restrict lower, uint8_t *restrict target, size_t count) {
    for (size_t x = 0; x < count; x++) target[x] = (uint8_t)((upper[x] + lower[x] + 1) >> 1);
}

// Products keep 1/256 of a code value, rounded down; half a value and half of what is lost so is added.
LOOP(mix_two)(
    const uint8_t *restrict upper, const uint8_t *restrict lower, uint16_t second, uint8_t *restrict target,
    size_t count) {
    const uint16_t below = (uint16_t)(second * 4), above = (uint16_t)(65536 - second * 4);
    if (second == 0 || second >= 16384) {
        memcpy(target, second == 0 ? upper : lower, count);
        return;
    }
    for (size_t x = 0; x < count; x++) {
        const uint16_t a = NAME(upper)((uint16_t)(upper[x] << 8), above);
        const uint16_t b = NAME(upper)((uint16_t)(lower[x] << 8), below);
        target[x] = (uint8_t)((uint16_t)(a + b + 129) >> 8);
    }
}

LOOP(mix_four)(
    const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c, const uint8_t *restrict d,
    const struct proscenium_raster_tap *tap, uint8_t *restrict target, size_t count) {
    const uint16_t wa = (uint16_t)(tap->weight[0] * 4), wb = (uint16_t)(tap->weight[1] * 4);
    const uint16_t wc = (uint16_t)(tap->weight[2] * 4), wd = (uint16_t)(tap->weight[3] * 4);
    for (size_t x = 0; x < count; x++) {
        const uint16_t first = NAME(upper)((uint16_t)(a[x] << 8), wa) + NAME(upper)((uint16_t)(b[x] << 8), wb);
        const uint16_t second = NAME(upper)((uint16_t)(c[x] << 8), wc) + NAME(upper)((uint16_t)(d[x] << 8), wd);
        target[x] = (uint8_t)((uint16_t)(first + second + 130) >> 8);
    }
}

LOOP(gather)(
    const uint8_t *restrict row, const struct proscenium_raster_tap *restrict taps,
    const struct proscenium_raster_block *restrict blocks, bool uses_far, uint8_t *restrict target, size_t count) {
    (void)blocks;
    for (size_t x = 0; x < count; x++) {
        const struct proscenium_raster_tap *tap = taps + x;
        uint32_t sum = 8192;
        for (int at = 0; at < (uses_far ? 4 : 2); at++)
            if (tap->weight[at] != 0) sum += (uint32_t)row[tap->index + at] * tap->weight[at];
        target[x] = (uint8_t)(sum >> 14);
    }
}

LOOP(over)(const uint8_t *restrict source, const uint8_t *restrict alpha, uint8_t *restrict target, size_t count) {
    for (size_t x = 0; x < count; x++) {
        const uint16_t t = (uint16_t)((uint16_t)(target[x] * (uint16_t)(255 - alpha[x])) + 128);
        target[x] = (uint8_t)(source[x] + NAME(over_255)(t));
    }
}

LOOP(over_faint)(
    const uint8_t *restrict source, const uint8_t *restrict alpha, uint8_t opacity, uint8_t *restrict target,
    size_t count) {
    const uint16_t factor = opacity;
    for (size_t x = 0; x < count; x++) {
        const uint16_t s = NAME(over_255)((uint16_t)((uint16_t)(source[x] * factor) + 128));
        const uint16_t a = NAME(over_255)((uint16_t)((uint16_t)(alpha[x] * factor) + 128));
        const uint16_t t = NAME(over_255)((uint16_t)((uint16_t)(target[x] * (uint16_t)(255 - a)) + 128));
        const uint16_t sum = (uint16_t)(s + t);
        target[x] = (uint8_t)(sum > 255 ? 255 : sum);
    }
}

LOOP(blend_mask)(
    const uint8_t *restrict source, const uint8_t *restrict mask, uint8_t *restrict target, size_t count) {
    for (size_t x = 0; x < count; x++) {
        const uint16_t a = mask[x];
        const uint16_t t =
            (uint16_t)((uint16_t)(source[x] * a) + (uint16_t)(target[x] * (uint16_t)(255 - a)) + 128);
        target[x] = (uint8_t)NAME(over_255)(t);
    }
}

LOOP(blend_weight)(const uint8_t *restrict source, uint8_t weight, uint8_t *restrict target, size_t count) {
    const uint16_t a = weight, rest = (uint16_t)(255 - weight);
    for (size_t x = 0; x < count; x++) {
        const uint16_t t = (uint16_t)((uint16_t)(source[x] * a) + (uint16_t)(target[x] * rest) + 128);
        target[x] = (uint8_t)NAME(over_255)(t);
    }
}

LOOP(convert_chroma)(
    uint8_t *restrict u, uint8_t *restrict v, const struct proscenium_raster_color *color, int16_t *restrict shift,
    size_t count) {
    const struct proscenium_raster_color c = *color;
    for (size_t x = 0; x < count; x++) {
        const int16_t blue = NAME(centred)(u[x]), red = NAME(centred)(v[x]);
        const int16_t luma = (int16_t)(NAME(high)(blue, c.yu) + NAME(high)(red, c.yv) + c.y_offset);
        shift[2 * x] = luma;
        shift[2 * x + 1] = luma;
        u[x] = NAME(clamped)(((NAME(high)(blue, c.uu) + NAME(high)(red, c.uv) + 17) >> 5) + 128);
        v[x] = NAME(clamped)(((NAME(high)(blue, c.vu) + NAME(high)(red, c.vv) + 17) >> 5) + 128);
    }
}

LOOP(convert_luma)(
    uint8_t *restrict y, const int16_t *restrict shift, const struct proscenium_raster_color *color, size_t count) {
    const int16_t factor = color->yy;
    if (factor == 8192) {
        for (size_t x = 0; x < count; x++) y[x] = NAME(clamped)(y[x] + (shift[x] >> 5));
        return;
    }
    // At half the precision, because luma has no sign to lose.
    for (size_t x = 0; x < count; x++) {
        const int value = NAME(high)((int16_t)(y[x] << 7), factor) + ((shift[x] + 1) >> 1);
        y[x] = NAME(clamped)(value >> 4);
    }
}

// Where a line of text may end: ICU's rules and dictionaries behind two functions, because Swift can't call its
// versioned names.
#pragma once
#include <stdint.h>

/// Writes the places (offsets in UTF-16 units) at which a line may or must end, in ascending order (UAX #14, with
/// dictionaries for Thai, Lao, Khmer and Burmese).
///
/// Returns how many there are, at most `capacity`; -1 when ICU can't do it. A place after which the line must end is
/// written as its complement (~offset).
int32_t text_line_breaks(
    const uint16_t *text, int32_t length, const char *language, int32_t *places, int32_t capacity);

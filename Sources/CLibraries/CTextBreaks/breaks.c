#include "CTextBreaks.h"

#include <unicode/ubrk.h>

int32_t text_line_breaks(
    const uint16_t *text, int32_t length, const char *language, int32_t *places, int32_t capacity) {
    UErrorCode status = U_ZERO_ERROR;
    UBreakIterator *breaks = ubrk_open(UBRK_LINE, language, (const UChar *)text, length, &status);
    if (U_FAILURE(status)) return -1;
    int32_t count = 0;
    ubrk_first(breaks);
    for (int32_t place = ubrk_next(breaks); place != UBRK_DONE && count < capacity; place = ubrk_next(breaks)) {
        int32_t rule = ubrk_getRuleStatus(breaks);
        int must = rule >= UBRK_LINE_HARD && rule < UBRK_LINE_HARD_LIMIT && place < length;
        places[count++] = must ? ~place : place;
    }
    ubrk_close(breaks);
    return count;
}

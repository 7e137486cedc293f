#include "codec_shims.h"

#include <stdlib.h>
#include <string.h>

int proscenium_x264_attach_user_data(x264_picture_t *picture, const uint8_t *bytes, int count) {
    // x264 keeps the pointers until the picture leaves its lookahead, so both live on the heap.
    x264_sei_payload_t *payload = malloc(sizeof *payload);
    uint8_t *copy = malloc((size_t)count);
    if (!payload || !copy) {
        free(payload);
        free(copy);
        return -1;
    }
    memcpy(copy, bytes, (size_t)count);
    payload->payload_size = count;
    payload->payload_type = 5; // user_data_unregistered, H.264 D.1.7
    payload->payload = copy;
    picture->extra_sei.num_payloads = 1;
    picture->extra_sei.payloads = payload;
    picture->extra_sei.sei_free = free;
    return 0;
}

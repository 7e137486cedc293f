// What the H.264 and AAC wrappers need of libav and x264 that the importer can't see.
#pragma once
#include <errno.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <stdint.h>
#include <x264.h>

static const int PROSCENIUM_AV_AGAIN = AVERROR(EAGAIN);

// libav's log lines are cheap to provoke from outside; errors come back as return values anyway.
static inline void proscenium_av_silence(void) { av_log_set_level(AV_LOG_QUIET); }

// Attaches one user_data_unregistered SEI payload (16 bytes of UUID first); x264 frees it after the picture
// is encoded. Returns 0, or -1 without memory.
int proscenium_x264_attach_user_data(x264_picture_t *picture, const uint8_t *bytes, int count);

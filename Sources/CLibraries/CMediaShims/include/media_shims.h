// Macros and variadic functions of the media libraries, as plain functions and constants.
#pragma once
#include "codec_shims.h"
#include <libavcodec/avcodec.h>
#include <libavutil/error.h>
#include <openssl/ssl.h>
#include <opus.h>
#include <stdint.h>
#include <x264.h>
#include "vpx_opus_shims.h"

#include "rtc_shims.h"

static const int64_t PROSCENIUM_AV_NO_PTS = AV_NOPTS_VALUE;
static const int PROSCENIUM_AV_EOF = AVERROR_EOF;
static const int PROSCENIUM_AV_INVALID_DATA = AVERROR_INVALIDDATA;

static inline int proscenium_av_error(int posix) { return AVERROR(posix); }
static inline x264_t *proscenium_x264_open(x264_param_t *parameters) { return x264_encoder_open(parameters); }

// Names the calling thread; cut to 15 bytes by the kernel's rule.
void proscenium_name_thread(const char *name);

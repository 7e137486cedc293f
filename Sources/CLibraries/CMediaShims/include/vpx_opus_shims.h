// Macros and variadic functions of libvpx and libopus, as plain functions and constants.
#pragma once
#include <opus.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

static const int PROSCENIUM_VPX_ENCODER_ABI = VPX_ENCODER_ABI_VERSION;

static inline int proscenium_opus_set_bitrate(OpusEncoder *encoder, int bits_per_second) {
    return opus_encoder_ctl(encoder, OPUS_SET_BITRATE(bits_per_second));
}
static inline int proscenium_opus_set_inband_fec(OpusEncoder *encoder, int on, int loss_percent) {
    int result = opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(on));
    return result == OPUS_OK ? opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(loss_percent)) : result;
}
static inline int proscenium_opus_set_dtx(OpusEncoder *encoder, int on) {
    return opus_encoder_ctl(encoder, OPUS_SET_DTX(on));
}
static inline int proscenium_opus_set_complexity(OpusEncoder *encoder, int complexity) {
    return opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(complexity));
}

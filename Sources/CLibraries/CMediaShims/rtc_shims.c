#define OPENSSL_SUPPRESS_DEPRECATED
#include "rtc_shims.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

struct proscenium_hmac {
    SHA_CTX inner, outer;
};

proscenium_hmac *proscenium_hmac_new(const uint8_t *key, size_t key_length) {
    proscenium_hmac *hmac = calloc(1, sizeof *hmac);
    if (!hmac) return NULL;
    uint8_t block[64] = {0};
    if (key_length > sizeof block) SHA1(key, key_length, block);
    else if (key_length) memcpy(block, key, key_length);
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36;
    SHA1_Init(&hmac->inner);
    SHA1_Update(&hmac->inner, block, sizeof block);
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
    SHA1_Init(&hmac->outer);
    SHA1_Update(&hmac->outer, block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
    return hmac;
}

void proscenium_hmac_free(proscenium_hmac *hmac) {
    if (hmac) OPENSSL_cleanse(hmac, sizeof *hmac);
    free(hmac);
}

void proscenium_hmac_sign(const proscenium_hmac *hmac, const uint8_t *first, size_t first_length,
                          const uint8_t *second, size_t second_length, uint8_t *tag) {
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX context = hmac->inner;
    if (first_length) SHA1_Update(&context, first, first_length);
    if (second_length) SHA1_Update(&context, second, second_length);
    SHA1_Final(digest, &context);
    context = hmac->outer;
    SHA1_Update(&context, digest, sizeof digest);
    SHA1_Final(tag, &context);
}

struct proscenium_dtls_identity {
    EVP_PKEY *key;
    X509 *certificate;
    SSL_CTX *settings;
    BIO_METHOD *method;
};

struct proscenium_dtls {
    SSL *ssl;
    const uint8_t *input;
    size_t input_length;
    proscenium_dtls_send send;
    void *context;
    struct timeval *next_timeout;
    int owns_timer, armed, state;
    uint32_t starts;
    unsigned long error;
};

static int bio_read(BIO *bio, char *bytes, int capacity) {
    proscenium_dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!dtls || !dtls->input) {
        BIO_set_retry_read(bio);
        return -1;
    }
    // A datagram is read whole or cut, like recv does.
    int length = dtls->input_length < (size_t)capacity ? (int)dtls->input_length : capacity;
    memcpy(bytes, dtls->input, (size_t)length);
    dtls->input = NULL;
    return length;
}

static int bio_write(BIO *bio, const char *bytes, int length) {
    proscenium_dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!dtls || length <= 0) return -1;
    dtls->send(dtls->context, (const uint8_t *)bytes, (size_t)length);
    return length;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    proscenium_dtls *dtls = BIO_get_data(bio);
    (void)number;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return 48;
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT: {
        struct timeval *next = pointer;
        if (!dtls || !next) return 0;
        dtls->armed = next->tv_sec != 0 || next->tv_usec != 0;
        if (dtls->armed) dtls->starts++;
        // Before 3.2 OpenSSL hands over its own variable. Setting it far off makes the caller's clock the only one.
        if (dtls->owns_timer) {
            dtls->next_timeout = next;
            if (dtls->armed) next->tv_sec = INT_MAX;
        }
        return 0;
    }
    default:
        return 0;
    }
}

static int accept_any_certificate(X509_STORE_CTX *store, void *context) {
    // Trust comes from the fingerprint in the session description, which is compared after the handshake.
    (void)store;
    (void)context;
    return 1;
}

static unsigned int timer_duration(SSL *ssl, unsigned int previous) {
    (void)ssl;
    return previous == 0 ? 100000 : previous < 2000000 ? previous * 2 : 4000000;
}

static int make_certificate(proscenium_dtls_identity *identity) {
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    if (!identity->key || !identity->certificate) return 0;
    uint8_t serial[8];
    if (RAND_bytes(serial, sizeof serial) != 1) return 0;
    uint64_t number = 1;
    for (size_t i = 0; i < sizeof serial; i++) number = number << 8 | serial[i];
    X509 *certificate = identity->certificate;
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1)
        // A day back, for peers whose clock is late.
        && X509_gmtime_adj(X509_getm_notBefore(certificate), -86400)
        && X509_gmtime_adj(X509_getm_notAfter(certificate), 365L * 86400)
        && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"WebRTC", -1, -1, 0)
        && X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, identity->key)
        && X509_sign(certificate, identity->key, EVP_sha256()) > 0;
}

proscenium_dtls_identity *proscenium_dtls_identity_new(const char *srtp_profiles) {
    proscenium_dtls_identity *identity = calloc(1, sizeof *identity);
    if (!identity) return NULL;
    int index = BIO_get_new_index();
    if (index > 0) identity->method = BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "datagram in memory");
    identity->settings = SSL_CTX_new(DTLS_method());
    if (!identity->method || !identity->settings || !make_certificate(identity)) goto failed;
    BIO_meth_set_read(identity->method, bio_read);
    BIO_meth_set_write(identity->method, bio_write);
    BIO_meth_set_ctrl(identity->method, bio_control);
    SSL_CTX *settings = identity->settings;
    SSL_CTX_set_options(settings, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                      | SSL_OP_SINGLE_ECDH_USE);
    SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(settings, 1);
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(settings, accept_any_certificate, NULL);
    if (!SSL_CTX_set_min_proto_version(settings, DTLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(settings, DTLS1_2_VERSION)
        || SSL_CTX_use_certificate(settings, identity->certificate) != 1 || SSL_CTX_use_PrivateKey(settings, identity->key) != 1
        || !SSL_CTX_set_cipher_list(settings, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"
                                              "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA")
        || SSL_CTX_set_tlsext_use_srtp(settings, srtp_profiles) != 0)
        goto failed;
    return identity;
failed:
    proscenium_dtls_identity_free(identity);
    return NULL;
}

void proscenium_dtls_identity_free(proscenium_dtls_identity *identity) {
    if (!identity) return;
    SSL_CTX_free(identity->settings);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    BIO_meth_free(identity->method);
    free(identity);
}

int proscenium_dtls_identity_fingerprint(const proscenium_dtls_identity *identity, uint8_t *sha256) {
    unsigned int length = 32;
    return X509_digest(identity->certificate, EVP_sha256(), sha256, &length);
}

proscenium_dtls *proscenium_dtls_new(proscenium_dtls_identity *identity, int is_client, int mtu,
                                     proscenium_dtls_send send, void *context) {
    proscenium_dtls *dtls = calloc(1, sizeof *dtls);
    if (!dtls) return NULL;
    dtls->send = send;
    dtls->context = context;
    dtls->owns_timer = OpenSSL_version_num() < 0x30200000UL;
    dtls->ssl = SSL_new(identity->settings);
    BIO *bio = BIO_new(identity->method);
    if (!dtls->ssl || !bio) {
        BIO_free(bio);
        SSL_free(dtls->ssl);
        free(dtls);
        return NULL;
    }
    BIO_set_data(bio, dtls);
    BIO_set_init(bio, 1);
    SSL_set_bio(dtls->ssl, bio, bio);
    DTLS_set_link_mtu(dtls->ssl, mtu);
    DTLS_set_timer_cb(dtls->ssl, timer_duration);
    if (is_client) SSL_set_connect_state(dtls->ssl);
    else SSL_set_accept_state(dtls->ssl);
    return dtls;
}

void proscenium_dtls_free(proscenium_dtls *dtls) {
    if (!dtls) return;
    SSL_free(dtls->ssl);
    free(dtls);
}

static int settle(proscenium_dtls *dtls, int result) {
    int error = SSL_get_error(dtls->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return dtls->state;
    dtls->error = ERR_peek_last_error();
    dtls->state = error == SSL_ERROR_ZERO_RETURN ? PROSCENIUM_DTLS_CLOSED : PROSCENIUM_DTLS_FAILED;
    return dtls->state;
}

int proscenium_dtls_start(proscenium_dtls *dtls) {
    if (dtls->state != PROSCENIUM_DTLS_HANDSHAKING) return dtls->state;
    ERR_clear_error();
    int result = SSL_do_handshake(dtls->ssl);
    if (result == 1) return dtls->state = PROSCENIUM_DTLS_CONNECTED;
    return settle(dtls, result);
}

int proscenium_dtls_receive(proscenium_dtls *dtls, const uint8_t *bytes, size_t length) {
    if (dtls->state == PROSCENIUM_DTLS_FAILED || dtls->state == PROSCENIUM_DTLS_CLOSED || length == 0) return dtls->state;
    dtls->input = bytes;
    dtls->input_length = length;
    ERR_clear_error();
    if (proscenium_dtls_start(dtls) == PROSCENIUM_DTLS_CONNECTED) {
        // Application data has no meaning here; reading handles alerts and repeated Finished messages.
        uint8_t scratch[2048];
        int result, turns = 0;
        ERR_clear_error();
        while ((result = SSL_read(dtls->ssl, scratch, sizeof scratch)) > 0 && turns++ < 64) {}
        if (result <= 0) settle(dtls, result);
    }
    dtls->input = NULL;
    return dtls->state;
}

int proscenium_dtls_timeout(proscenium_dtls *dtls) {
    if (dtls->state != PROSCENIUM_DTLS_HANDSHAKING) return dtls->state;
    if (dtls->owns_timer && dtls->next_timeout && dtls->armed) {
        dtls->next_timeout->tv_sec = 1;
        dtls->next_timeout->tv_usec = 0;
    }
    ERR_clear_error();
    if (DTLSv1_handle_timeout(dtls->ssl) < 0) {
        dtls->error = ERR_peek_last_error();
        dtls->state = PROSCENIUM_DTLS_FAILED;
    }
    return dtls->state;
}

int proscenium_dtls_timer_is_armed(const proscenium_dtls *dtls) {
    return dtls->armed;
}

uint32_t proscenium_dtls_timer_starts(const proscenium_dtls *dtls) {
    return dtls->starts;
}

void proscenium_dtls_shutdown(proscenium_dtls *dtls) {
    if (dtls->state != PROSCENIUM_DTLS_CONNECTED) return;
    ERR_clear_error();
    SSL_shutdown(dtls->ssl);
    dtls->state = PROSCENIUM_DTLS_CLOSED;
}

int proscenium_dtls_srtp_profile(const proscenium_dtls *dtls) {
    SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(dtls->ssl);
    return profile ? (int)profile->id : 0;
}

int proscenium_dtls_export_srtp_keys(proscenium_dtls *dtls, uint8_t *keys, size_t length) {
    static const char label[] = "EXTRACTOR-dtls_srtp";
    return SSL_export_keying_material(dtls->ssl, keys, length, label, sizeof label - 1, NULL, 0, 0);
}

int proscenium_dtls_peer_fingerprint(const proscenium_dtls *dtls, const char *algorithm, uint8_t *hash, size_t capacity) {
    X509 *certificate = SSL_get1_peer_certificate(dtls->ssl);
    const EVP_MD *digest = EVP_get_digestbyname(algorithm);
    unsigned int length = 0;
    if (certificate && digest && (size_t)EVP_MD_get_size(digest) <= capacity && !X509_digest(certificate, digest, hash, &length)) length = 0;
    X509_free(certificate);
    return (int)length;
}

void proscenium_dtls_error(const proscenium_dtls *dtls, char *text, size_t capacity) {
    ERR_error_string_n(dtls->error, text, capacity);
}

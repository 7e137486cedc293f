// What WebRTC needs of OpenSSL in C: a datagram BIO under DTLS, and HMAC-SHA1 with the key kept.
#pragma once
#include <stddef.h>
#include <stdint.h>

// HMAC-SHA1 whose two key blocks are hashed once.
typedef struct proscenium_hmac proscenium_hmac;
proscenium_hmac *proscenium_hmac_new(const uint8_t *key, size_t key_length);
void proscenium_hmac_free(proscenium_hmac *hmac);
// Authenticates `first` followed by `second` (which may be empty) into 20 bytes.
void proscenium_hmac_sign(const proscenium_hmac *hmac, const uint8_t *first, size_t first_length,
                          const uint8_t *second, size_t second_length, uint8_t *tag);

// A self-signed ECDSA P-256 certificate with its key, and the DTLS settings that go with it.
typedef struct proscenium_dtls_identity proscenium_dtls_identity;
proscenium_dtls_identity *proscenium_dtls_identity_new(const char *srtp_profiles);
void proscenium_dtls_identity_free(proscenium_dtls_identity *identity);
// Writes the SHA-256 of the certificate, 32 bytes; returns 1 on success.
int proscenium_dtls_identity_fingerprint(const proscenium_dtls_identity *identity, uint8_t *sha256);

enum { PROSCENIUM_DTLS_FAILED = -1, PROSCENIUM_DTLS_HANDSHAKING = 0, PROSCENIUM_DTLS_CONNECTED = 1, PROSCENIUM_DTLS_CLOSED = 2 };

// One DTLS 1.2 association. `send` gets whole datagrams.
typedef struct proscenium_dtls proscenium_dtls;
typedef void (*proscenium_dtls_send)(void *context, const uint8_t *bytes, size_t length);
proscenium_dtls *proscenium_dtls_new(proscenium_dtls_identity *identity, int is_client, int mtu,
                                     proscenium_dtls_send send, void *context);
void proscenium_dtls_free(proscenium_dtls *dtls);
int proscenium_dtls_start(proscenium_dtls *dtls);
int proscenium_dtls_receive(proscenium_dtls *dtls, const uint8_t *bytes, size_t length);
// Sends the last flight again, as if OpenSSL's own timer had fired.
int proscenium_dtls_timeout(proscenium_dtls *dtls);
// Whether a flight waits for an answer, and how often that timer was started.
int proscenium_dtls_timer_is_armed(const proscenium_dtls *dtls);
uint32_t proscenium_dtls_timer_starts(const proscenium_dtls *dtls);
void proscenium_dtls_shutdown(proscenium_dtls *dtls);
// The number of the SRTP profile (RFC 5764 4.1.2, RFC 7714 14.2), 0 when none was agreed.
int proscenium_dtls_srtp_profile(const proscenium_dtls *dtls);
int proscenium_dtls_export_srtp_keys(proscenium_dtls *dtls, uint8_t *keys, size_t length);
// Hashes the peer's certificate by the named algorithm; returns the number of bytes, 0 on failure.
int proscenium_dtls_peer_fingerprint(const proscenium_dtls *dtls, const char *algorithm, uint8_t *hash, size_t capacity);
// Writes OpenSSL's last error as text.
void proscenium_dtls_error(const proscenium_dtls *dtls, char *text, size_t capacity);

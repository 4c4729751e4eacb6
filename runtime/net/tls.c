#include "net/tls.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "net/openssl.h"
#include "net/transport.h"

#define PIECE (1 << 14)         /* bytes that become one record */

/* ---- certificates ---- */

/* The first error is the cause, the others say where it was met. */
static const char *reason_of(unsigned long code)
{
    const char *reason = ERR_GET_REASON(code)
                         == ERR_R_INTERRUPTED_OR_CANCELLED
                       ? "it has a passphrase, which nobody is asked for"
                       : ERR_SYSTEM_ERROR(code)
                       ? strerror(ERR_GET_REASON(code))
                       : ERR_reason_error_string(code);

    return reason ? reason : "OpenSSL refuses it";
}

/* A list for each, from the same file: of whom to trust, and of whom to name
   so that clients know which of theirs is meant. */
static int demand(SSL_CTX *context, const char *client_ca)
{
    STACK_OF(X509_NAME) *names;

    if (SSL_CTX_load_verify_locations(context, client_ca, NULL) != 1)
        return -1;
    names = SSL_load_client_CA_file(client_ca);
    if (!names)
        return -1;
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    return 0;
}

/* OpenSSL would ask at the terminal, and everything would wait. */
static int no_passphrase(char *buffer, int size, int writing, void *unused)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

/* The file that cannot be used, or NULL. */
static const char *use(SSL_CTX *context, const char *certificate,
                       const char *key, const char *client_ca)
{
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return certificate;
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return key;
    return client_ca && demand(context, client_ca) != 0 ? client_ca : NULL;
}

/*
 * A session is resumed with a ticket, whose keys are the context's, and so of
 * all processes that are forked from here. Not where clients have to show a
 * certificate: each connection does.
 */
static void set_resumption(SSL_CTX *context, bool wanted)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, wanted ? 1 : 0);
    if (!wanted)
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

/* What old peers have, CBC and SHA-1, is below the level that is usual. */
static void set_versions(SSL_CTX *context, bool legacy)
{
    SSL_CTX_set_min_proto_version(context, legacy ? TLS1_VERSION
                                                  : TLS1_2_VERSION);
    if (legacy)
        SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0");
}

static SSL_CTX *new_context(bool legacy)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    set_versions(context, legacy);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);     /* not the head of a record alone */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION
                        | SSL_OP_CIPHER_SERVER_PREFERENCE);
    return context;
}

SSL_CTX *tls_open(const char *certificate, const char *key,
                  const char *client_ca, bool legacy,
                  struct harp_error *error)
{
    SSL_CTX *context;
    const char *file;

    if (openssl_load(error) != 0)
        return NULL;
    ERR_clear_error();
    context = new_context(legacy);
    set_resumption(context, client_ca == NULL);
    file = use(context, certificate, key, client_ca);
    if (!file)
        return context;
    error_set(error, USAGE_ERROR, "certificate", "cannot use %s: %s", file,
              reason_of(ERR_peek_error()));
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

void tls_close(SSL_CTX *context)
{
    if (context)
        SSL_CTX_free(context);
}

/* ---- what goes out ---- */

/* Appends what OpenSSL has written. */
static void take_written(struct transport *transport, struct buffer *bytes)
{
    BIO *out = SSL_get_wbio(transport->ssl);
    size_t size = BIO_ctrl_pending(out);

    if (size > 0 && BIO_read(out, buffer_reserve(bytes, size), (int)size) > 0)
        bytes->length += size;
}

/* Of handshakes and alerts: nobody asks for them to be sent. */
static void send_written(struct transport *transport)
{
    struct buffer bytes = { 0 };

    take_written(transport, &bytes);
    transport_send_raw(transport, &bytes);      /* a reader sees it fail */
    buffer_free(&bytes);
}

/* Memory has room for all of it; a piece at a time keeps that small. */
static int tls_send(struct transport *transport, struct buffer *bytes)
{
    struct buffer records = { 0 };
    size_t sent = 0;
    int status;

    while (sent < bytes->length) {
        size_t left = bytes->length - sent;
        int wrote = SSL_write(transport->ssl, bytes->data + sent,
                              left > PIECE ? PIECE : (int)left);

        if (wrote <= 0) {
            buffer_free(&records);
            ERR_clear_error();
            return UV_EPROTO;
        }
        take_written(transport, &records);
        sent += (size_t)wrote;
    }
    bytes->length = 0;
    if (bytes->capacity > 2 * PIECE)
        buffer_free(bytes);
    status = transport_send_raw(transport, &records);
    buffer_free(&records);
    return status;
}

static void tls_end(struct transport *transport)
{
    if (transport->reason || !transport->shaken)
        return;
    SSL_shutdown(transport->ssl);
    ERR_clear_error();
    send_written(transport);
}

/* ---- what comes in ---- */

/* After OpenSSL could not go on: does it wait for more, or is it over? */
static bool is_waiting(struct transport *transport, int result)
{
    int reason = SSL_get_error(transport->ssl, result);
    ssize_t end = UV_EOF;

    send_written(transport);
    if (reason == SSL_ERROR_WANT_READ)
        return true;
    if (reason != SSL_ERROR_ZERO_RETURN) {
        transport->reason = reason_of(ERR_peek_error());
        end = UV_EPROTO;
    }
    ERR_clear_error();
    transport->receiving = false;
    transport->user->received(transport->owner, end);
    return false;
}

/* false when there is no more for now. */
static bool shake(struct transport *transport)
{
    int result = SSL_do_handshake(transport->ssl);

    if (result != 1) {
        is_waiting(transport, result);
        return false;
    }
    send_written(transport);
    transport->shaken = true;
    transport->user->ready(transport->owner);
    return true;
}

static bool hand_on(struct transport *transport)
{
    int got = SSL_read(transport->ssl,
                       transport->user->space(transport->owner),
                       TRANSPORT_SPACE);

    if (got <= 0) {
        is_waiting(transport, got);
        return false;
    }
    transport->user->received(transport->owner, got);
    return true;
}

/* Whoever gets it may have had enough, or close, or ask for more: once. */
static void drain(struct transport *transport)
{
    bool more = true;

    if (transport->draining)
        return;
    transport->draining = true;
    while (more && transport->receiving && !transport->ended
           && !transport_is_closing(transport))
        more = transport->shaken ? hand_on(transport) : shake(transport);
    transport->draining = false;
}

static void tls_space(struct transport *transport, uv_buf_t *buffer)
{
    static char records[TRANSPORT_SPACE];

    (void)transport;
    *buffer = uv_buf_init(records, sizeof records);
}

static void tls_arrived(struct transport *transport, const char *data,
                        size_t size)
{
    BIO_write(SSL_get_rbio(transport->ssl), data, (int)size);
    drain(transport);
}

static void tls_free(struct transport *transport)
{
    SSL_free(transport->ssl);
    transport->ssl = NULL;
}

const struct transport_kind *tls_kind(struct transport *transport,
                                      SSL_CTX *context)
{
    static const struct transport_kind kind = {
        tls_space, tls_arrived, drain, tls_send, tls_end, tls_free
    };

    transport->ssl = SSL_new(context);
    SSL_set_bio(transport->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(transport->ssl);
    return &kind;
}

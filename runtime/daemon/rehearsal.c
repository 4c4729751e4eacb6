#include "daemon/rehearsal.h"

#include "base/error.h"
#include "net/openssl.h"
#include "wire/call.h"

/* Joins two ends in memory, each of them writing what the other reads. */
static void join(SSL *client, SSL *server)
{
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(client, down, up);
    SSL_set_bio(server, up, down);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
}

/* One that fails, as where clients must show a certificate, helps as well. */
static void shake_hands(SSL *client, SSL *server)
{
    char byte = '\n';

    /* The client's last message is in the second turn. */
    for (int turn = 0; turn < 2; turn++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    SSL_write(client, &byte, 1);
    SSL_read(server, &byte, 1);
    SSL_write(server, &byte, 1);
    SSL_shutdown(server);
}

static void rehearse_tls(SSL_CTX *context)
{
    SSL_CTX *caller = SSL_CTX_new(TLS_client_method());
    SSL *client = SSL_new(caller), *server = SSL_new(context);

    join(client, server);
    shake_hands(client, server);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(caller);
    ERR_clear_error();
}

static void rehearse_request(void)
{
    static const char request[] =
        "{\"harp\":1,\"procedure\":\"\",\"arguments\":[0],"
        "\"auth\":{\"user\":\"\",\"password\":\"\"}}";
    struct harp_error error;
    struct call call;

    if (call_read(&call, text_of(request), &error) == 0)
        call_free(&call);
}

void rehearsal_hold(SSL_CTX *context)
{
    rehearse_tls(context);
    rehearse_request();
}

/*
 * What a process and a TLS handshake for each call cost: the yardstick of
 * daemon.lua. Answers every line with the two that a call of the daemon gets,
 * from a child that was forked for it, and does nothing else.
 *
 *   handshake CERTIFICATE KEY
 *
 * Says where it listens, and serves until it is killed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "{\"harp\":1,\"stream_result\":false}\n"
                             "{\"result\":3}\n";

static void check(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL_CTX *new_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    check(SSL_CTX_use_certificate_chain_file(context, certificate) == 1,
          certificate);
    check(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1,
          key);
    return context;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(listener, (struct sockaddr *)&address, length) == 0, "bind");
    check(listen(listener, SOMAXCONN) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* The child. */
static void serve(SSL_CTX *context, int peer)
{
    SSL *ssl = SSL_new(context);
    char line[4096];
    int on = 1, size = 0, got = 1;

    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(ssl, peer);
    if (SSL_accept(ssl) != 1)
        _exit(1);
    while (got > 0 && !memchr(line, '\n', (size_t)size)) {
        got = SSL_read(ssl, line + size, (int)sizeof line - size);
        size += got;
    }
    if (got > 0)
        SSL_write(ssl, answer, sizeof answer - 1);
    SSL_shutdown(ssl);
    _exit(0);
}

int main(int argc, char **argv)
{
    SSL_CTX *context;
    int listener;

    check(argc == 3, "usage: handshake CERTIFICATE KEY");
    signal(SIGCHLD, SIG_IGN);   /* none of them becomes a zombie */
    context = new_context(argv[1], argv[2]);
    listener = listen_somewhere();
    for (;;) {
        int peer = accept(listener, NULL, NULL);

        check(peer >= 0, "accept");
        if (fork() == 0)
            serve(context, peer);
        close(peer);
    }
}

#include "net/dial.h"

#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/endpoint.h"
#include "net/known_hosts.h"
#include "net/openssl.h"

#define CONNECT_TIMEOUT 10.0    /* seconds */

/* A peer that vanished without a word is missed after a minute. */
#define IDLE 30                 /* seconds of silence before the first probe */
#define INTERVAL 10             /* seconds between probes */
#define PROBES 3
#define UNANSWERED 60.0         /* seconds that sent bytes may go unanswered */

static double timeout_of(const struct endpoint *endpoint)
{
    return endpoint->connect_timeout > 0 ? endpoint->connect_timeout
                                         : CONNECT_TIMEOUT;
}

/* ---- the socket ---- */

static void set_number(int socket, int option, int number)
{
    setsockopt(socket, IPPROTO_TCP, option, &number, sizeof number);
}

/*
 * TCP_NODELAY is set by libcurl itself. None of this can fail in a way that
 * matters; a unix socket refuses it all and needs none of it.
 */
static int set_socket(void *context, curl_socket_t socket,
                      curlsocktype purpose)
{
    const struct dial *dial = context;
    double timeout = timeout_of(dial->endpoint);
    int yes = 1;

    (void)purpose;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    set_number(socket, TCP_KEEPIDLE, IDLE);
    set_number(socket, TCP_KEEPINTVL, INTERVAL);
    set_number(socket, TCP_KEEPCNT, PROBES);
    /* It would end a connect, too. */
    set_number(socket, TCP_USER_TIMEOUT,
               (int)((timeout > UNANSWERED ? timeout : UNANSWERED) * 1e3));
    return CURL_SOCKOPT_OK;
}

/* ---- trust ---- */

/* Notes the key; whether it is the right one is judged in dial_finish. */
static int note_certificate(X509_STORE_CTX *store, void *context)
{
    struct dial *dial = context;
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);

    if (!certificate || !pin_of_certificate(certificate, dial->peer.pin))
        dial->peer.pin[0] = '\0';
    dial->peer.shown = certificate
               && known_certs_fingerprint(certificate, dial->peer.fingerprint);
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* ---- sessions ---- */

/*
 * A server that wants to see our certificate may not take a resumed session,
 * and with old ones nothing is sure.
 */
static bool may_resume(const struct endpoint *endpoint)
{
    return !endpoint->cert_file && !endpoint->legacy;
}

/* Of another trust it is another peer. */
static char *session_name(const struct endpoint *endpoint)
{
    char *route = endpoint_route(endpoint);
    const char *file = endpoint->ca_file ? endpoint->ca_file : "";
    char *name = memory_format("%d %s %s", endpoint_trust(endpoint), route,
                               file);

    free(route);
    return name;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct dial *dial = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char *name = session_name(dial->endpoint);

    if (!SSL_session_reused(ssl))
        dial->peer.met = sessions_now();
    sessions_keep(name, session, SSL_session_reused(ssl) ? &dial->before
                                                         : &dial->peer);
    free(name);
    return 0;                   /* the one it has is not ours */
}

static void offer_session(struct dial *dial, SSL *ssl)
{
    char *name = session_name(dial->endpoint);
    SSL_SESSION *session = sessions_find(name, &dial->before);

    if (session) {
        SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
    }
    free(name);
}

static void watch_state(const SSL *ssl, int where, int alert)
{
    struct dial *dial = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (where == SSL_CB_READ_ALERT && alert >> 8 == SSL3_AL_FATAL)
        dial->alert = alert & 0xff;
    /* Before the first byte; libcurl lets nobody at the SSL any sooner. */
    if (where == SSL_CB_HANDSHAKE_START && !dial->begun
        && may_resume(dial->endpoint))
        offer_session(dial, (SSL *)(uintptr_t)ssl);
    dial->begun = true;
    if (where == SSL_CB_HANDSHAKE_DONE && SSL_session_reused(ssl))
        dial->peer = dial->before;
}

static CURLcode watch_handshake(CURL *easy, void *tls, void *context)
{
    const struct dial *dial = context;
    enum trust trust = endpoint_trust(dial->endpoint);

    (void)easy;
    SSL_CTX_set_app_data((SSL_CTX *)tls, context);
    /* What waits to be sent may grow, and what has left must be known. */
    SSL_CTX_set_mode((SSL_CTX *)tls, SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_info_callback(tls, watch_state);
    if (may_resume(dial->endpoint)) {
        SSL_CTX_set_session_cache_mode((SSL_CTX *)tls, SSL_SESS_CACHE_CLIENT
                                       | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls, keep_session);
    }
    if (trust == TRUST_PIN || trust == TRUST_FIRST_USE
        || trust == TRUST_KNOWN_CERTS)
        SSL_CTX_set_cert_verify_callback(tls, note_certificate, context);
    return CURLE_OK;
}

/* ---- verdicts ---- */

/* A pin missed for any reason matches none: libcurl need not be asked. */
static int check_pin(const struct dial *dial, struct harp_error *error)
{
    if (*dial->peer.pin && strcmp(dial->peer.pin, dial->endpoint->pin) == 0)
        return 0;
    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "pin mismatch: the peer's key is %s, not %s",
                     *dial->peer.pin ? dial->peer.pin : "unknown",
                     dial->endpoint->pin);
}

static int check_first_use(const struct dial *dial, struct harp_error *error)
{
    if (*dial->peer.pin)
        return known_hosts_check(dial->endpoint, dial->peer.pin, error);
    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "the peer has shown no key");
}

static int check_known_certs(const struct dial *dial,
                             struct harp_error *error)
{
    if (dial->peer.shown)
        return known_certs_check(dial->endpoint->known_certs,
                                 dial->peer.fingerprint, error);
    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "the peer has shown no certificate");
}

static int check_peer(const struct dial *dial, struct harp_error *error)
{
    if (!dial->endpoint->tls)
        return 0;
    switch (endpoint_trust(dial->endpoint)) {
    case TRUST_PIN:
        return check_pin(dial, error);
    case TRUST_KNOWN_CERTS:
        return check_known_certs(dial, error);
    case TRUST_FIRST_USE:
        return check_first_use(dial, error);
    default:
        return 0;               /* libcurl has verified it, or was not to */
    }
}

/* ---- options ---- */

static void set_address(CURL *easy, const struct endpoint *endpoint)
{
    const char *scheme = endpoint->tls ? "https" : "http";
    char *name = endpoint_name(endpoint);
    char *url = endpoint->path ? memory_format("%s://localhost/", scheme)
                               : memory_format("%s://%s/", scheme, name);

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->path);
    free(url);
    free(name);
}

/* What the environment says of proxies is not for us. */
static void set_proxy(CURL *easy, const struct proxy *proxy)
{
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     proxy->address ? proxy->address : "");
    if (!proxy->address)
        return;
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, proxy->user);
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, proxy->password);
}

/* With a file of authorities those of the system do not count. */
static void set_authorities(CURL *easy, const struct endpoint *endpoint)
{
    enum trust trust = endpoint_trust(endpoint);
    bool asked = trust == TRUST_AUTHORITY || trust == TRUST_SYSTEM;

    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, asked ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, asked ? 2L : 0L);
    if (trust != TRUST_AUTHORITY)
        return;
    curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca_file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
}

static void set_certificate(CURL *easy, const struct endpoint *endpoint)
{
    curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->cert_file);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->key_file);
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");  /* or it would ask */
}

static void set_tls(struct dial *dial)
{
    CURL *easy = dial->easy;

    curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                     (long)(dial->endpoint->legacy ? CURL_SSLVERSION_TLSv1_0
                                                   : CURL_SSLVERSION_TLSv1_2));
    if (dial->endpoint->legacy)
        curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    /* Sessions are resumed here, with what the peer was known by. */
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    set_authorities(easy, dial->endpoint);
    set_certificate(easy, dial->endpoint);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch_handshake);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, dial);
}

void dial_prepare(struct dial *dial, CURL *easy,
                  const struct endpoint *endpoint)
{
    dial->easy = easy;
    dial->endpoint = endpoint;
    set_address(easy, endpoint);
    set_proxy(easy, &endpoint->proxy);
    if (endpoint->tls)
        set_tls(dial);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Or giving up would wait for the end of looking up a name. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, dial);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dial->reason);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)ceil(timeout_of(endpoint) * 1e3));   /* 0: 300 s */
}

/* ---- failures ---- */

/* What the peer thinks of our certificate, or of how we speak. */
static int fail_alert(const struct dial *dial, struct harp_error *error)
{
    const char *text = SSL_alert_desc_string_long(dial->alert);

    switch (dial->alert) {
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return error_set(error, COMMUNICATION_ERROR, "certificate",
                         "the peer wants a certificate of ours: give "
                         "cert_file and key_file");
    case SSL3_AD_BAD_CERTIFICATE:
    case SSL3_AD_UNSUPPORTED_CERTIFICATE:
    case SSL3_AD_CERTIFICATE_REVOKED:
    case SSL3_AD_CERTIFICATE_EXPIRED:
    case SSL3_AD_CERTIFICATE_UNKNOWN:
    case TLS1_AD_UNKNOWN_CA:
        return error_set(error, COMMUNICATION_ERROR, "certificate",
                         "the peer does not take our certificate: %s", text);
    default:
        return error_set(error, COMMUNICATION_ERROR, "tls",
                         "the peer refuses to go on: %s", text);
    }
}

static int fail_authority(const struct dial *dial, struct harp_error *error)
{
    const char *file = dial->endpoint->ca_file;

    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "unknown authority: %s%s has signed the peer's "
                     "certificate", file ? "none in " : "none of the system's",
                     file ? file : "");
}

static int fail_name(const struct dial *dial, struct harp_error *error)
{
    const struct endpoint *endpoint = dial->endpoint;

    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "wrong name: the peer's certificate is not for \"%s\"",
                     endpoint->path ? "localhost" : endpoint->host);
}

/* libcurl has no verdict of OpenSSL's to tell when it is about the name. */
static int fail_verification(const struct dial *dial,
                             struct harp_error *error)
{
    long verdict = X509_V_OK;

    if (dial->alert)
        return fail_alert(dial, error);
    curl_easy_getinfo(dial->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    switch (verdict) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:
        return fail_name(dial, error);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return fail_authority(dial, error);
    default:                    /* "certificate has expired", … */
        return error_set(error, COMMUNICATION_ERROR, "certificate",
                         "the peer's certificate is no good: %s",
                         X509_verify_cert_error_string(verdict));
    }
}

static int fail_ca_file(const struct dial *dial, struct harp_error *error)
{
    const char *file = dial->endpoint->ca_file;

    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "cannot use the authorities %s%s: %s%s",
                     file ? "in " : "of the system", file ? file : "",
                     dial->reason,
                     file ? "" : "; is ca-certificates installed?");
}

static int fail_cert_file(const struct dial *dial, struct harp_error *error)
{
    const struct endpoint *endpoint = dial->endpoint;
    const char *key = endpoint->key_file;

    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "cannot use the certificate in %s with the key in %s: %s",
                     endpoint->cert_file, key ? key : endpoint->cert_file,
                     dial->reason);
}

/* What the handshake with an old peer fails with. */
static bool is_old(const struct dial *dial, const char *reason)
{
    return dial->alert == TLS1_AD_PROTOCOL_VERSION
        || dial->alert == TLS1_AD_INSUFFICIENT_SECURITY
        || dial->alert == SSL3_AD_HANDSHAKE_FAILURE
        || strstr(reason, "unsupported protocol")
        || strstr(reason, "too small")      /* keys, … */
        || strstr(reason, "too weak")       /* … digests */
        || strstr(reason, "legacy");        /* renegotiation */
}

/* "OpenSSL/3.0: error:0A00010B:SSL routines::REASON", or a sentence. */
static const char *tls_reason(const struct dial *dial)
{
    const char *code = strstr(dial->reason, "routines::");

    if (strstr(dial->reason, "SSL_ERROR_SYSCALL"))
        return "the peer hung up";
    return code ? code + strlen("routines::") : dial->reason;
}

static int fail_handshake(const struct dial *dial, struct harp_error *error)
{
    const struct endpoint *endpoint = dial->endpoint;
    const char *reason = tls_reason(dial), *advice = "";

    if (dial->alert)
        fail_alert(dial, error);
    else
        error_set(error, COMMUNICATION_ERROR, "tls", "TLS handshake: %s",
                  reason);
    if (dial->alert == SSL3_AD_HANDSHAKE_FAILURE && !endpoint->cert_file)
        advice = "; it may be an old one that needs tls = \"legacy\", or want "
                 "a certificate of ours (cert_file)";
    else if (!endpoint->legacy && is_old(dial, reason))
        advice = "; if it is an old one, tls = \"legacy\" accepts TLS 1.0 and "
                 "weak ciphers";
    else if (strstr(reason, "wrong version number"))
        advice = "; it may not speak TLS at all";
    strncat(error->message, advice,
            sizeof error->message - strlen(error->message) - 1);
    return -1;
}

/* Failures of libcurl that say enough by themselves, or have a function. */
static const struct {
    CURLcode result;
    const char *type;
    const char *text;
    int (*fail)(const struct dial *dial, struct harp_error *error);
} failures[] = {
    { CURLE_COULDNT_RESOLVE_HOST, "nxdomain", "the name is not known", NULL },
    { CURLE_COULDNT_RESOLVE_PROXY, "nxdomain",
      "the proxy's name is not known", NULL },
    { CURLE_OPERATION_TIMEDOUT, "etimedout", "connecting took too long", NULL },
    { CURLE_URL_MALFORMAT, "bad_address", "not a host name", NULL },
    { CURLE_PEER_FAILED_VERIFICATION, NULL, NULL, fail_verification },
    { CURLE_SSL_CONNECT_ERROR, NULL, NULL, fail_handshake },
    { CURLE_SSL_CACERT_BADFILE, NULL, NULL, fail_ca_file },
    { CURLE_SSL_CERTPROBLEM, NULL, NULL, fail_cert_file },
};

/* What is in no row: errors of the system, or of the proxy. */
static int fail_otherwise(const struct dial *dial, CURLcode result,
                          struct harp_error *error)
{
    bool proxy = dial->endpoint->proxy.address != NULL;
    long number = 0;
    char type[32];

    curl_easy_getinfo(dial->easy, CURLINFO_OS_ERRNO, &number);
    if (result == CURLE_COULDNT_CONNECT && number)
        return error_set(error, COMMUNICATION_ERROR,
                         error_name((int)number, type, sizeof type), "%s",
                         strerror((int)number));
    return error_set(error, COMMUNICATION_ERROR,
                     proxy ? "proxy" : "network_error", "%s",
                     *dial->reason ? dial->reason
                                   : curl_easy_strerror(result));
}

static int explain(const struct dial *dial, CURLcode result,
                   struct harp_error *error)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].result != result)
            continue;
        if (failures[i].fail)
            return failures[i].fail(dial, error);
        return error_set(error, COMMUNICATION_ERROR, failures[i].type, "%s",
                         failures[i].text);
    }
    return fail_otherwise(dial, result, error);
}

/* Says to whom; returns -1. */
static int name_peer(const struct dial *dial, struct harp_error *error)
{
    char *route = endpoint_route(dial->endpoint);

    error_prefix(error, "%s", route);
    free(route);
    return -1;
}

int dial_finish(struct dial *dial, CURLcode result, struct harp_error *error)
{
    int status = result == CURLE_OK ? check_peer(dial, error)
                                    : explain(dial, result, error);

    return status == 0 ? 0 : name_peer(dial, error);
}

bool dial_was_refused(const struct dial *dial, struct harp_error *error)
{
    if (!dial->alert)
        return false;
    fail_alert(dial, error);
    name_peer(dial, error);
    return true;
}

#include "ringroom/wire/tls_client.h"
#include "ringroom/base/ip.h"
#include "ringroom/base/mem.h"
#include "tls_context.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct tls_client {
    SSL_CTX *context;
};

static int trust(SSL_CTX *context, const char *ca_file, struct complaint *complaint)
{
    if (SSL_CTX_set_default_verify_paths(context) != 1)
        return tls_complain(complaint, "the system's certificates cannot be read: %s",
                            tls_openssl_reason());
    if (!ca_file)
        return 0;
    if (SSL_CTX_load_verify_file(context, ca_file) != 1)
        return tls_complain(complaint, "%s: cannot be read as certificates (PEM): %s", ca_file,
                            tls_openssl_reason());
    /* What is in the file is trusted as it is, whether or not it may sign others. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

int tls_client_new(const char *ca_file, bool verify, struct tls_client **ret_client,
                   char *ret_error, size_t error_bytes)
{
    struct complaint complaint = {.text = ret_error, .bytes = error_bytes};
    struct tls_client *client = mem_zalloc(sizeof(*client));
    int error = 0;

    ERR_clear_error();
    if (!client || !(client->context = SSL_CTX_new(TLS_client_method())) ||
        SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION) != 1)
        error = tls_complain(&complaint, "TLS cannot be set up: %s", tls_openssl_reason());
    else if (verify)
        error = trust(client->context, ca_file, &complaint);
    ERR_clear_error();
    if (error) {
        tls_client_free(client);
        return error;
    }
    SSL_CTX_set_msg_callback(client->context, tls_watch_message);
    SSL_CTX_set_verify(client->context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    *ret_client = client;
    return 0;
}

void tls_client_free(struct tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    mem_free(client);
}

/* An address is looked for among the certificate's addresses, and not told as a name (RFC 6066). */
static bool expect(SSL *ssl, const char *host)
{
    struct ip ip;

    if (ip_parse(slice_of(host), &ip))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    /* SSL_set_tlsext_host_name(), whose cast clang complains of. */
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

struct tls *tls_client_session(struct tls_client *client, const char *host)
{
    SSL *ssl = SSL_new(client->context);

    if (ssl && !expect(ssl, host)) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl)
        SSL_set_connect_state(ssl);
    return tls_over(ssl);
}

/* NULL: none that we have a sentence for. */
static const char *verify_advice(long result)
{
    switch (result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "nobody whom this system trusts has signed it: name the file of its authority, or "
               "of itself, by --ca FILE (with `./dev run`: --ca dev-cert/cert.pem)";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "it is for another name: use the name that it was made for";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "it has expired: the server needs a new one";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "it is not valid yet: is the clock of this machine right?";
    default:
        return NULL;
    }
}

void tls_client_why(const struct tls *tls, const char *host, char *text, size_t text_bytes)
{
    SSL *ssl = tls_ssl(tls);
    long result = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(tls_fault(tls));

    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && result != X509_V_OK) {
        const char *advice = verify_advice(result);
        snprintf(text, text_bytes, "the certificate of %s cannot be trusted: %s", host,
                 advice ? advice : X509_verify_cert_error_string(result));
    } else if (ERR_GET_REASON(tls_fault(tls)) == SSL_R_WRONG_VERSION_NUMBER) {
        snprintf(text, text_bytes, "%s does not speak TLS there: is it a ws:// address?", host);
    } else {
        snprintf(text, text_bytes, "TLS with %s failed: %s", host,
                 reason ? reason : "the session broke");
    }
}

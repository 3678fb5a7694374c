/* tls_staple.c - the issuer's word that the certificate is not revoked (OCSP, RFC 6960), sent along
 * in handshakes so that clients need not ask for it.
 *
 * It belongs to the context, and is freed with it: sessions may outlive a struct tls_server. */
#include "ringroom/base/mem.h"
#include "tls_context.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <time.h>

enum {
    STAPLE_MAX = 16384,              /* bytes; usual are 300 to 2000 */
    STAPLE_FILE_MAX = 2 * STAPLE_MAX /* tls_read_file() wants this much to see where it ends */
};

struct staple {
    time_t until; /* 0: for ever, as far as the issuer says */
    int bytes;
    uint8_t der[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int staple_index = -1; /* of a context's extra data */

static void free_staple(void *context, void *staple, CRYPTO_EX_DATA *data, int index, long number,
                        void *pointer)
{
    mem_free(staple);
}

static void make_index(void)
{
    staple_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_staple);
}

/* For each client that asks. One that has become out of date is worse than none. */
static int send_staple(SSL *ssl, void *arg)
{
    const struct staple *staple = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), staple_index);

    if (staple->until && time(NULL) >= staple->until)
        return SSL_TLSEXT_ERR_NOACK;
    uint8_t *copy = OPENSSL_memdup(staple->der, (size_t)staple->bytes);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, staple->bytes); /* the session's from here on */
    return SSL_TLSEXT_ERR_OK;
}

static time_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;

    return time && ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : 0;
}

/* The issuer's certificate, where our file has it; still the context's. */
static X509 *find_issuer(SSL_CTX *context, X509 *cert)
{
    STACK_OF(X509) *chain = NULL;

    SSL_CTX_get0_chain_certs(context, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++) { /* -1 where there is no chain */
        if (X509_check_issued(sk_X509_value(chain, i), cert) == X509_V_OK)
            return sk_X509_value(chain, i);
    }
    return X509_check_issued(cert, cert) == X509_V_OK ? cert : NULL;
}

/* By its issuer and number; where the issuer is not known, by its number alone. */
static bool is_about(OCSP_SINGLERESP *single, X509 *cert, X509 *issuer)
{
    /* Not changed; the library's signature takes no const before OpenSSL 3.1. */
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *hash = NULL;
    ASN1_INTEGER *number = NULL;

    OCSP_id_get0_info(NULL, &hash, NULL, &number, id);
    if (!issuer)
        return ASN1_INTEGER_cmp(number, X509_get0_serialNumber(cert)) == 0;
    const EVP_MD *digest = EVP_get_digestbyobj(hash);
    OCSP_CERTID *ours = digest ? OCSP_cert_to_id(digest, cert, issuer) : NULL;
    bool same = ours && OCSP_id_cmp(ours, id) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static OCSP_SINGLERESP *find_single(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        if (is_about(OCSP_resp_get0(basic, i), cert, issuer))
            return OCSP_resp_get0(basic, i);
    }
    return NULL;
}

/* By the issuer, or by whom the issuer has made its responder. */
static bool is_signed(OCSP_BASICRESP *basic, SSL_CTX *context, X509 *issuer)
{
    STACK_OF(X509) *signers = sk_X509_new_null();
    X509_STORE *store = X509_STORE_new();
    bool good = signers && store && sk_X509_push(signers, issuer) > 0 &&
                X509_STORE_add_cert(store, issuer) &&
                X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) &&
                OCSP_basic_verify(basic, signers, store, 0) > 0;

    X509_STORE_free(store);
    sk_X509_free(signers);
    return good;
}

/* 0 and *ret_until; 1 where it is out of date, -EINVAL where it is wrong, both with a complaint. */
static int judge(OCSP_BASICRESP *basic, SSL_CTX *context, const char *file, time_t *ret_until,
                 struct complaint *complaint)
{
    X509 *cert = SSL_CTX_get0_certificate(context), *issuer = find_issuer(context, cert);
    OCSP_SINGLERESP *single = find_single(basic, cert, issuer);
    ASN1_GENERALIZEDTIME *from = NULL, *to = NULL;
    char date[64];

    if (!single)
        return tls_complain(complaint, "the OCSP response in %s is about another certificate",
                            file);
    int status = OCSP_single_get0_status(single, NULL, NULL, &from, &to);
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return tls_complain(complaint, "the OCSP response in %s says that the certificate is %s",
                            file, OCSP_cert_status_str(status));
    if (!from || X509_cmp_current_time(from) >= 0) {
        tls_format_time(from, date, sizeof(date));
        tls_complain(complaint, "the OCSP response in %s is not valid before %s: it is not sent",
                     file, date);
        return 1;
    }
    if (to && X509_cmp_current_time(to) <= 0) {
        tls_format_time(to, date, sizeof(date));
        tls_complain(complaint, "the OCSP response in %s has been expired since %s: it is not sent",
                     file, date);
        return 1;
    }
    if (issuer && !is_signed(basic, context, issuer))
        return tls_complain(complaint,
                            "the OCSP response in %s is not signed by the certificate's issuer: %s",
                            file, tls_openssl_reason());
    *ret_until = seconds_of(to);
    return 0;
}

static int judge_file(const struct buf *file_bytes, SSL_CTX *context, const char *file,
                      time_t *ret_until, struct complaint *complaint)
{
    const unsigned char *at = file_bytes->data;
    OCSP_RESPONSE *response = at ? d2i_OCSP_RESPONSE(NULL, &at, (long)file_bytes->len) : NULL;
    OCSP_BASICRESP *basic = NULL;
    int result;

    if (!response || at != file_bytes->data + file_bytes->len)
        result = tls_complain(complaint, "there is no OCSP response (DER) in %s", file);
    else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        result = tls_complain(complaint, "the OCSP response in %s is a refusal: %s", file,
                              OCSP_response_status_str(OCSP_response_status(response)));
    else if (!(basic = OCSP_response_get1_basic(response)))
        result = tls_complain(complaint, "the OCSP response in %s is damaged: %s", file,
                              tls_openssl_reason());
    else
        result = judge(basic, context, file, ret_until, complaint);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return result;
}

static int attach(SSL_CTX *context, const struct buf *file_bytes, time_t until,
                  struct complaint *complaint)
{
    struct staple *staple = mem_alloc(sizeof(*staple) + file_bytes->len);

    pthread_once(&once, make_index);
    if (!staple || staple_index < 0 || !SSL_CTX_set_ex_data(context, staple_index, staple)) {
        mem_free(staple);
        return tls_complain(complaint, "out of memory");
    }
    staple->until = until;
    staple->bytes = (int)file_bytes->len;
    memcpy(staple->der, file_bytes->data, file_bytes->len);
    SSL_CTX_set_tlsext_status_cb(context, send_staple);
    return 0;
}

int tls_server_staple(struct tls_server *server, const char *ocsp_file, char *ret_text,
                      size_t text_bytes)
{
    struct complaint complaint = {.text = ret_text, .bytes = text_bytes};
    SSL_CTX *context = tls_server_context(server);
    struct buf der;
    time_t until = 0;

    if (text_bytes > 0)
        ret_text[0] = '\0';
    ERR_clear_error();
    buf_init(&der, STAPLE_FILE_MAX);
    int result = tls_read_file(ocsp_file, &der, &complaint);
    if (!result)
        result = judge_file(&der, context, ocsp_file, &until, &complaint);
    if (!result)
        result = attach(context, &der, until, &complaint);
    buf_deinit(&der);
    ERR_clear_error();
    return result;
}

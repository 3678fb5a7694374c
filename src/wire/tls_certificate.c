/* tls_certificate.c - what people want to know of a certificate: for whom, and how long. */
#include "ringroom/base/check.h"
#include "tls_context.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void add_name(struct tls_certificate *certificate, const char *name, int len)
{
    size_t used = strlen(certificate->names);

    snprintf(certificate->names + used, TLS_NAMES_MAX - used, "%s%.*s", used ? ", " : "", len,
             name);
    /* A certificate is a stranger's text, and this one goes to a terminal. */
    for (char *c = certificate->names; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

static void add_general_name(struct tls_certificate *certificate, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN];

    if (name->type == GEN_DNS) {
        add_name(certificate, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                 ASN1_STRING_length(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
        int len = ASN1_STRING_length(name->d.iPAddress);
        if ((len == 4 || len == 16) &&
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                      sizeof(text)))
            add_name(certificate, text, (int)strlen(text));
    }
}

void tls_server_certificate(const struct tls_server *server, struct tls_certificate *ret)
{
    const X509 *cert = SSL_CTX_get0_certificate(tls_server_context(server));

    *ret = (struct tls_certificate){.from_s = seconds_of(X509_get0_notBefore(cert)),
                                    .until_s = seconds_of(X509_get0_notAfter(cert))};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) /* -1 where there are none */
        add_general_name(ret, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    if (!*ret->names)
        add_name(ret, "nobody: it has no subjectAltName", 32);
}

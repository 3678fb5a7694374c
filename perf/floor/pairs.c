#include "pairs.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_listener(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        (bind(fd, (struct sockaddr *)address, sizeof *address) < 0 || listen(fd, 128) < 0 ||
         getsockname(fd, (struct sockaddr *)address, &bytes) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_pairs(struct pairs *p)
{
    struct sockaddr_in address;
    int one = 1;
    int listener = open_listener(&address);
    int result = listener < 0 ? -errno : 0;
    for (unsigned i = 0; i < p->count && result == 0; i++) {
        p->receive_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (p->receive_fds[i] < 0 ||
            connect(p->receive_fds[i], (struct sockaddr *)&address, sizeof address) < 0 ||
            (p->send_fds[i] = accept(listener, NULL, NULL)) < 0)
            result = -errno;
        else
            setsockopt(p->send_fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (listener >= 0)
        close(listener);
    return result;
}

static int open_contexts(struct pairs *p, const char *cert, const char *key)
{
    p->server_ctx = SSL_CTX_new(TLS_server_method());
    p->client_ctx = SSL_CTX_new(TLS_client_method());
    p->sealed = BIO_new(BIO_s_mem());
    if (!p->server_ctx || !p->client_ctx || !p->sealed)
        return -ENOMEM;
    SSL_CTX_set_ciphersuites(p->server_ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_mode(p->server_ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_num_tickets(p->server_ctx, 0);
    if (SSL_CTX_use_certificate_chain_file(p->server_ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(p->server_ctx, key, SSL_FILETYPE_PEM) != 1)
        return -EPROTO;
    return 0;
}

/* A handshake between two sessions over two memory BIOs; client is freed, server returned. */
static SSL *handshake(struct pairs *p)
{
    SSL *server = SSL_new(p->server_ctx);
    SSL *client = SSL_new(p->client_ctx);
    BIO *up = BIO_new(BIO_s_mem());
    BIO *down = BIO_new(BIO_s_mem());
    int done = 0;
    if (server && client && up && down) {
        BIO_up_ref(up);
        BIO_up_ref(down);
        SSL_set_bio(server, up, down);
        SSL_set_bio(client, down, up);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        for (int turn = 0; turn < 8 && !done; turn++) {
            int client_done = SSL_do_handshake(client);
            done = SSL_do_handshake(server) == 1 && client_done == 1;
        }
    }
    SSL_free(client);
    if (!done) {
        SSL_free(server);
        return NULL;
    }
    BIO_up_ref(p->sealed);
    SSL_set0_wbio(server, p->sealed);
    return server;
}

int pairs_open(struct pairs *p, unsigned count, const char *cert, const char *key)
{
    *p = (struct pairs){.count = count,
                        .send_fds = malloc(count * sizeof(int)),
                        .receive_fds = malloc(count * sizeof(int)),
                        .sessions = calloc(count, sizeof(SSL *))};
    if (!p->send_fds || !p->receive_fds || !p->sessions)
        return -ENOMEM;
    memset(p->send_fds, -1, count * sizeof(int));
    memset(p->receive_fds, -1, count * sizeof(int));
    int result = open_contexts(p, cert, key);
    for (unsigned i = 0; i < count && result == 0; i++) {
        p->sessions[i] = handshake(p);
        if (!p->sessions[i])
            result = -EPROTO;
    }
    return result < 0 ? result : connect_pairs(p);
}

void pairs_close(struct pairs *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->sessions)
            SSL_free(p->sessions[i]);
        if (p->send_fds && p->send_fds[i] >= 0)
            close(p->send_fds[i]);
        if (p->receive_fds && p->receive_fds[i] >= 0)
            close(p->receive_fds[i]);
    }
    BIO_free(p->sealed);
    SSL_CTX_free(p->server_ctx);
    SSL_CTX_free(p->client_ctx);
    free(p->send_fds);
    free(p->receive_fds);
    free(p->sessions);
}

long pairs_seal(struct pairs *p, unsigned pair, const void *data, int count, uint8_t *to, long room)
{
    char *record;
    if (SSL_write(p->sessions[pair], data, count) != count)
        return -1;
    long bytes = BIO_get_mem_data(p->sealed, &record);
    if (bytes > room)
        return -1;
    memcpy(to, record, (size_t)bytes);
    (void)BIO_reset(p->sealed);
    return bytes;
}

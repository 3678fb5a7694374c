/* activate.c - starts a program as systemd does a service with sockets: activate ADDRESS:PORT,...
 * PROGRAM [ARGUMENT]... Each address is IPv4; they become descriptors 3, 4, and so on, with
 * LISTEN_PID and LISTEN_FDS in the environment. "-" stands for a descriptor that is no socket. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_at(char *address)
{
    char *colon = strchr(address, ':');
    struct sockaddr_in at = {.sin_family = AF_INET};
    int one = 1, fd;

    if (!colon)
        return open("/dev/null", O_RDONLY);
    *colon = '\0';
    at.sin_port = htons((in_port_t)atoi(colon + 1));
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        (fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 128) != 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    char text[16];
    int next = 3;

    if (argc < 3)
        return 1;
    for (char *address = strtok(argv[1], ","); address; address = strtok(NULL, ","), next++) {
        int fd = open_at(address);
        if (fd < 0 || (fd != next && dup2(fd, next) != next)) {
            perror(address);
            return 1;
        }
    }
    snprintf(text, sizeof(text), "%d", next - 3);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof(text), "%d", getpid());
    setenv("LISTEN_PID", text, 0); /* a test may say that they are another's */
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}

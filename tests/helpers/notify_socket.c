/* notify_socket.c - stands for the service manager: a datagram socket at PATH; prints "ready", then
 * each message as a line, its own line breaks as spaces. Ends with its standard input. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
        return -1;
    strcpy(address.sun_path, path);
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

static void print_message(int fd)
{
    char text[4096];
    ssize_t len = recv(fd, text, sizeof(text), 0);

    for (ssize_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            text[i] = ' ';
    }
    printf("%.*s\n", len > 0 ? (int)len : 0, text);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int fd = argc == 2 ? bind_at(argv[1]) : -1;
    struct pollfd from[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

    if (fd < 0) {
        perror("notify_socket PATH");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    while (poll(from, 2, -1) > 0 && !from[1].revents) {
        if (from[0].revents)
            print_message(fd);
    }
    return 0;
}

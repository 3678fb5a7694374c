/* port_holder.c - which process listens at an address: the socket's number from /proc/net/tcp, and
 * whose descriptors name it. */
#include "ringroom/base/slice.h"
#include "serve_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

enum { LISTENS = 10 }; /* TCP_LISTEN, as /proc/net/tcp writes it */

/* The inode of a socket that listens at that port in one of the two tables, 0 where none does. Of
 * the addresses at one port only the first is taken: that is who stands in the way. */
static unsigned long find_inode(const char *table, unsigned port)
{
    FILE *file = fopen(table, "re");
    char line[512];
    unsigned long found = 0;

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned at_port, state;
        unsigned long inode;

        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*d %lu",
                   &at_port, &state, &inode) == 3 &&
            at_port == port && state == LISTENS)
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static bool has_socket(int pid, unsigned long inode)
{
    char path[64], wanted[64], target[64];
    struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *directory = opendir(path);
    while (directory && !found && (entry = readdir(directory))) {
        ssize_t len = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
        if (len > 0) {
            target[len] = '\0';
            found = strcmp(target, wanted) == 0;
        }
    }
    if (directory)
        closedir(directory);
    return found;
}

static void read_name(struct port_holder *holder)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/comm", holder->pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(holder->name, sizeof(holder->name), file))
        snprintf(holder->name, sizeof(holder->name), "?");
    holder->name[strcspn(holder->name, "\n")] = '\0';
    if (file)
        fclose(file);
}

bool port_holder_find(const struct config_listener *at, struct port_holder *ret_holder)
{
    unsigned port = ntohs(at->address.v4.sin_port); /* at the same place in v6 */
    unsigned long inode = find_inode("/proc/net/tcp", port);
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    bool found = false;

    if (!inode)
        inode = find_inode("/proc/net/tcp6", port);
    while (inode && directory && !found && (entry = readdir(directory))) {
        struct port_holder holder = {.pid = atoi(entry->d_name)};

        if (holder.pid > 0 && has_socket(holder.pid, inode)) {
            read_name(&holder);
            *ret_holder = holder;
            found = true;
        }
    }
    if (directory)
        closedir(directory);
    return found;
}

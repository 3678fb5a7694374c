/* identity.c - from root to a user that may do little, for good.
 *
 * Before any thread is started and any ring is set up: threads and the kernel's workers for a ring
 * have the rights of whom they were made by. */
#include "serve_parts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* -1 as an id means "leave it" to the system calls, and is nobody's. */
enum { IDS_MAX_DIGITS = 10 };

static bool parse_id(const char *text, uint32_t *ret_id)
{
    size_t len = strlen(text);

    if (len == 0 || len > IDS_MAX_DIGITS || strspn(text, "0123456789") != len)
        return false;
    unsigned long long id = strtoull(text, NULL, 10);
    if (id >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, bool *ret_has_gid,
                     char *ret_why, size_t why_bytes)
{
    bool number = parse_id(name, ret_uid);
    const struct passwd *entry = number ? getpwuid(*ret_uid) : getpwnam(name);

    if (!number && !entry) {
        snprintf(ret_why, why_bytes, "user: %s: there is no such user on this machine", name);
        return -EINVAL;
    }
    *ret_has_gid = entry != NULL;
    if (entry) {
        *ret_uid = entry->pw_uid;
        *ret_gid = entry->pw_gid;
    }
    return 0;
}

static int find_group(const char *name, gid_t *ret_gid, char *ret_why, size_t why_bytes)
{
    if (parse_id(name, ret_gid))
        return 0;
    const struct group *entry = getgrnam(name);
    if (!entry) {
        snprintf(ret_why, why_bytes, "group: %s: there is no such group on this machine", name);
        return -EINVAL;
    }
    *ret_gid = entry->gr_gid;
    return 0;
}

int identity_find(const struct config *config, struct identity *ret_identity, char *ret_why,
                  size_t why_bytes)
{
    struct identity made = {.wanted = config->user != NULL};
    bool has_gid = false;
    int error = 0;

    if (!made.wanted && config->group) {
        snprintf(ret_why, why_bytes, "group: %s: needs `user` beside it", config->group);
        return -EINVAL;
    }
    if (made.wanted)
        error = find_user(config->user, &made.uid, &made.gid, &has_gid, ret_why, why_bytes);
    if (!error && config->group) {
        error = find_group(config->group, &made.gid, ret_why, why_bytes);
        has_gid = true;
    }
    if (error)
        return error;
    if (made.wanted && !has_gid) {
        snprintf(ret_why, why_bytes,
                 "user: %s: has no group of its own on this machine; set `group` too",
                 config->user);
        return -EINVAL;
    }
    if (made.wanted && (made.uid == 0 || made.gid == 0)) {
        snprintf(ret_why, why_bytes, "%s: %s: must not be root", made.uid ? "group" : "user",
                 made.uid && config->group ? config->group : config->user);
        return -EINVAL;
    }
    *ret_identity = made;
    return 0;
}

/* All three of each, no group beside, and no way back. */
static bool became(const struct identity *identity)
{
    uid_t uid[3];
    gid_t gid[3];

    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        if (uid[i] != identity->uid || gid[i] != identity->gid)
            return false;
    }
    return getgroups(0, NULL) == 0 && setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0 &&
           setegid(0) != 0;
}

int identity_become(const struct identity *identity, char *ret_why, size_t why_bytes)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

    if (!identity->wanted || (geteuid() == identity->uid && getegid() == identity->gid))
        return 0;
    if (geteuid() != 0) {
        snprintf(ret_why, why_bytes,
                 "user: only root can become somebody else: start the server as root, or unset it");
        return -EPERM;
    }
    /* Root may lock what memory it likes; the rings and their buffers shall not fail for it. */
    setrlimit(RLIMIT_MEMLOCK, &unlimited);
    if (setgroups(0, NULL) != 0 || setresgid(identity->gid, identity->gid, identity->gid) != 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) != 0) {
        int error = -errno;
        snprintf(ret_why, why_bytes, "user: can't become %u: %s", identity->uid, strerror(-error));
        return error;
    }
    if (!became(identity)) {
        snprintf(ret_why, why_bytes, "user: root's rights can be had again after becoming %u",
                 identity->uid);
        return -EPERM;
    }
    return 0;
}

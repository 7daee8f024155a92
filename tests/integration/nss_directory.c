/* SPDX-License-Identifier: Apache-2.0
 * An NSS module (nss(5)) as one that asks a directory over the network: it knows one user, and hangs for a process
 * that may not reach that network, as eic-sshd.service may not. COMMAND_UID is the uid of such processes. */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "directory-user"
#define UID 59990

static enum nss_status answer(int known, struct passwd *entry, char *buffer, size_t length, int *error)
{
    if (geteuid() == COMMAND_UID)
        sleep(60);
    if (!known) {
        *error = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    if (length < 64) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    snprintf(buffer, length, "%s%c*%c/%c/bin/sh", NAME, 0, 0, 0);
    entry->pw_name = buffer;
    entry->pw_passwd = entry->pw_gecos = entry->pw_name + sizeof NAME;
    entry->pw_dir = entry->pw_passwd + 2;
    entry->pw_shell = entry->pw_dir + 2;
    entry->pw_uid = entry->pw_gid = UID;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_directory_getpwnam_r(
    const char *name, struct passwd *entry, char *buffer, size_t length, int *error)
{
    return answer(strcmp(name, NAME) == 0, entry, buffer, length, error);
}

enum nss_status _nss_directory_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t length, int *error)
{
    return answer(uid == UID, entry, buffer, length, error);
}

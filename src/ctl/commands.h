/* commands.h - the entries of all subcommands, for the table in commands.c. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/ctl.h"

extern const struct ctl_command ctl_backup, ctl_backup_list, ctl_backup_verify, ctl_capabilities,
    ctl_config_check, ctl_config_show, ctl_demo, ctl_export, ctl_import, ctl_mailbox_acl,
    ctl_mailbox_create, ctl_mailbox_delete, ctl_mailbox_list, ctl_mailbox_rename, ctl_mailbox_seen,
    ctl_mailbox_status, ctl_manual, ctl_restore, ctl_undelete, ctl_user_add, ctl_user_delete,
    ctl_user_groups, ctl_user_list, ctl_user_passwd, ctl_user_quota, ctl_verify, ctl_who;

#endif

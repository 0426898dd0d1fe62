/* commands.c - the table of subcommands; help and the manual page are made from it. */
#include "ctl/commands.h"

const struct ctl_command *const ctl_commands[] = {
	&ctl_user_add, &ctl_user_passwd, &ctl_user_list, &ctl_user_groups, &ctl_user_quota, &ctl_user_delete,
	&ctl_mailbox_list, &ctl_mailbox_create, &ctl_mailbox_delete, &ctl_mailbox_rename, &ctl_mailbox_status,
	&ctl_mailbox_acl, &ctl_mailbox_seen,
	&ctl_import, &ctl_export, &ctl_verify, &ctl_who,
	&ctl_backup_list, &ctl_backup_verify, &ctl_backup, &ctl_restore, &ctl_undelete,
	&ctl_capabilities, &ctl_config_check, &ctl_config_show, &ctl_demo, &ctl_manual, NULL,
};

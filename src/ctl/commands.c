/* commands.c - the table of subcommands; help and the manual page are made from it. */
#include "ctl/commands.h"

const struct ctl_command *const ctl_commands[] = {
	&ctl_mailbox_list, &ctl_mailbox_create, &ctl_mailbox_delete, &ctl_mailbox_rename, &ctl_mailbox_status, &ctl_import,
	&ctl_export, &ctl_who, NULL,
};

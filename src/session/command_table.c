/* command_table.c - all commands by name. Dispatch, help and the tests are made from it. */
#include "session/cmd/commands.h"

#include <stddef.h>

const struct imap_command *const imap_commands[] = {
	&cmd_append,
	&cmd_authenticate,
	&cmd_cancelupdate,
	&cmd_capability,
	&cmd_check,
	&cmd_close,
	&cmd_comparator,
	&cmd_compress,
	&cmd_conversions,
	&cmd_convert,
	&cmd_copy,
	&cmd_create,
	&cmd_delete,
	&cmd_deleteacl,
	&cmd_enable,
	&cmd_esearch,
	&cmd_examine,
	&cmd_expunge,
	&cmd_fetch,
	&cmd_genurlauth,
	&cmd_getacl,
	&cmd_getmetadata,
	&cmd_getquota,
	&cmd_getquotaroot,
	&cmd_id,
	&cmd_idle,
	&cmd_language,
	&cmd_list,
	&cmd_listrights,
	&cmd_login,
	&cmd_logout,
	&cmd_lsub,
	&cmd_move,
	&cmd_myrights,
	&cmd_namespace,
	&cmd_noop,
	&cmd_notify,
	&cmd_rename,
	&cmd_replace,
	&cmd_resetkey,
	&cmd_search,
	&cmd_select,
	&cmd_setacl,
	&cmd_setmetadata,
	&cmd_setquota,
	&cmd_sort,
	&cmd_starttls,
	&cmd_status,
	&cmd_store,
	&cmd_subscribe,
	&cmd_thread,
	&cmd_uidbatches,
	&cmd_unauthenticate,
	&cmd_unselect,
	&cmd_unsubscribe,
	&cmd_urlfetch,
	&cmd_xlist,
	NULL,
};

const struct imap_command *
imap_command_find(struct str name)
{
	const char first = name.n > 0 ? chr_upper(name.p[0]) : '\0';

	/* Few begin alike: so a client does not pay for commands that it does not use. */
	for (size_t i = 0; imap_commands[i] != NULL; i++) {
		if (imap_commands[i]->name[0] == first
		    && str_eq_nocase(str_c(imap_commands[i]->name), name))
			return imap_commands[i];
	}
	return NULL;
}

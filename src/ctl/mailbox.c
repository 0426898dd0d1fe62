/* mailbox.c - posthorn mailbox list, create, delete, rename, status, acl, seen. */
#include "ctl/commands.h"
#include "ctl/imap_client.h"

#include <jansson.h>
#include <stdio.h>

/* One mailbox as LIST and STATUS told it. */
struct listing {
	struct ctl *c;
	json_t *current; /* of the last LIST line */
};

static void
print_row(struct listing *l)
{
	json_t *o = l->current;

	if (o == NULL)
		return;
	if (l->c->is_json) {
		char *text = json_dumps(o, JSON_COMPACT);

		puts(text);
		free(text);
	} else {
		printf("%8lld %8lld %12lld  %-12s %s\n",
		    (long long)json_integer_value(json_object_get(o, "messages")),
		    (long long)json_integer_value(json_object_get(o, "unseen")),
		    (long long)json_integer_value(json_object_get(o, "size")),
		    json_string_length(json_object_get(o, "special_use")) > 0
			? json_string_value(json_object_get(o, "special_use"))
			: "-",
		    json_string_value(json_object_get(o, "name")));
	}
	json_decref(o);
	l->current = NULL;
}

static void
take_list(struct listing *l, struct str r)
{
	static const char *const uses[] = { "\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk",
		"\\Sent", "\\Trash", "\\Important" };
	bool is_subscribed = false;
	struct str word;
	const char *use = "";

	print_row(l);
	if (!imap_client_take(&l->c->arena, &r, &word))
		return;
	while (imap_client_take(&l->c->arena, &r, &word) && !str_eq(word, STR(")"))) {
		is_subscribed = is_subscribed || str_eq_nocase(word, STR("\\Subscribed"));
		for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
			if (str_eq_nocase(word, str_c(uses[i])))
				use = uses[i];
		}
	}
	if (!imap_client_take(&l->c->arena, &r, &word)
	    || !imap_client_take(&l->c->arena, &r, &word))
		return;
	l->current = json_pack("{s:s%, s:s, s:b}", "name", word.p, word.n, "special_use", use,
	    "subscribed", is_subscribed);
}

static void
take_status(struct listing *l, struct str r)
{
	struct str word, value;
	uint64_t v;

	if (!imap_client_take(&l->c->arena, &r, &word))
		return;
	if (l->current == NULL)
		l->current = json_pack("{s:s%}", "name", word.p, word.n);
	imap_client_take(&l->c->arena, &r, &word);
	while (imap_client_take(&l->c->arena, &r, &word)
	    && imap_client_take(&l->c->arena, &r, &value)) {
		char key[32];
		size_t n = MIN(word.n, sizeof(key) - 1);

		for (size_t i = 0; i < n; i++)
			key[i] = chr_lower(word.p[i]);
		key[n] = '\0';
		if (str_to_u64(value, &v))
			json_object_set_new(l->current, key, json_integer((json_int_t)v));
	}
}

static void
take_response(void *ctx, struct str r)
{
	struct listing *l = ctx;

	if (str_starts(r, STR("LIST ")))
		take_list(l, str_sub(r, 5, r.n));
	else if (str_starts(r, STR("STATUS ")))
		take_status(l, str_sub(r, 7, r.n));
}

static int
finish(struct imap_client *ic, bool is_ok)
{
	int status = is_ok ? CTL_OK : ctl_fail("%.*s", STR_F(imap_client_reply(ic)));

	imap_client_close(ic);
	return status;
}

static void
print_head(const struct ctl *c)
{
	if (!c->is_json)
		printf("%8s %8s %12s  %-12s %s\n", "MESSAGES", "UNSEEN", "BYTES", "USE", "NAME");
}

static int
list_run(struct ctl *c, int argc, char **argv)
{
	struct listing l = { .c = c };
	struct imap_client *ic;
	bool is_ok;

	ctl_take_shared(&argc, argv);
	if (argc != 1)
		return ctl_usage(&ctl_mailbox_list, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	print_head(c);
	imap_client_begin(ic,
	    "LIST \"\" * RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UNSEEN SIZE UIDNEXT UIDVALIDITY HIGHESTMODSEQ))");
	is_ok = imap_client_end(ic, take_response, &l);
	print_row(&l);
	return finish(ic, is_ok);
}

static int
status_run(struct ctl *c, int argc, char **argv)
{
	struct listing l = { .c = c };
	struct imap_client *ic;
	bool is_ok;

	ctl_take_shared(&argc, argv);
	if (argc != 2)
		return ctl_usage(&ctl_mailbox_status, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	imap_client_begin(ic, "STATUS ");
	imap_client_mailbox(ic, str_c(argv[1]));
	imap_client_words(ic, " (MESSAGES UNSEEN SIZE UIDNEXT UIDVALIDITY HIGHESTMODSEQ)");
	is_ok = imap_client_end(ic, take_response, &l);
	if (is_ok)
		print_head(c);
	print_row(&l);
	return finish(ic, is_ok);
}

/* Commands that are a word and one or two names. */
static int
simple(struct ctl *c, const struct ctl_command *cmd, const char *words, int names, int argc,
    char **argv)
{
	struct imap_client *ic;

	ctl_take_shared(&argc, argv);
	if (argc != names + 1)
		return ctl_usage(cmd, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	imap_client_begin(ic, words);
	for (int i = 1; i <= names; i++) {
		imap_client_words(ic, " ");
		imap_client_mailbox(ic, str_c(argv[i]));
	}
	return finish(ic, imap_client_end(ic, NULL, NULL));
}

static int
create_run(struct ctl *c, int argc, char **argv)
{
	return simple(c, &ctl_mailbox_create, "CREATE", 1, argc, argv);
}

static int
delete_run(struct ctl *c, int argc, char **argv)
{
	return simple(c, &ctl_mailbox_delete, "DELETE", 1, argc, argv);
}

static int
rename_run(struct ctl *c, int argc, char **argv)
{
	return simple(c, &ctl_mailbox_rename, "RENAME", 2, argc, argv);
}

/* ---- rights ---- */

static void
print_acl(void *ctx, struct str r)
{
	struct ctl *c = ctx;
	struct str word, rights;

	if (!str_starts(r, STR("ACL ")))
		return;
	r = str_sub(r, 4, r.n);
	if (!imap_client_take(&c->arena, &r, &word))
		return;
	while (imap_client_take(&c->arena, &r, &word) && imap_client_take(&c->arena, &r, &rights)) {
		if (c->is_json) {
			json_t *o = json_pack("{s:s%, s:s%}", "identifier", word.p, word.n,
			    "rights", rights.p, rights.n);

			json_dumpf(o, stdout, JSON_COMPACT);
			putchar('\n');
			json_decref(o);
		} else {
			printf("%-32.*s %.*s\n", STR_F(word), STR_F(rights));
		}
	}
}

static int
acl_run(struct ctl *c, int argc, char **argv)
{
	struct imap_client *ic;

	ctl_take_shared(&argc, argv);
	if (argc != 2 && argc != 4)
		return ctl_usage(&ctl_mailbox_acl, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	imap_client_begin(ic,
	    argc == 2                          ? "GETACL "
		: strcmp(argv[3], "none") == 0 ? "DELETEACL "
					       : "SETACL ");
	imap_client_mailbox(ic, str_c(argv[1]));
	for (int i = 2; i < argc && (i == 2 || strcmp(argv[3], "none") != 0); i++) {
		imap_client_words(ic, " ");
		imap_client_literal(ic, str_c(argv[i]));
	}
	return finish(ic, imap_client_end(ic, print_acl, c));
}

const struct ctl_command ctl_mailbox_acl = {
	.name = "mailbox acl",
	.args = "(USER | --shared) MAILBOX [IDENTIFIER (RIGHTS | none)]",
	.summary = "Show or change who may do what with a mailbox.",
	.help =
	    "Shows the access control list of a mailbox, or changes one entry of it. IDENTIFIER is the name of a user, $ and the name "
	    "of a group, or anyone; with - before it, its rights are taken away from whom other entries give them. RIGHTS are letters: l "
	    "lookup, r read, s keep seen, w write other flags, i insert, p post, k make mailboxes below it, x delete the mailbox, t mark "
	    "messages deleted, e expunge, a administer; with + or - before them they are added or removed. none removes the entry.",
	.run = acl_run,
};

/* ---- whose \Seen ---- */

#define SEEN_ENTRY "/shared/vendor/posthorn/seen"

/* * METADATA box (/shared/vendor/posthorn/seen "private") */
static void
print_seen(void *ctx, struct str r)
{
	struct ctl *c = ctx;
	struct str word;

	if (!str_starts(r, STR("METADATA ")))
		return;
	r = str_sub(r, 9, r.n);
	for (int i = 0; i < 4; i++) {
		if (!imap_client_take(&c->arena, &r, &word))
			return;
	}
	if (str_eq(word, STR("NIL")))
		word = STR("private when it is shared");
	if (c->is_json)
		printf("{\"seen\":\"%.*s\"}\n", STR_F(word));
	else
		printf("%.*s\n", STR_F(word));
}

static int
seen_run(struct ctl *c, int argc, char **argv)
{
	struct imap_client *ic;

	ctl_take_shared(&argc, argv);
	if (argc != 2 && argc != 3)
		return ctl_usage(&ctl_mailbox_seen, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	imap_client_begin(ic, argc == 2 ? "GETMETADATA " : "SETMETADATA ");
	imap_client_mailbox(ic, str_c(argv[1]));
	imap_client_words(ic, argc == 2 ? " (" SEEN_ENTRY ")" : " (" SEEN_ENTRY " ");
	if (argc == 3) {
		imap_client_literal(ic, str_c(argv[2]));
		imap_client_words(ic, ")");
	}
	return finish(ic, imap_client_end(ic, print_seen, c));
}

const struct ctl_command ctl_mailbox_seen = {
	.name = "mailbox seen",
	.args = "(USER | --shared) MAILBOX [private | shared]",
	.summary = "Show or change whether each user of a mailbox has read marks of his own.",
	.help =
	    "With private, what one user of the mailbox has read stays unread for everybody else, and nobody notices; the marks of "
	    "the owner are his own too. With shared, there is one mark a message, for all. A mailbox becomes private when it is shared for "
	    "the first time, unless this command has said otherwise before. Changed to shared, everybody has the owner's marks; those "
	    "of the others are kept for the day when it is private again.",
	.run = seen_run,
};

const struct ctl_command ctl_mailbox_list = {
	.name = "mailbox list",
	.args = "(USER | --shared)",
	.summary = "List a user's mailboxes with their numbers.",
	.run = list_run,
};

const struct ctl_command ctl_mailbox_create = {
	.name = "mailbox create",
	.args = "(USER | --shared) MAILBOX",
	.summary = "Make a mailbox.",
	.run = create_run,
};

const struct ctl_command ctl_mailbox_delete = {
	.name = "mailbox delete",
	.args = "(USER | --shared) MAILBOX",
	.summary = "Delete a mailbox with its messages.",
	.run = delete_run,
};

const struct ctl_command ctl_mailbox_rename = {
	.name = "mailbox rename",
	.args = "(USER | --shared) FROM TO",
	.summary = "Rename a mailbox and what is below it.",
	.run = rename_run,
};

const struct ctl_command ctl_mailbox_status = {
	.name = "mailbox status",
	.args = "(USER | --shared) MAILBOX",
	.summary = "Tell the numbers of a mailbox.",
	.run = status_run,
};

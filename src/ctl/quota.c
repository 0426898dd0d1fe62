/* quota.c - posthorn user quota: asks the running server, as the user, over the control socket. */
#include "ctl/commands.h"
#include "ctl/imap_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { STORAGE, MESSAGE, MAILBOX, ANNOTATION, RESOURCES };

static const char *const names[RESOURCES] = { "STORAGE", "MESSAGE", "MAILBOX",
	"ANNOTATION-STORAGE" };

/* In units of 1024 bytes. */
static bool
is_of_bytes(int resource)
{
	return resource == STORAGE || resource == ANNOTATION;
}

struct quotas {
	struct ctl *c;
	struct str root;

	struct {
		uint64_t used, limit;
		bool is_limited;
	} of[RESOURCES];
};

static void
take_response(void *ctx, struct str r)
{
	struct quotas *q = ctx;
	struct str word, used, limit;

	if (str_starts(r, STR("QUOTAROOT "))) {
		r = str_sub(r, 10, r.n);
		if (imap_client_take(&q->c->arena, &r, &word)
		    && imap_client_take(&q->c->arena, &r, &word))
			q->root = arena_str(&q->c->arena, word);
		return;
	}
	if (!str_starts(r, STR("QUOTA ")))
		return;
	r = str_sub(r, 6, r.n);
	memset(q->of, 0, sizeof(q->of));
	if (!imap_client_take(&q->c->arena, &r, &word)
	    || !imap_client_take(&q->c->arena, &r, &word))
		return;
	while (imap_client_take(&q->c->arena, &r, &word)
	    && imap_client_take(&q->c->arena, &r, &used)
	    && imap_client_take(&q->c->arena, &r, &limit)) {
		for (int i = 0; i < RESOURCES; i++) {
			if (str_eq_nocase(word, str_c(names[i])))
				q->of[i].is_limited = str_to_u64(used, &q->of[i].used)
				    && str_to_u64(limit, &q->of[i].limit);
		}
	}
}

/* "10G", "5000", "none". */
static bool
take_option(struct quotas *q, int resource, const char *text)
{
	static const char units[] = "KMGT";
	struct str number = str_c(text);
	const char *unit;
	uint64_t limit, factor = 1;

	if (text == NULL)
		return true;
	q->of[resource].is_limited = strcmp(text, "none") != 0;
	if (!q->of[resource].is_limited)
		return true;
	if (is_of_bytes(resource) && number.n > 0
	    && (unit = strchr(units, chr_upper(number.p[number.n - 1]))) != NULL) {
		factor = (uint64_t)1 << 10 * (unit - units + 1);
		number.n--;
	}
	if (!str_to_u64(number, &limit) || limit > ((uint64_t)1 << 60) / factor)
		return false;
	limit *= factor;
	q->of[resource].limit = is_of_bytes(resource) ? (limit + 1023) / 1024 : limit;
	return true;
}

static bool
set(struct imap_client *ic, struct quotas *q, bool is_default)
{
	const char *between = "";

	imap_client_begin(ic, "SETQUOTA ");
	imap_client_literal(ic, q->root);
	imap_client_words(ic, is_default ? " (X-DEFAULT 0" : " (");
	for (int i = 0; i < RESOURCES && !is_default; i++) {
		char limit[64];

		if (!q->of[i].is_limited)
			continue;
		snprintf(limit, sizeof(limit), "%s%s %llu", between, names[i],
		    (unsigned long long)q->of[i].limit);
		imap_client_words(ic, limit);
		between = " ";
	}
	imap_client_words(ic, ")");
	return imap_client_end(ic, take_response, q);
}

static void
print(const struct ctl *c, const struct quotas *q)
{
	static const char *const words[RESOURCES] = { "storage", "messages", "mailboxes",
		"annotations" };
	json_t *o = json_object();

	for (int i = 0; i < RESOURCES; i++) {
		uint64_t unit = is_of_bytes(i) ? 1024 : 1;

		if (c->is_json)
			json_object_set_new(o, words[i],
			    !q->of[i].is_limited
				? json_null()
				: json_pack("{s:I,s:I}", "used", (json_int_t)(q->of[i].used * unit),
				    "limit", (json_int_t)(q->of[i].limit * unit)));
		else if (q->of[i].is_limited)
			printf("%-11s %14llu of %llu\n", words[i],
			    (unsigned long long)(q->of[i].used * unit),
			    (unsigned long long)(q->of[i].limit * unit));
		else
			printf("%-11s no limit\n", words[i]);
	}
	if (c->is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(o);
}

static int
quota_run(struct ctl *c, int argc, char **argv)
{
	static const char *const options[RESOURCES] = { "--storage", "--messages", "--mailboxes",
		"--annotations" };
	const char *given[RESOURCES] = { NULL };
	struct quotas q = { .c = c };
	struct imap_client *ic;
	bool is_change = false, is_default, is_ok;
	int status = CTL_OK;

	for (int i = 0; i < RESOURCES; i++)
		is_change = ctl_option(&argc, argv, options[i], &given[i]) || is_change;
	is_default = ctl_option(&argc, argv, "--default", NULL);
	ctl_take_shared(&argc, argv);
	if (ctl_stray_option(&argc, argv) != NULL || argc != 1 || (is_default && is_change))
		return ctl_usage(&ctl_user_quota, NULL);
	ic = imap_client_open(c, argv[0]);
	if (ic == NULL)
		return CTL_FAILED;
	imap_client_begin(ic, "GETQUOTAROOT INBOX");
	is_ok = imap_client_end(ic, take_response, &q);
	for (int i = 0; i < RESOURCES && status == CTL_OK; i++) {
		if (!take_option(&q, i, given[i]))
			status = ctl_fail("%s takes a number%s, or none", options[i],
			    is_of_bytes(i) ? " of bytes, such as 10G" : "");
	}
	if (is_ok && status == CTL_OK && (is_change || is_default))
		is_ok = set(ic, &q, is_default);
	if (!is_ok && status == CTL_OK)
		status = ctl_fail("%.*s", STR_F(imap_client_reply(ic)));
	if (status == CTL_OK)
		print(c, &q);
	imap_client_close(ic);
	return status;
}

const struct ctl_command ctl_user_quota = {
	.name = "user quota",
	.args =
	    "(NAME | --shared) [--storage SIZE] [--messages N] [--mailboxes N] [--annotations SIZE] | --default",
	.summary = "Show or set how much a user's account may hold.",
	.help =
	    "Shows what the account holds and may hold, or sets its limits: bytes of messages (10G; K, M, G and T are multiples of 1024), "
	    "messages, mailboxes, bytes of messages' annotations; none for no limit. --default takes them off again. An account whose limits were never set has those of the configuration (quota_storage, "
	    "quota_messages, quota_mailboxes, quota_annotations); --shared are the mailboxes that are nobody's, which have none. The server must run.",
	.run = quota_run,
};

/*
 * import.c - posthorn import: messages from mbox, Maildir, Maildir++ and .eml files, with flags and
 * dates, by MULTIAPPEND.
 *
 * Line ends become CRLF, as IMAP has them; every other byte stays. A batch is one transaction: what
 * is told as imported is durable, and what an interrupted import did not tell of is not there by
 * halves.
 */
#include "ctl/commands.h"
#include "ctl/imap_client.h"
#include "ctl/mailbag.h"
#include "imap/date.h"
#include "imap/flags.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { BATCH_MESSAGES = 64, BATCH_BYTES = 2 * 1024 * 1024 };

struct import {
	struct ctl *c;
	struct imap_client *ic;
	struct str mailbox; /* of the batch, and the last one made; the arena's */
	uint32_t batch_count;
	size_t batch_bytes;
	uint64_t messages, bytes, skipped;
	struct buf text;
	time_t shown_at;
};

static void
show_progress(struct import *m, bool is_last)
{
	time_t now = time(NULL);

	if (!ctl_shows_progress(m->c) || (now == m->shown_at && !is_last))
		return;
	m->shown_at = now;
	fprintf(stderr, "\r%" PRIu64 " messages, %" PRIu64 " MiB%s", m->messages, m->bytes >> 20,
	    is_last ? "\n" : "");
}

static bool
end_batch(struct import *m)
{
	const uint32_t count = m->batch_count;
	const size_t bytes = m->batch_bytes;

	if (count == 0)
		return true;
	/* Whatever its end: it is answered once. */
	m->batch_count = 0;
	m->batch_bytes = 0;
	if (!imap_client_end(m->ic, NULL, NULL)) {
		ctl_fail("%.*s: %.*s", STR_F(m->mailbox), STR_F(imap_client_reply(m->ic)));
		return false;
	}
	m->messages += count;
	m->bytes += bytes;
	show_progress(m, false);
	return true;
}

static bool
make_mailbox(void *ctx, struct str mailbox)
{
	struct import *m = ctx;

	if (str_eq(m->mailbox, mailbox))
		return true;
	if (!end_batch(m))
		return false;
	m->mailbox = arena_str(&m->c->arena, mailbox);
	if (str_eq_nocase(mailbox, STR("INBOX")))
		return true;
	imap_client_begin(m->ic, "CREATE ");
	imap_client_mailbox(m->ic, mailbox);
	if (imap_client_end(m->ic, NULL, NULL)) {
		imap_client_begin(m->ic, "SUBSCRIBE ");
		imap_client_mailbox(m->ic, mailbox);
		imap_client_end(m->ic, NULL, NULL);
	} else if (!str_starts(imap_client_reply(m->ic), STR("NO [ALREADYEXISTS]"))) {
		ctl_fail("%.*s: %.*s", STR_F(mailbox), STR_F(imap_client_reply(m->ic)));
		return false;
	}
	return true;
}

/* With CRLF wherever a line ended. */
static struct str
with_crlf(struct import *m, struct str s)
{
	buf_clear(&m->text);
	while (s.n > 0) {
		size_t lf = str_chr(s, '\n');
		size_t line = lf == SIZE_MAX ? s.n : lf;

		buf_add(&m->text, s.p, line);
		if (lf == SIZE_MAX)
			break;
		if (line == 0 || s.p[line - 1] != '\r')
			buf_chr(&m->text, '\r');
		buf_chr(&m->text, '\n');
		s = str_sub(s, lf + 1, s.n);
	}
	return buf_str(&m->text);
}

static void
write_metadata(struct import *m, const struct mail_item *item)
{
	BUF_CLEAN struct buf b = BUF_MAX(16384);
	bool is_first = true;

	buf_lit(&b, " (");
	imap_flags_format_system(item->flags & FLAGS_STORABLE, &is_first, &b);
	for (size_t i = 0; i < item->keyword_count; i++) {
		if (!is_first)
			buf_chr(&b, ' ');
		is_first = false;
		buf_str_add(&b, item->keywords[i]);
	}
	buf_lit(&b, ") ");
	if (item->has_date) {
		imap_datetime_format((struct imap_datetime){ .utc_s = item->date_s,
					 .zone_min = item->zone_min },
		    &b);
		buf_chr(&b, ' ');
	}
	buf_chr(&b, '\0');
	imap_client_words(m->ic, b.p);
}

static bool
take_item(void *ctx, const struct mail_item *item)
{
	struct import *m = ctx;
	struct str bytes;

	if (!make_mailbox(m, item->mailbox))
		return false;
	if (item->bytes.p == NULL) {
		m->skipped++;
		return true;
	}
	bytes = with_crlf(m, item->bytes);
	if (bytes.n == 0 || buf_err(&m->text) != ERR_OK
	    || bytes.n > m->c->config->message_size_max) {
		ctl_fail("%s: %s; left out", item->where,
		    bytes.n == 0 ? "empty" : "too large (option message_size_max)");
		m->skipped++;
		return true;
	}
	if (m->batch_count == 0) {
		imap_client_begin(m->ic, "APPEND ");
		imap_client_mailbox(m->ic, m->mailbox);
	}
	write_metadata(m, item);
	imap_client_literal(m->ic, bytes);
	m->batch_count++;
	m->batch_bytes += bytes.n;
	return m->batch_count < BATCH_MESSAGES && m->batch_bytes < BATCH_BYTES ? true
									       : end_batch(m);
}

static void
free_text(char **text)
{
	free(*text);
}

static bool
read_source(struct import *m, const char *path, struct str mailbox)
{
	const struct mail_sink to = { .mailbox = make_mailbox, .item = take_item, .ctx = m };
	/*
	 * The path that was named may have links in it; what is found there may not be one (see
	 * mailbag.h).
	 */
	cleanup_with(free_text) char *real = realpath(path, NULL);
	struct stat st;

	if (real == NULL || stat(real, &st) != 0) {
		ctl_fail("%s: no such file or folder", path);
		return false;
	}
	path = real;
	if (S_ISDIR(st.st_mode))
		return maildir_is(path) ? maildir_read(m->c, path, mailbox, &to)
					: eml_read(m->c, path, mailbox, &to);
	return mbox_is(path) ? mbox_read(m->c, path, mailbox, &to)
			     : eml_read(m->c, path, mailbox, &to);
}

static int
import_run(struct ctl *c, int argc, char **argv)
{
	struct import m = { .c = c, .text = BUF_MAX((size_t)1024 * 1024 * 1024) };
	const char *mailbox = "INBOX", *stray;
	bool is_ok = true;

	ctl_option(&argc, argv, "--mailbox", &mailbox);
	stray = ctl_stray_option(&argc, argv);
	if (stray != NULL || argc < 2)
		return ctl_usage(&ctl_import, stray);
	m.ic = imap_client_open(c, argv[0]);
	if (m.ic == NULL)
		return CTL_FAILED;
	for (int i = 1; is_ok && i < argc; i++)
		is_ok = read_source(&m, argv[i],
		    str_eq_nocase(str_c(mailbox), STR("INBOX")) ? STR("INBOX") : str_c(mailbox));
	is_ok = end_batch(&m) && is_ok;
	show_progress(&m, true);
	if (c->is_json)
		printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skipped\":%" PRIu64 "}\n",
		    m.messages, m.bytes, m.skipped);
	else if (!c->is_quiet)
		printf("%" PRIu64 " messages imported, %" PRIu64 " left out.\n", m.messages,
		    m.skipped);
	imap_client_close(m.ic);
	buf_done(&m.text);
	return is_ok && m.skipped == 0 ? CTL_OK : CTL_FAILED;
}

const struct ctl_command ctl_import = {
	.name = "import",
	.args = "USER [--mailbox MAILBOX] PATH...",
	.summary = "Import messages from mbox files, Maildirs and .eml files.",
	.help =
	    "Each PATH is an mbox file, a Maildir (with the folders of Maildir++ beside it), an .eml file or a folder of them; "
	    "which one is seen from what is in it. Flags, keywords and dates come along. Messages go into MAILBOX, which is "
	    "INBOX unless given; folders of a Maildir go into mailboxes of their names. Mailboxes are made as needed.",
	.run = import_run,
};

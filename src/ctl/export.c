/*
 * export.c - posthorn export: a user's mailboxes as mbox files, a Maildir++ or folders of .eml
 * files, with flags and dates in the forms that import reads.
 */
#include "ctl/commands.h"
#include "ctl/file_name.h"
#include "ctl/imap_client.h"
#include "imap/date.h"
#include "imap/flags.h"
#include "imap/utf7.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum export_format { EXPORT_MBOX, EXPORT_MAILDIR, EXPORT_EML };

struct export
{
	struct ctl *c;
	struct imap_client *ic;
	struct arena scratch; /* words of the response at hand */
	enum export_format format;
	const char *dest;
	struct str *mailboxes;
	size_t mailbox_count, mailbox_cap;
	FILE *mbox;
	/* Maildir or .eml folder of the mailbox at hand, with its NUL */
	struct buf folder;
	struct buf path;         /* of the file at hand */
	struct str keywords[26]; /* Maildir: letters given so far */
	size_t keyword_count;
	uint64_t keywords_left_out; /* of the mailbox at hand's messages, for there was no letter */
	uint64_t messages;
	bool has_failed;
};

/* One message as FETCH told it. */
struct fetched {
	uint32_t uid;
	unsigned flags;
	struct str keywords[KEYWORDS_MAX];
	size_t keyword_count;
	struct imap_datetime date;
	struct str bytes;
};

static void
failed(struct export *x, const char *path)
{
	if (!x->has_failed)
		ctl_fail("%s: %s", path, strerror(errno));
	x->has_failed = true;
}

/* ---- reading FETCH ---- */

static void
take_flags(struct export *x, struct str *r, struct fetched *m)
{
	struct str word;

	while (imap_client_take(&x->scratch, r, &word) && !str_eq(word, STR(")"))) {
		unsigned bit = imap_flags_system(word);

		if (str_eq(word, STR("(")))
			continue;
		if (bit != 0)
			m->flags |= bit;
		else if (m->keyword_count < ARRAY_LEN(m->keywords))
			m->keywords[m->keyword_count++] = word;
	}
}

static bool
take_fetch(struct export *x, struct str r, struct fetched *m)
{
	struct str word;

	*m = (struct fetched){ 0 };
	if (!imap_client_take(&x->scratch, &r, &word) || !imap_client_take(&x->scratch, &r, &word)
	    || !str_eq(word, STR("FETCH")) || !imap_client_take(&x->scratch, &r, &word))
		return false;
	while (imap_client_take(&x->scratch, &r, &word) && !str_eq(word, STR(")"))) {
		struct str value;

		if (str_eq(word, STR("FLAGS"))) {
			take_flags(x, &r, m);
			continue;
		}
		if (!imap_client_take(&x->scratch, &r, &value))
			return false;
		if (str_eq(word, STR("UID")) && !str_to_u32(value, &m->uid))
			return false;
		if (str_eq(word, STR("INTERNALDATE")) && !imap_datetime_parse(value, &m->date))
			return false;
		if (str_eq(word, STR("BINARY[]")))
			m->bytes = value;
	}
	return m->uid != 0 && m->bytes.p != NULL;
}

/* ---- writing ---- */

/* Whether all that was written is in the file: of what failed before, fclose() says nothing. */
static bool
is_written(FILE *f)
{
	return fflush(f) == 0 && ferror(f) == 0;
}

/* Calls write for each line without its line end. */
static void
write_lf(FILE *f, struct str bytes, bool quotes_from)
{
	struct str line;

	while (bytes.n > 0 && str_split(&bytes, '\n', &line)) {
		size_t gt = 0;

		if (str_ends(line, STR("\r")))
			line.n--;
		while (gt < line.n && line.p[gt] == '>')
			gt++;
		if (quotes_from && str_starts(str_sub(line, gt, line.n), STR("From ")))
			fputc('>', f);
		fwrite(line.p, 1, line.n, f);
		fputc('\n', f);
	}
}

static void
write_mbox(struct export *x, const struct fetched *m)
{
	time_t t = (time_t)m->date.utc_s;
	struct tm tm;
	char when[64];
	size_t end;
	struct str head, line, rest = m->bytes;
	bool is_left_out = false;

	gmtime_r(&t, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	fprintf(x->mbox, "From MAILER-DAEMON %s\n", when);
	/* The header without the fields that tell flags, then those fields anew. */
	head = rest;
	for (end = 0; head.p != NULL && head.n > 0 && str_split(&head, '\n', &line);) {
		if (str_trim(line).n == 0)
			break;
		end = (size_t)(line.p + line.n + 1 - m->bytes.p);
		/* A field may go on in the next lines. */
		if (line.p[0] != ' ' && line.p[0] != '\t')
			is_left_out = str_starts_nocase(line, STR("Status:"))
			    || str_starts_nocase(line, STR("X-Status:"))
			    || str_starts_nocase(line, STR("X-Keywords:"))
			    || str_starts_nocase(line, STR("Content-Length:"));
		if (!is_left_out)
			write_lf(x->mbox, line, true);
	}
	fprintf(x->mbox, "Status: %sO\n", (m->flags & FLAG_SEEN) != 0 ? "R" : "");
	if ((m->flags & ~(unsigned)FLAG_SEEN & FLAGS_STORABLE) != 0)
		fprintf(x->mbox, "X-Status: %s%s%s%s\n", (m->flags & FLAG_ANSWERED) != 0 ? "A" : "",
		    (m->flags & FLAG_FLAGGED) != 0 ? "F" : "",
		    (m->flags & FLAG_DELETED) != 0 ? "D" : "",
		    (m->flags & FLAG_DRAFT) != 0 ? "T" : "");
	if (m->keyword_count > 0) {
		fputs("X-Keywords:", x->mbox);
		for (size_t i = 0; i < m->keyword_count; i++)
			fprintf(x->mbox, " %.*s", STR_F(m->keywords[i]));
		fputc('\n', x->mbox);
	}
	rest = str_sub(m->bytes, end, m->bytes.n);
	if (rest.n == 0)
		fputc('\n', x->mbox);
	write_lf(x->mbox, rest, true);
	fputc('\n', x->mbox);
}

static void
write_file(struct export *x, const char *path, const struct fetched *m)
{
	const struct timespec times[2] = { { .tv_sec = (time_t)m->date.utc_s },
		{ .tv_sec = (time_t)m->date.utc_s } };
	FILE *f = fopen(path, "wxe");

	if (f == NULL) {
		failed(x, path);
		return;
	}
	if (x->format == EXPORT_MAILDIR)
		write_lf(f, m->bytes, false);
	else
		fwrite(m->bytes.p, 1, m->bytes.n, f);
	if (!is_written(f) || futimens(fileno(f), times) != 0)
		failed(x, path);
	fclose(f);
}

/* The small letter of a keyword in this Maildir folder, or 0 when all are given. */
static char
keyword_letter(struct export *x, struct str keyword)
{
	size_t i;

	for (i = 0; i < x->keyword_count; i++) {
		if (str_eq_nocase(x->keywords[i], keyword))
			return (char)('a' + i);
	}
	if (i == ARRAY_LEN(x->keywords))
		return 0;
	x->keywords[x->keyword_count++] = arena_str(&x->c->arena, keyword);
	return (char)('a' + i);
}

static void
write_maildir(struct export *x, const struct fetched *m)
{
	char letters[sizeof("DFRST") + ARRAY_LEN(x->keywords)], name[160];
	size_t n = 0;

	/* In ASCII order, as Maildir wants it. */
	if ((m->flags & FLAG_DRAFT) != 0)
		letters[n++] = 'D';
	if ((m->flags & FLAG_FLAGGED) != 0)
		letters[n++] = 'F';
	if ((m->flags & FLAG_ANSWERED) != 0)
		letters[n++] = 'R';
	if ((m->flags & FLAG_SEEN) != 0)
		letters[n++] = 'S';
	if ((m->flags & FLAG_DELETED) != 0)
		letters[n++] = 'T';
	for (size_t i = 0; i < m->keyword_count; i++) {
		char letter = keyword_letter(x, m->keywords[i]);

		if (letter != 0)
			letters[n++] = letter;
		else
			x->keywords_left_out++;
	}
	letters[n] = '\0';
	snprintf(name, sizeof(name), "cur/%" PRId64 ".%" PRIu32 ".posthorn:2,%s", m->date.utc_s,
	    m->uid, letters);
	write_file(x, ctl_path(&x->path, x->folder.p, name), m);
}

static void
write_keywords(struct export *x)
{
	FILE *f;

	if (x->format != EXPORT_MAILDIR || x->keyword_count == 0)
		return;
	f = fopen(ctl_path(&x->path, x->folder.p, "dovecot-keywords"), "wxe");
	if (f == NULL) {
		failed(x, x->path.p);
		return;
	}
	for (size_t i = 0; i < x->keyword_count; i++)
		fprintf(f, "%zu %.*s\n", i, STR_F(x->keywords[i]));
	if (!is_written(f))
		failed(x, x->path.p);
	fclose(f);
}

static void
take_message(void *ctx, struct str r)
{
	struct export *x = ctx;
	struct fetched m;
	char name[32];

	arena_reset(&x->scratch);
	if (x->has_failed || !take_fetch(x, r, &m))
		return;
	switch (x->format) {
	case EXPORT_MBOX:
		write_mbox(x, &m);
		break;
	case EXPORT_MAILDIR:
		write_maildir(x, &m);
		break;
	case EXPORT_EML:
		snprintf(name, sizeof(name), "%010" PRIu32 ".eml", m.uid);
		write_file(x, ctl_path(&x->path, x->folder.p, name), &m);
		break;
	}
	x->messages++;
}

/* ---- mailboxes ---- */

static bool
make_folder(struct export *x, const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return true;
	/*
	 * The folder that was named may be a link; one in it would lead root wherever its owner
	 * wants.
	 */
	if (errno == EEXIST && (path == x->dest ? stat(path, &st) : lstat(path, &st)) == 0) {
		if (S_ISDIR(st.st_mode))
			return true;
		errno = ENOTDIR;
	}
	failed(x, path);
	return false;
}

static bool
begin_mbox(struct export *x, struct str name)
{
	BUF_CLEAN struct buf file = CTL_PATH;

	file_name_add(&file, name, '.');
	buf_add(&file, ".mbox", sizeof(".mbox"));
	x->mbox = fopen(ctl_path(&x->path, x->dest, file.p), "wxe");
	if (x->mbox == NULL)
		failed(x, x->path.p);
	return x->mbox != NULL;
}

static bool
begin_maildir(struct export *x, struct str name)
{
	static const char *const subs[] = { "cur", "new", "tmp" };
	BUF_CLEAN struct buf seven = CTL_PATH, file = CTL_PATH;

	if (str_eq(name, STR("INBOX"))) {
		buf_clear(&x->folder);
		buf_c(&x->folder, x->dest);
		buf_chr(&x->folder, '\0');
	} else {
		imap_utf7_encode(name, &seven);
		buf_chr(&file, '.');
		file_name_add(&file, buf_str(&seven), '.');
		buf_chr(&file, '\0');
		ctl_path(&x->folder, x->dest, file.p);
	}
	if (!make_folder(x, x->folder.p))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		if (!make_folder(x, ctl_path(&x->path, x->folder.p, subs[i])))
			return false;
	}
	return true;
}

/* A folder a level, so that the names of mailboxes are the folders'. */
static bool
begin_eml(struct export *x, struct str name)
{
	BUF_CLEAN struct buf file = CTL_PATH;
	struct str rest, level;

	file_name_add(&file, name, '/');
	buf_chr(&file, '\0');
	buf_clear(&x->folder);
	buf_c(&x->folder, x->dest);
	for (rest = str_c(file.p); str_split(&rest, '/', &level);) {
		buf_chr(&x->folder, '/');
		buf_str_add(&x->folder, level);
		buf_chr(&x->folder, '\0');
		if (!make_folder(x, x->folder.p))
			return false;
		buf_truncate(&x->folder, x->folder.n - 1);
	}
	buf_chr(&x->folder, '\0');
	return true;
}

static bool
begin_mailbox(struct export *x, struct str name)
{
	x->keyword_count = 0;
	x->keywords_left_out = 0;
	switch (x->format) {
	case EXPORT_MBOX:
		return begin_mbox(x, name);
	case EXPORT_MAILDIR:
		return begin_maildir(x, name);
	case EXPORT_EML:
		return begin_eml(x, name);
	}
	return false;
}

static void
end_mailbox(struct export *x)
{
	write_keywords(x);
	if (x->mbox == NULL)
		return;
	if (!is_written(x->mbox))
		failed(x, x->dest);
	fclose(x->mbox);
	x->mbox = NULL;
}

static bool
export_mailbox(struct export *x, struct str name)
{
	bool is_ok;

	imap_client_begin(x->ic, "EXAMINE ");
	imap_client_mailbox(x->ic, name);
	if (!imap_client_end(x->ic, NULL, NULL)) {
		ctl_fail("%.*s: %.*s", STR_F(name), STR_F(imap_client_reply(x->ic)));
		return false;
	}
	if (!begin_mailbox(x, name))
		return false;
	/* Not BODY[], in which another byte stands for NUL. */
	imap_client_begin(x->ic, "UID FETCH 1:* (UID FLAGS INTERNALDATE BINARY.PEEK[])");
	is_ok = imap_client_end(x->ic, take_message, x);
	if (!is_ok)
		ctl_fail("%.*s: %.*s", STR_F(name), STR_F(imap_client_reply(x->ic)));
	end_mailbox(x);
	if (x->keywords_left_out > 0)
		ctl_fail(
		    "%.*s: %" PRIu64
		    " keywords of messages are left out: a folder of a Maildir has no more than %zu",
		    STR_F(name), x->keywords_left_out, ARRAY_LEN(x->keywords));
	if (ctl_shows_progress(x->c))
		fprintf(stderr, "%.*s: %" PRIu64 " messages so far\n", STR_F(name), x->messages);
	return is_ok && !x->has_failed;
}

static void
take_name(void *ctx, struct str r)
{
	struct export *x = ctx;
	bool is_noselect = false;
	struct str word;

	if (!str_starts(r, STR("LIST ")))
		return;
	r = str_sub(r, 5, r.n);
	imap_client_take(&x->c->arena, &r, &word);
	while (imap_client_take(&x->c->arena, &r, &word) && !str_eq(word, STR(")")))
		is_noselect = is_noselect || str_eq_nocase(word, STR("\\Noselect"))
		    || str_eq_nocase(word, STR("\\NonExistent"));
	if (is_noselect || !imap_client_take(&x->c->arena, &r, &word)
	    || !imap_client_take(&x->c->arena, &r, &word))
		return;
	if (x->mailbox_count == x->mailbox_cap) {
		x->mailbox_cap = x->mailbox_cap == 0 ? 64 : x->mailbox_cap * 2;
		x->mailboxes = xrealloc(x->mailboxes, x->mailbox_cap * sizeof(*x->mailboxes));
	}
	x->mailboxes[x->mailbox_count++] = arena_str(&x->c->arena, word);
}

static int
export_run(struct ctl *c, int argc, char **argv)
{
	struct export x = { .c = c, .folder = CTL_PATH, .path = CTL_PATH };
	const char *format = "mbox", *mailbox = NULL, *stray;
	bool is_ok = true;

	ctl_option(&argc, argv, "--format", &format);
	ctl_option(&argc, argv, "--mailbox", &mailbox);
	stray = ctl_stray_option(&argc, argv);
	if (stray != NULL || argc != 2)
		return ctl_usage(&ctl_export, stray);
	if (strcmp(format, "maildir") == 0)
		x.format = EXPORT_MAILDIR;
	else if (strcmp(format, "eml") == 0)
		x.format = EXPORT_EML;
	else if (strcmp(format, "mbox") != 0)
		return ctl_usage(&ctl_export, "--format is mbox, maildir or eml");
	x.dest = argv[1];
	umask(077); /* it is somebody's mail */
	if (!make_folder(&x, x.dest))
		return CTL_FAILED;
	x.ic = imap_client_open(c, argv[0]);
	if (x.ic == NULL)
		return CTL_FAILED;
	if (mailbox != NULL) {
		is_ok = export_mailbox(&x, str_c(mailbox));
	} else {
		imap_client_begin(x.ic, "LIST \"\" *");
		is_ok = imap_client_end(x.ic, take_name, &x);
		for (size_t i = 0; is_ok && i < x.mailbox_count; i++)
			is_ok = export_mailbox(&x, x.mailboxes[i]);
	}
	free(x.mailboxes);
	arena_done(&x.scratch);
	buf_done(&x.folder);
	buf_done(&x.path);
	imap_client_close(x.ic);
	if (c->is_json)
		printf("{\"messages\":%" PRIu64 "}\n", x.messages);
	else if (!c->is_quiet)
		printf("%" PRIu64 " messages exported.\n", x.messages);
	return is_ok && !x.has_failed ? CTL_OK : CTL_FAILED;
}

const struct ctl_command ctl_export = {
	.name = "export",
	.args = "USER [--format mbox|maildir|eml] [--mailbox MAILBOX] FOLDER",
	.summary = "Export a user's mail.",
	.help =
	    "Writes every mailbox, or the one given, into FOLDER: as mbox files (mboxrd, with Status, X-Status and X-Keywords), "
	    "as a Maildir++ with dovecot-keywords (26 keywords a folder at most), or as folders of .eml files, which have the exact bytes but no flags. "
	    "A dot in a mailbox's name that would be taken for a level is \\2e in that of its file, a backslash \\5c. "
	    "`posthorn import` reads all of them.",
	.run = export_run,
};

/*
 * maildir.c - reads Maildir and Maildir++: cur and new of the folder, then the folders ".Name.Sub"
 * beside them, whose names are modified UTF-7. Flags are in the file names (":2,FS"), keywords as
 * small letters by dovecot-keywords; INTERNALDATE is the file's time.
 */
#include "ctl/mailbag.h"

#include "ctl/file_name.h"
#include "imap/flags.h"
#include "imap/utf7.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

bool
maildir_is(const char *path)
{
	BUF_CLEAN struct buf sub = CTL_PATH;
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode)
	    && lstat(ctl_path(&sub, path, "cur"), &st) == 0 && S_ISDIR(st.st_mode);
}

struct keywords_file {
	struct str names[26];
};

static void
read_keywords(struct arena *a, const char *path, struct keywords_file *out)
{
	BUF_CLEAN struct buf file = CTL_PATH;
	char line[256];
	FILE *f;

	*out = (struct keywords_file){ 0 };
	f = fopen(ctl_path(&file, path, "dovecot-keywords"), "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		char *end;
		unsigned long n = strtoul(line, &end, 10);

		if (end != line && n < ARRAY_LEN(out->names))
			out->names[n] = arena_str(a, str_trim(str_c(end)));
	}
	fclose(f);
}

static void
take_flags(struct mail_item *item, struct str name, const struct keywords_file *keywords)
{
	size_t at = str_rchr(name, ',');

	if (at == SIZE_MAX || at < 2 || name.p[at - 1] != '2')
		return;
	for (at++; at < name.n; at++) {
		switch (name.p[at]) {
		case 'F':
			item->flags |= FLAG_FLAGGED;
			break;
		case 'S':
			item->flags |= FLAG_SEEN;
			break;
		case 'R':
			item->flags |= FLAG_ANSWERED;
			break;
		case 'T':
			item->flags |= FLAG_DELETED;
			break;
		case 'D':
			item->flags |= FLAG_DRAFT;
			break;
		case 'P':
			mail_item_keyword(item, STR("$Forwarded"));
			break;
		default:
			if (name.p[at] >= 'a' && name.p[at] <= 'z'
			    && keywords->names[name.p[at] - 'a'].n > 0)
				mail_item_keyword(item, keywords->names[name.p[at] - 'a']);
			break;
		}
	}
}

static bool
read_folder(const char *path, const char *sub, struct str mailbox,
    const struct keywords_file *keywords, const struct mail_sink *to)
{
	BUF_CLEAN struct buf dir = CTL_PATH, file = CTL_PATH;
	struct dirent **names;
	bool goes_on = true;
	int n;

	/* names begin with the time of delivery: so the order is kept */
	n = scandir(ctl_path(&dir, path, sub), &names, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT || ctl_fail("%s: %s", dir.p, strerror(errno)) == CTL_OK;
	for (int i = 0; i < n; i++) {
		struct mail_item item = { .mailbox = mailbox,
			.where = ctl_path(&file, dir.p, names[i]->d_name) };
		struct stat st = { 0 };

		if (!goes_on || names[i]->d_name[0] == '.') {
			free(names[i]);
			continue;
		}
		/* One that changes its name while the folder is read is missing, too. */
		if (lstat(item.where, &st) != 0 || S_ISREG(st.st_mode)) {
			item.bytes = mail_file_map(item.where);
			item.has_date = true;
			item.date_s = st.st_mtime;
			take_flags(&item, str_c(names[i]->d_name), keywords);
			goes_on = to->item(to->ctx, &item);
			mail_file_unmap(item.bytes);
		}
		free(names[i]);
	}
	free(names);
	return goes_on;
}

static bool
read_one(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to)
{
	struct keywords_file keywords;

	read_keywords(&c->arena, path, &keywords);
	return to->mailbox(to->ctx, mailbox) && read_folder(path, "cur", mailbox, &keywords, to)
	    && read_folder(path, "new", mailbox, &keywords, to);
}

/* ".Sent.2025" is "Sent/2025", ".a\2eb" is "a.b". */
static struct str
folder_name(struct arena *a, const char *dir_name)
{
	BUF_CLEAN struct buf b = BUF_MAX(MAILBOX_NAME_MAX), plain = BUF_MAX(MAILBOX_NAME_MAX);
	struct str rest = str_c(dir_name + 1), level;
	bool is_first = true;

	while (str_split(&rest, '.', &level)) {
		if (!is_first)
			buf_chr(&b, MAILBOX_SEPARATOR);
		is_first = false;
		buf_clear(&plain);
		file_name_level(&plain, level);
		if (!imap_utf7_decode(buf_str(&plain), &b))
			buf_str_add(&b, buf_str(&plain));
	}
	return arena_str(a, buf_str(&b));
}

bool
maildir_read(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to)
{
	bool goes_on = read_one(c, path, mailbox, to);
	struct dirent **names;
	BUF_CLEAN struct buf sub = CTL_PATH;
	int n = goes_on ? scandir(path, &names, NULL, alphasort) : 0;

	if (n < 0)
		return ctl_fail("%s: %s", path, strerror(errno)) == CTL_OK;
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (goes_on && name[0] == '.' && name[1] != '\0' && strcmp(name, "..") != 0
		    && maildir_is(ctl_path(&sub, path, name))) {
			struct str below = folder_name(&c->arena, name);

			/* Into another mailbox than INBOX, the folders go below it. */
			if (!str_eq(mailbox, STR("INBOX")))
				below = arena_printf(&c->arena, "%.*s/%.*s", STR_F(mailbox),
				    STR_F(below));
			goes_on = read_one(c, sub.p, below, to);
		}
		free(names[i]);
	}
	if (n > 0)
		free(names);
	return goes_on;
}

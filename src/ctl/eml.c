/*
 * eml.c - reads one .eml file, or a folder of them and the folders in it, which become mailboxes
 * below.
 */
#include "ctl/mailbag.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FOLDER_DEPTH_MAX = 20 };

static bool
read_file(const char *path, struct str mailbox, const struct stat *st, const struct mail_sink *to)
{
	struct mail_item item = { .mailbox = mailbox, .bytes = mail_file_map(path), .where = path };
	bool goes_on;

	if (item.bytes.p != NULL)
		mail_item_date_from_header(&item);
	if (!item.has_date) {
		item.has_date = true;
		item.date_s = st->st_mtime;
	}
	goes_on = to->item(to->ctx, &item);
	mail_file_unmap(item.bytes);
	return goes_on;
}

static bool
read_path(struct ctl *c, const char *path, struct str mailbox, int depth,
    const struct mail_sink *to)
{
	struct dirent **names;
	bool goes_on = true;
	struct stat st;
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return stat(path, &st) != 0 ? ctl_fail("%s: can't be read", path) == CTL_OK
					    : read_file(path, mailbox, &st, to);
	if (depth > FOLDER_DEPTH_MAX)
		return ctl_fail("%s: more than %d folders in one another", path, FOLDER_DEPTH_MAX)
		    == CTL_OK;
	if (!to->mailbox(to->ctx, mailbox))
		return false;
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		return ctl_fail("%s: %s", path, strerror(errno)) == CTL_OK;
	for (int i = 0; i < n; i++) {
		struct str name = str_c(names[i]->d_name);
		BUF_CLEAN struct buf sub = CTL_PATH;

		if (goes_on && name.p[0] != '.'
		    && lstat(ctl_path(&sub, path, names[i]->d_name), &st) == 0) {
			if (S_ISDIR(st.st_mode))
				goes_on = read_path(c, sub.p,
				    arena_printf(&c->arena, "%.*s/%.*s", STR_F(mailbox),
					STR_F(name)),
				    depth + 1, to);
			else if (S_ISREG(st.st_mode))
				goes_on = read_file(sub.p, mailbox, &st, to);
		}
		free(names[i]);
	}
	free(names);
	return goes_on;
}

bool
eml_read(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to)
{
	return read_path(c, path, mailbox, 0, to);
}

/* kept.h - for tests: the files of a folder, as they were. */
#ifndef KV_KEPT_H
#define KV_KEPT_H

#include "base/str.h"

#include <stddef.h>

struct kept {
	char path[400];
	struct str data;
};

/* All but those whose names begin with a dot; at most max. */
size_t dir_keep(const char *dir, struct kept *kept, size_t max);
/* These and no others. */
void dir_restore(const char *dir, const struct kept *kept, size_t count);
void kept_free(struct kept *kept, size_t count);
void dir_empty(const char *dir);
/* With its files; it has no folders. */
void dir_remove(const char *dir);

struct str file_get(const char *path);
void file_put(const char *path, struct str data);

#endif

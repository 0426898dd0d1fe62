/* kept.c - see kept.h. */
#include "kv/kept.h"

#include "base/arena.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct str
file_get(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;

	must(fd >= 0 && fstat(fd, &st) == 0);
	p = xmalloc((size_t)st.st_size + 1);
	must(read(fd, p, (size_t)st.st_size) == st.st_size);
	close(fd);
	return str_make(p, (size_t)st.st_size);
}

void
file_put(const char *path, struct str data)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, data.p, data.n) == (ssize_t)data.n);
	close(fd);
}

size_t
dir_keep(const char *dir, struct kept *kept, size_t max)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t count = 0;

	must(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		must(count < max);
		snprintf(kept[count].path, sizeof(kept[count].path), "%s/%s", dir, entry->d_name);
		kept[count].data = file_get(kept[count].path);
		count++;
	}
	closedir(d);
	return count;
}

void
dir_restore(const char *dir, const struct kept *kept, size_t count)
{
	dir_empty(dir);
	for (size_t i = 0; i < count; i++)
		file_put(kept[i].path, kept[i].data);
}

void
kept_free(struct kept *kept, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)kept[i].data.p);
}

void
dir_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

void
dir_remove(const char *dir)
{
	dir_empty(dir);
	rmdir(dir);
}

/* rocks_test.c - the conformance suite on the RocksDB engine. */
#include "base/arena.h"
#include "kv/conform.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kv-rocks-XXXXXX";

static void
dir_remove(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(path);
}

static struct kv *
rocks_open_again(void)
{
	struct kv_options o = conform_options();
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;

	o.dir = dir;
	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK)
		printf("# %.*s\n", STR_F(buf_str(&detail)));
	must(kv != NULL);
	return kv;
}

static struct kv *
rocks_open(void)
{
	dir_remove(dir);
	return rocks_open_again();
}

static struct kv *
rocks_reopen(struct kv *kv)
{
	kv_close(kv);
	return rocks_open_again();
}

static void
rocks_close_remove(struct kv *kv)
{
	kv_close(kv);
	dir_remove(dir);
}

int
main(void)
{
	static const struct conform_engine engine = { rocks_open, rocks_reopen, rocks_close_remove };

	must(mkdtemp(dir) != NULL);
	return conform_run(&engine, NULL, 0);
}

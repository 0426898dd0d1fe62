/*
 * replay.c - runs a fuzz target over the files of a folder, so that its corpus is an ordinary test.
 * TAP on stdout.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t n = 0, cap = 0, got;

	if (f == NULL)
		return -1;
	do {
		cap += 65536;
		data = realloc(data, cap);
		if (data == NULL)
			abort();
		got = fread(data + n, 1, cap - n, f);
		n += got;
	} while (got > 0);
	fclose(f);
	/* Exactly as large as the input, so that a read behind it is seen. */
	data = realloc(data, n == 0 ? 1 : n);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	int count = 0, bad = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		while (d != NULL && (e = readdir(d)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			count++;
			if (replay(path) != 0)
				bad++;
			printf("%s %d - %s\n", bad == 0 ? "ok" : "not ok", count, e->d_name);
		}
		if (d != NULL)
			closedir(d);
	}
	printf("1..%d\n", count);
	return bad == 0 && count > 0 ? 0 : 1;
}

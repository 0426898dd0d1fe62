/*
 * cost.c - looks for inputs that cost a parser more than their length: main() of a fuzz target that
 * repeats pieces of its corpus instead of looking for crashes.
 *
 *     NAME_cost SECONDS SEED FOLDER
 *
 * An input is a beginning of a file, a piece of some file again and again, and mostly an end. It is
 * found when four times as many repetitions take more than nine times as long, and four times as
 * many of those again: linear parsers take four times as long, quadratic ones sixteen. TAP on
 * stdout; what was found is told in it.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 1000, UNIT_MAX = 48, SMALL_BYTES = 24 * 1024, TIMES_MAX = 9, FOUND_MAX = 5 };

struct bytes {
	uint8_t *p;
	size_t n;
};

struct recipe {
	struct bytes head, unit, tail;
};

static uint64_t state;

static size_t
below(size_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return n == 0 ? 0 : (size_t)(state >> 33) % n;
}

static struct bytes
file_read(const char *name)
{
	FILE *f = fopen(name, "rb");
	struct bytes b = { 0 };
	long n;

	if (f == NULL)
		return b;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	b.p = malloc((size_t)n + 1);
	if (b.p != NULL)
		b.n = fread(b.p, 1, (size_t)n, f);
	fclose(f);
	return b;
}

static struct bytes
slice(struct bytes b, size_t from, size_t n)
{
	return (struct bytes){ b.p + from, n < b.n - from ? n : b.n - from };
}

static struct recipe
recipe_make(const struct bytes *files, size_t count)
{
	static uint8_t letters[UNIT_MAX];
	const struct bytes head = files[below(count)], of = files[below(count)];
	struct recipe r = { 0 };
	size_t at;

	r.head = slice(head, 0, below(head.n + 1));
	r.unit = slice(of, below(of.n), 1 + below(below(3) ? 6 : UNIT_MAX));
	if (below(4) == 0) { /* some letters of a file in any order */
		at = 1 + below(5);
		for (size_t i = 0; i < at; i++)
			letters[i] = of.p[below(of.n)];
		r.unit = (struct bytes){ letters, at };
	}
	at = below(head.n + 1);
	if (below(4) != 0)
		r.tail = slice(head, at, head.n);
	return r;
}

static double
seconds(const struct recipe *r, size_t bytes)
{
	const size_t times = bytes / r->unit.n + 1;
	const size_t n = r->head.n + times * r->unit.n + r->tail.n;
	uint8_t *input = malloc(n), *at = input;
	struct timespec from, to;

	if (input == NULL)
		abort();
	if (r->head.n > 0)
		memcpy(at, r->head.p, r->head.n);
	at += r->head.n;
	for (size_t i = 0; i < times; i++, at += r->unit.n)
		memcpy(at, r->unit.p, r->unit.n);
	if (r->tail.n > 0)
		memcpy(at, r->tail.p, r->tail.n);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	LLVMFuzzerTestOneInput(input, n);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	free(input);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
}

static void
print(const char *what, struct bytes b)
{
	printf("#   %s \"", what);
	for (size_t i = 0; i < b.n && i < 300; i++)
		if (isprint(b.p[i]) && b.p[i] != '\\' && b.p[i] != '"')
			putchar(b.p[i]);
		else
			printf("\\x%02x", b.p[i]);
	printf("\"%s\n", b.n > 300 ? "..." : "");
}

static size_t
folder_read(const char *path, struct bytes files[FILES_MAX])
{
	DIR *d = opendir(path);
	struct dirent *e;
	size_t count = 0;

	while (d != NULL && (e = readdir(d)) != NULL && count < FILES_MAX) {
		char name[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		files[count] = file_read(name);
		count += files[count].n > 0;
	}
	if (d != NULL)
		closedir(d);
	return count;
}

/* Whether it costs more than its length. */
static int
is_costly(const struct recipe *r)
{
	double small = seconds(r, SMALL_BYTES), middle, large;

	if (small < 0.0003)
		return 0;
	middle = seconds(r, 4 * SMALL_BYTES);
	if (middle < TIMES_MAX * small || middle < 0.01)
		return 0;
	large = seconds(r, 16 * SMALL_BYTES);
	if (large < TIMES_MAX * middle)
		return 0;
	printf("# %.4f %.4f %.4f s\n", small, middle, large);
	return 1;
}

int
main(int argc, char **argv)
{
	static struct bytes files[FILES_MAX];
	size_t count, tried = 0;
	int found = 0;
	time_t end;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SECONDS SEED FOLDER\n", argv[0]);
		return 2;
	}
	end = time(NULL) + atoi(argv[1]);
	state = strtoull(argv[2], NULL, 10);
	count = folder_read(argv[3], files);
	for (; count > 0 && found < FOUND_MAX && time(NULL) < end; tried++) {
		struct recipe r = recipe_make(files, count);

		if (!is_costly(&r) || !is_costly(&r)) /* once may be the machine */
			continue;
		found++;
		print("head", r.head);
		print("unit", r.unit);
		print("tail", r.tail);
		fflush(stdout);
	}
	printf("%sok 1 - %zu inputs, %d costly\n1..1\n", found > 0 || tried == 0 ? "not " : "",
	    tried, found);
	return found > 0 || tried == 0;
}

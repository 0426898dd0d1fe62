/*
 * pack_fuzz.c - a pack of objects that anybody may have made. With the first byte odd, the bytes are
 * a pack's file as they are; else they are its objects and its index, of as many entries as the
 * second byte says, around which a head and a foot with the right digest are put, so that what is
 * behind the digest is reached too.
 */
#include "backup/pack.h"

#include "base/bytes.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRY_BYTES = 64 };

/* Larger objects are not read here: the memory that they are given is not what is looked at. */
#define READ_MAX_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
add_foot(struct buf *file, size_t entries)
{
	size_t index_at = file->n - entries * ENTRY_BYTES;
	char numbers[16];
	struct blob_id digest;

	put_le64(numbers, entries);
	put_le64(numbers + 8, index_at);
	buf_add(file, numbers, sizeof(numbers));
	object_id(str_sub(buf_str(file), index_at, file->n), &digest);
	buf_add(file, digest.sha256, sizeof(digest.sha256));
	buf_lit(file, "Posthorn end 01\n");
}

static void
read_all(int fd)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct pack_entry *entries;
	struct blob_id name, id;
	size_t count;

	if (pack_index(fd, &entries, &count, &name) != ERR_OK)
		return;
	ignore_err(pack_check_gaps(fd, entries, count), "hostile");
	for (size_t i = 0; i < count; i++) {
		if (entries[i].raw_bytes > READ_MAX_BYTES
		    || entries[i].stored_bytes > READ_MAX_BYTES
		    || pack_read(fd, &entries[i], &object) != ERR_OK)
			continue;
		object_id(buf_str(&object), &id);
		must(object.n == entries[i].raw_bytes && object_id_eq(&id, &entries[i].id));
	}
	free(entries);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_CLEAN struct buf file = BUF_MAX(1 << 24);
	size_t entries;
	int fd;

	if (n < 2)
		return 0;
	if (data[0] % 2 == 1) {
		buf_add(&file, data + 1, n - 1);
	} else {
		entries = MIN((size_t)data[1], (n - 2) / ENTRY_BYTES);
		buf_lit(&file, "Posthorn pack 1\n");
		buf_add(&file, data + 2, n - 2);
		add_foot(&file, entries);
	}
	fd = memfd_create("pack", MFD_CLOEXEC);
	must(fd >= 0 && fd_write(fd, file.p, file.n) == ERR_OK);
	read_all(fd);
	close(fd);
	return 0;
}

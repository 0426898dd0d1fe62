/* pack.c - see pack.h. */
#include "backup/pack.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "kv/crc32c.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { HEAD_BYTES = 16, OBJECT_HEAD_BYTES = 56, ENTRY_BYTES = 64, FOOT_BYTES = 64, ZSTD_LEVEL = 3 };

enum { CODEC_PLAIN = 0, CODEC_ZSTD = 1 };

static const char pack_magic[HEAD_BYTES] = "Posthorn pack 1\n";
static const char foot_magic[16] = "Posthorn end 01\n";

struct pack_writer {
	int fd;
	uint64_t at;
	struct pack_entry *entries;
	size_t count, cap;
	struct buf stored;
	ZSTD_CCtx *zstd;
};

/* ---- names and files ------------------------------------------------------------------------- */

void
object_id(struct str bytes, struct blob_id *out)
{
	must(EVP_Digest(bytes.n == 0 ? "" : bytes.p, bytes.n, out->sha256, NULL, EVP_sha256(), NULL)
	    == 1);
}

bool
object_id_eq(const struct blob_id *a, const struct blob_id *b)
{
	return memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

void
object_id_hex(const struct blob_id *id, char out[OBJECT_HEX_BYTES + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(id->sha256); i++) {
		out[2 * i] = digits[id->sha256[i] >> 4];
		out[2 * i + 1] = digits[id->sha256[i] & 15];
	}
	out[OBJECT_HEX_BYTES] = '\0';
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
object_id_parse(struct str hex, struct blob_id *out)
{
	if (hex.n != OBJECT_HEX_BYTES)
		return false;
	for (size_t i = 0; i < sizeof(out->sha256); i++) {
		int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out->sha256[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

enum err
fd_write(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
		at += done;
		n -= (size_t)done;
	}
	return ERR_OK;
}

enum err
fd_pread(int fd, void *p, size_t n, uint64_t offset)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = pread(fd, at, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ERR_IO;
		if (got == 0)
			return ERR_END;
		at += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return ERR_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct pack_writer *
pack_writer_new(int fd)
{
	struct pack_writer *w = xcalloc(1, sizeof(*w));

	w->fd = fd;
	w->stored = BUF_MAX(SIZE_MAX / 2);
	w->zstd = ZSTD_createCCtx();
	must(w->zstd != NULL);
	return w;
}

void
pack_writer_free(struct pack_writer *w)
{
	if (w == NULL)
		return;
	ZSTD_freeCCtx(w->zstd);
	buf_done(&w->stored);
	free(w->entries);
	free(w);
}

static enum err
put(struct pack_writer *w, const void *p, size_t n)
{
	enum err e = fd_write(w->fd, p, n);

	if (e == ERR_OK)
		w->at += n;
	return e;
}

static void
object_head(const struct pack_entry *e, char head[OBJECT_HEAD_BYTES])
{
	memset(head, 0, OBJECT_HEAD_BYTES);
	head[0] = 'O';
	head[1] = (char)e->kind;
	head[2] = (char)e->codec;
	put_le32(head + 4, e->crc);
	put_le64(head + 8, e->stored_bytes);
	put_le64(head + 16, e->raw_bytes);
	memcpy(head + 24, e->id.sha256, sizeof(e->id.sha256));
}

/* Writes what is described; e->offset is filled in. */
static enum err
put_object(struct pack_writer *w, struct pack_entry e, const void *stored)
{
	char head[OBJECT_HEAD_BYTES];
	enum err er = ERR_OK;

	if (w->at == 0)
		er = put(w, pack_magic, sizeof(pack_magic));
	e.offset = w->at;
	object_head(&e, head);
	if (er == ERR_OK)
		er = put(w, head, sizeof(head));
	if (er == ERR_OK)
		er = put(w, stored, (size_t)e.stored_bytes);
	if (er != ERR_OK)
		return er;
	if (w->count == w->cap) {
		w->cap = MAX(256, w->cap * 2);
		w->entries = xrealloc(w->entries, w->cap * sizeof(*w->entries));
	}
	w->entries[w->count++] = e;
	return ERR_OK;
}

enum err
pack_add(struct pack_writer *w, enum object_kind kind, const struct blob_id *id, struct str bytes)
{
	struct pack_entry e = { .id = *id, .kind = (uint8_t)kind, .raw_bytes = bytes.n };
	size_t bound = ZSTD_compressBound(bytes.n), n;
	struct str stored = bytes;

	buf_clear(&w->stored);
	must(buf_reserve(&w->stored, bound) != NULL);
	n = ZSTD_compressCCtx(w->zstd, w->stored.p, bound, bytes.p, bytes.n, ZSTD_LEVEL);
	if (!ZSTD_isError(n) && n < bytes.n) {
		stored = str_make(w->stored.p, n);
		e.codec = CODEC_ZSTD;
	}
	e.stored_bytes = stored.n;
	e.crc = crc32c(0, stored.p, stored.n);
	return put_object(w, e, stored.p);
}

enum err
pack_copy(struct pack_writer *w, int from, const struct pack_entry *e)
{
	enum err er;

	buf_clear(&w->stored);
	if (buf_reserve(&w->stored, (size_t)e->stored_bytes + 1) == NULL)
		return ERR_NOMEM;
	er = fd_pread(from, w->stored.p, (size_t)e->stored_bytes, e->offset + OBJECT_HEAD_BYTES);
	if (er == ERR_END
	    || (er == ERR_OK && crc32c(0, w->stored.p, (size_t)e->stored_bytes) != e->crc))
		er = ERR_CORRUPT;
	return er != ERR_OK ? er : put_object(w, *e, w->stored.p);
}

static void
entry_encode(const struct pack_entry *e, char out[ENTRY_BYTES])
{
	memset(out, 0, ENTRY_BYTES);
	memcpy(out, e->id.sha256, sizeof(e->id.sha256));
	put_le64(out + 32, e->offset);
	put_le64(out + 40, e->stored_bytes);
	put_le64(out + 48, e->raw_bytes);
	out[56] = (char)e->kind;
	out[57] = (char)e->codec;
	put_le32(out + 60, e->crc);
}

/*
 * Index and foot: entries, how many they are, where they begin, the digest of all this, the magic.
 */
enum err
pack_end(struct pack_writer *w, struct blob_id *name_out)
{
	BUF_CLEAN struct buf index = BUF_MAX(SIZE_MAX / 2);
	char numbers[16];
	enum err e = ERR_OK;

	if (w->at == 0)
		e = put(w, pack_magic, sizeof(pack_magic));
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < w->count; i++) {
		char entry[ENTRY_BYTES];

		entry_encode(&w->entries[i], entry);
		buf_add(&index, entry, sizeof(entry));
	}
	put_le64(numbers, w->count);
	put_le64(numbers + 8, w->at);
	buf_add(&index, numbers, sizeof(numbers));
	object_id(buf_str(&index), name_out);
	buf_add(&index, name_out->sha256, sizeof(name_out->sha256));
	buf_add(&index, foot_magic, sizeof(foot_magic));
	return put(w, index.p, index.n);
}

uint64_t
pack_bytes(const struct pack_writer *w)
{
	return w->at;
}

const struct pack_entry *
pack_entries(const struct pack_writer *w, size_t *count_out)
{
	*count_out = w->count;
	return w->entries;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void
entry_decode(const char *p, struct pack_entry *out)
{
	*out = (struct pack_entry){
		.offset = get_le64(p + 32),
		.stored_bytes = get_le64(p + 40),
		.raw_bytes = get_le64(p + 48),
		.kind = (uint8_t)p[56],
		.codec = (uint8_t)p[57],
		.crc = get_le32(p + 60),
	};
	memcpy(out->id.sha256, p, sizeof(out->id.sha256));
}

static bool
entry_is_sane(const struct pack_entry *e, uint64_t index_at)
{
	return e->offset >= HEAD_BYTES && e->offset <= index_at - OBJECT_HEAD_BYTES
	    && e->stored_bytes <= index_at - OBJECT_HEAD_BYTES - e->offset
	    && e->raw_bytes <= OBJECT_MAX_BYTES
	    && (e->codec == CODEC_ZSTD
		|| (e->codec == CODEC_PLAIN && e->raw_bytes == e->stored_bytes));
}

/* The index as bytes, with the numbers behind it; checked against the foot. */
static enum err
index_load(int fd, struct buf *out, uint64_t *index_at_out, struct blob_id *name_out)
{
	char head[HEAD_BYTES], foot[FOOT_BYTES];
	uint64_t count, at;
	struct stat st;
	enum err e;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (st.st_size < HEAD_BYTES + FOOT_BYTES)
		return ERR_CORRUPT;
	e = fd_pread(fd, head, sizeof(head), 0);
	if (e == ERR_OK)
		e = fd_pread(fd, foot, sizeof(foot), (uint64_t)st.st_size - FOOT_BYTES);
	if (e != ERR_OK)
		return e == ERR_END ? ERR_CORRUPT : e;
	count = get_le64(foot);
	at = get_le64(foot + 8);
	if (memcmp(head, pack_magic, sizeof(head)) != 0
	    || memcmp(foot + 48, foot_magic, sizeof(foot_magic)) != 0
	    || count > (uint64_t)st.st_size / ENTRY_BYTES || at < HEAD_BYTES
	    || at + count * ENTRY_BYTES + FOOT_BYTES != (uint64_t)st.st_size)
		return ERR_CORRUPT;
	*out = BUF_MAX(SIZE_MAX / 2);
	if (buf_reserve(out, (size_t)count * ENTRY_BYTES + 16) == NULL)
		return ERR_NOMEM;
	out->n = (size_t)count * ENTRY_BYTES + 16;
	e = fd_pread(fd, out->p, out->n, at);
	if (e != ERR_OK)
		return e == ERR_END ? ERR_CORRUPT : e;
	object_id(buf_str(out), name_out);
	*index_at_out = at;
	return memcmp(name_out->sha256, foot + 16, sizeof(name_out->sha256)) == 0 ? ERR_OK
										  : ERR_CORRUPT;
}

enum err
pack_index(int fd, struct pack_entry **entries_out, size_t *count_out, struct blob_id *name_out)
{
	BUF_CLEAN struct buf index = BUF_MAX(0);
	struct pack_entry *entries;
	uint64_t at = 0;
	size_t count;
	enum err e;

	e = index_load(fd, &index, &at, name_out);
	if (e != ERR_OK)
		return e;
	count = index.n / ENTRY_BYTES;
	entries = xcalloc(count + 1, sizeof(*entries));
	for (size_t i = 0; i < count; i++) {
		entry_decode(index.p + i * ENTRY_BYTES, &entries[i]);
		if (at < HEAD_BYTES + OBJECT_HEAD_BYTES || !entry_is_sane(&entries[i], at)) {
			free(entries);
			return ERR_CORRUPT;
		}
	}
	*entries_out = entries;
	*count_out = count;
	return ERR_OK;
}

static enum err
unpack(const struct pack_entry *e, struct str stored, struct buf *out)
{
	size_t n;

	buf_clear(out);
	if (buf_reserve(out, (size_t)e->raw_bytes + 1) == NULL)
		return ERR_CORRUPT;
	if (e->codec == CODEC_PLAIN) {
		buf_str_add(out, stored);
		return ERR_OK;
	}
	n = ZSTD_decompress(out->p, (size_t)e->raw_bytes, stored.p, stored.n);
	if (ZSTD_isError(n) || n != e->raw_bytes)
		return ERR_CORRUPT;
	out->n = n;
	return ERR_OK;
}

enum err
pack_read(int fd, const struct pack_entry *entry, struct buf *out)
{
	BUF_CLEAN struct buf stored = BUF_MAX(SIZE_MAX / 2);
	char expected[OBJECT_HEAD_BYTES];
	struct blob_id id;
	enum err e;

	if (buf_reserve(&stored, (size_t)entry->stored_bytes + OBJECT_HEAD_BYTES) == NULL)
		return ERR_CORRUPT;
	stored.n = (size_t)entry->stored_bytes + OBJECT_HEAD_BYTES;
	e = fd_pread(fd, stored.p, stored.n, entry->offset);
	if (e != ERR_OK)
		return e == ERR_END ? ERR_CORRUPT : e;
	object_head(entry, expected);
	if (memcmp(stored.p, expected, sizeof(expected)) != 0
	    || crc32c(0, stored.p + OBJECT_HEAD_BYTES, (size_t)entry->stored_bytes) != entry->crc)
		return ERR_CORRUPT;
	e = unpack(entry, str_sub(buf_str(&stored), OBJECT_HEAD_BYTES, stored.n), out);
	if (e != ERR_OK)
		return e;
	object_id(buf_str(out), &id);
	return object_id_eq(&id, &entry->id) ? ERR_OK : ERR_CORRUPT;
}

enum err
pack_check_gaps(int fd, const struct pack_entry *entries, size_t count)
{
	uint64_t at = HEAD_BYTES;
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		if (entries[i].offset != at)
			return ERR_CORRUPT;
		at += OBJECT_HEAD_BYTES + entries[i].stored_bytes;
	}
	if (fstat(fd, &st) != 0)
		return ERR_IO;
	return at + count * ENTRY_BYTES + FOOT_BYTES == (uint64_t)st.st_size ? ERR_OK : ERR_CORRUPT;
}

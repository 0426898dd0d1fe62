/*
 * rooms.c - memory that blobs are read into, a batch at a time: some hundred kilobytes, which are
 * needed for milliseconds. Given back to the system each time, it cost a page fault for every 4 KB
 * that came, as much as to unpack them. So some rooms are kept, all of one size, for whoever reads
 * next, in whatever thread.
 */
#include "base/sanitized.h"
#include "base/size.h"
#include "kv/kv_int.h"

#include <stdlib.h>

/* Less is not worth a lock: the C library keeps it anyway. */
#define ROOM_LEAST_BYTES (32u * 1024)

void
kv_rooms_init(struct kv_rooms *r)
{
	r->count = 0;
	pthread_mutex_init(&r->lock, NULL);
}

void
kv_rooms_done(struct kv_rooms *r)
{
	while (r->count > 0)
		free(r->kept[--r->count]);
	pthread_mutex_destroy(&r->lock);
}

/* NULL: none is kept. */
static struct kv_blobs *
room_take(struct kv_rooms *r)
{
	struct kv_blobs *b = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->count > 0)
		b = r->kept[--r->count];
	pthread_mutex_unlock(&r->lock);
	return b;
}

struct kv_blobs *
kv_blobs_new(struct kv *kv, size_t count, size_t bytes, char **data_out)
{
	size_t head = size_add(sizeof(struct kv_blobs), size_mul(count, sizeof(struct str)));
	size_t room = size_add(head, bytes);
	struct kv_blobs *b = NULL;

	if (room >= ROOM_LEAST_BYTES && room <= KV_ROOM_BYTES) {
		room = KV_ROOM_BYTES; /* what is not used of it is no memory */
		b = room_take(&kv->rooms);
	}
	if (b == NULL)
		b = xmalloc(room);
	b->room = room;
	b->count = count;
	b->bytes = (struct str *)(b + 1);
	for (size_t i = 0; i < count; i++)
		b->bytes[i] = STR_NONE;
	*data_out = (char *)b + head;
	return b;
}

void
kv_blobs_free(struct kv *kv, struct kv_blobs *b)
{
	struct kv_rooms *r = &kv->rooms;

	/* With a sanitizer none is kept: it shall see who still reads there. */
	if (!IS_SANITIZED && b != NULL && b->room == KV_ROOM_BYTES) {
		pthread_mutex_lock(&r->lock);
		if (r->count < ARRAY_LEN(r->kept)) {
			r->kept[r->count++] = b;
			b = NULL;
		}
		pthread_mutex_unlock(&r->lock);
	}
	free(b);
}

/* present.h - which messages a mailbox has, by the identity that copies share. */
#ifndef BACKUP_PRESENT_H
#define BACKUP_PRESENT_H

#include "backup/service_int.h"
#include "store/message_record.h"

/* EMAILIDs are given by servers; the bytes tell whether two of them mean the same. */
struct message_identity {
	struct object_id email;
	struct blob_id blob;
};

struct present {
	struct message_identity *ids; /* sorted, but for those added */
	size_t count, cap, sorted;
};

void present_done(struct present *p);
/**
 * What the mailbox has; waits until all of it is durable. ERR_NOTFOUND, ERR_NOSELECT, ERR_IO,
 * ERR_CORRUPT.
 */
must_use enum err present_load(struct connection *c, struct account *a, struct mailbox_id id,
    struct present *out);
bool present_has(const struct present *p, const struct message_identity *id);
void present_add(struct present *p, const struct message_identity *id);
/** The identities of messages, in their order; all zero: it has no record that can be read. */
must_use enum err present_identify(struct account *a, const uint32_t *numbers, size_t count,
    struct message_identity *out);

#endif

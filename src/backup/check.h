/*
 * check.h - backups read back: their manifests, the images of their accounts, whether all that they
 * need is there and whole, and what may be thrown away.
 */
#ifndef BACKUP_CHECK_H
#define BACKUP_CHECK_H

#include "backup/image.h"
#include "backup/manifest.h"
#include "backup/repo.h"

/** A backup by its name. ERR_NOTFOUND, ERR_CORRUPT, ERR_NEWER, ERR_IO. */
must_use enum err backup_manifest(struct repo *r, const char *name, struct arena *a,
    struct manifest *out);

enum image_need {
	IMAGE_BOXES,    /* mailboxes, entries, undo records */
	IMAGE_MESSAGES, /* and where each message's bytes are */
	IMAGE_WHOLE,    /* and prefixes */
};
/**
 * The account as it is in a backup, up to image_finish(), which is the caller's. ERR_NOTFOUND or
 * ERR_CORRUPT: an object is missing or damaged; then *image is what could be read.
 */
must_use enum err backup_image(struct repo *r, const struct manifest_account *account,
    enum image_need need, struct image *image);

/*
 * A thing that is wrong with backups. Texts are valid during the call; what is not known is empty
 * or 0.
 */
struct damage {
	const char *file;   /* that has damaged bytes */
	const char *backup; /* that is not whole because of it */
	struct str user, mailbox;
	uint32_t uid;
	const char *what;
};

typedef void damage_fn(void *ctx, const struct damage *d);

struct check_sums {
	uint64_t backups, accounts, objects, bytes, damages;
};
/** Reads every byte, and follows every backup to each of its messages. */
must_use enum err backup_check(struct repo *r, damage_fn *fn, void *ctx,
    struct check_sums *sums_out);

/**
 * Removes all backups but the last `keep`, and what only they needed. Refuses (ERR_CORRUPT,
 * ERR_NEWER) when one that stays can't be read.
 */
must_use enum err backup_prune(struct repo *r, size_t keep, size_t *removed_out,
    uint64_t *freed_out);

#endif

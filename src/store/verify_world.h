/*
 * verify_world.h - for tests of verify: a store on the disk, what is put into it, what verify finds.
 */
#ifndef STORE_VERIFY_WORLD_H
#define STORE_VERIFY_WORLD_H

#include "store/store_test_util.h"
#include "store/verify.h"

enum { VERIFY_BIG_BYTES = 700000 };

/** Where the store is: set, or made by verify_dir_make(). */
extern char verify_dir[64];
/** In memory when there is such a place. */
bool verify_dir_make(void);

struct kv_options verify_disk_options(bool read_only);
enum err verify_disk_open(struct fixture *f, struct buf *detail);
void verify_disk_close(struct fixture *f);
/** Opens the user's account, which is made when there is none, in place of the one before. */
void verify_user_open(struct fixture *f, const char *user);

/** Adds a message of at least so many bytes; the number decides its text, flags and keywords. */
void verify_message_add(struct fixture *f, const char *box, unsigned number, size_t bytes);
struct view *verify_box_open(struct fixture *f, const char *box);
void verify_flags_add(struct fixture *f, const char *box, const char *uids, uint16_t flags);
void verify_expunge(struct fixture *f, const char *box, const char *uids);
/**
 * Leaves what is there when the power went in the middle of a large copy: a message has a link too
 * many.
 */
void verify_copy_leave(struct fixture *f, uint64_t version);

struct findings {
	struct noted {
		enum verify_kind kind;
		bool is_lost, is_repaired, is_expunged;
		char user[32];
		uint64_t account, box;
		uint32_t uid_first, uid_last;
	} * f;

	size_t n;
	bool is_told; /* on stdout */
};

/** The findings are added to those of l. */
enum err verify_now(struct kv *kv, bool may_repair, struct findings *l,
    struct verify_result *result_out);

#endif

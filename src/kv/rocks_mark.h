/*
 * rocks_mark.h - what has surely reached the disk, in a file of its own: how far each log goes, and
 * the list of files. What rocks_mark.c, rocks_wal.c and rocks_env.cc share.
 */
#ifndef KV_ROCKS_MARK_H
#define KV_ROCKS_MARK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rocks_marks;

#define MARK_NAME "synced"
/* Of the mark; so it is within a sector, and can't be torn. */
#define MARK_BYTES_MAX 512u
#define MARK_LOGS 29u

struct rocks_marks *rocks_marks_new(void);
/* Reads the store's mark, if it has one. For who does not write it stays as it is. */
void rocks_marks_open(struct rocks_marks *m, const char *dir, bool is_read_only);
void rocks_marks_free(struct rocks_marks *m);

/* From any thread, these: */

/* The log is whole, and on the disk, up to there. */
void rocks_marks_log(struct rocks_marks *m, uint64_t number, uint64_t bytes);
/*
 * Nobody needs the log any more: when it returns true the mark on the disk does not name it, and it
 * may be deleted.
 */
bool rocks_marks_log_gone(struct rocks_marks *m, uint64_t number);
/* The same for a list of files, "MANIFEST-000123". */
void rocks_marks_list(struct rocks_marks *m, uint64_t number, uint64_t bytes);

/* The number of a list of files by its name; 0: it is none. */
uint64_t rocks_list_number(const char *name);

#ifdef __cplusplus
}
#endif

#endif

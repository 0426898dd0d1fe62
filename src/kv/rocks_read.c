/*
 * rocks_read.c - single rows, and versions of accounts. A read is first tried in memory only
 * (memtables and cache); when RocksDB says that it would have to read a file, it is handed to a
 * reader thread, which begins anew.
 */
#include "base/bytes.h"
#include "kv/rocks_int.h"

rocksdb_readoptions_t *
rocks_read_options(enum rocks_tier tier, const rocksdb_snapshot_t *snapshot)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	rocksdb_readoptions_set_read_tier(o, tier);
	if (snapshot != NULL)
		rocksdb_readoptions_set_snapshot(o, snapshot);
	return o;
}

struct str
rocks_slice(const rocksdb_pinnableslice_t *s)
{
	size_t n;
	const char *p = rocksdb_pinnableslice_value(s, &n);

	return str_make(p, n);
}

enum err
rocks_row_get(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    enum rocks_cf cf, struct str key, rocksdb_pinnableslice_t **value_out)
{
	char *message = NULL;
	rocksdb_pinnableslice_t *s =
	    rocksdb_get_pinned_cf(r->db, o, r->cf[cf], key.p, key.n, &message);
	enum err e = rocks_read_err(message);

	if (e == ERR_OK && s != NULL && tier == TIER_CACHE && rocks_slice(s).n == 0) {
		rocksdb_pinnableslice_destroy(s);
		return ERR_WAIT;
	}
	*value_out = s;
	return e;
}

enum err
rocks_version_get(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    struct account_id account, uint64_t *version_out)
{
	rocksdb_pinnableslice_t *s;
	char key[1 + KV_ACCOUNT_KEY];
	enum err e;

	key[0] = META_VERSION;
	put_be64(key + 1, account.v);
	e = rocks_row_get(r, o, tier, CF_META, str_make(key, sizeof(key)), &s);
	if (e != ERR_OK)
		return e;
	*version_out = 0;
	if (s != NULL) {
		if (rocks_slice(s).n == 8)
			*version_out = get_le64(rocks_slice(s).p);
		else
			e = ERR_CORRUPT;
		rocksdb_pinnableslice_destroy(s);
	}
	return e;
}

enum err
rocks_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out)
{
	struct rocks *r = rocks_of(kv);
	rocksdb_readoptions_t *o = rocks_read_options(TIER_ALL, atomic_load(&r->settled));
	enum err e = ERR_OK;

	for (size_t i = 0; i < count && e == ERR_OK; i++)
		e = rocks_version_get(r, o, TIER_ALL, accounts[i], &versions_out[i]);
	rocksdb_readoptions_destroy(o);
	return e;
}

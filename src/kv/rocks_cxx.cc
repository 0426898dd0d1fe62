// rocks_cxx.cc - see rocks_cxx.h. The C interface's handles are structs whose first member is the object, or a pointer to it.
#include "kv/rocks_cxx.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <atomic>
#include <cstring>

namespace {

rocksdb::Options *
options_of(rocksdb_options_t *o)
{
	return reinterpret_cast<rocksdb::Options *>(o);
}

rocksdb::DB *
db_of(rocksdb_t *db)
{
	return *reinterpret_cast<rocksdb::DB **>(db);
}

rocksdb::ColumnFamilyHandle *
cf_of(rocksdb_column_family_handle_t *cf)
{
	return *reinterpret_cast<rocksdb::ColumnFamilyHandle **>(cf);
}

void
error_put(const rocksdb::Status &s, char **errptr)
{
	if (!s.ok() && !s.IsIncomplete() && *errptr == nullptr)
		*errptr = strdup(s.ToString().c_str());
}

rocksdb::CompactRangeOptions
compact_options(void *canceled)
{
	rocksdb::CompactRangeOptions o;

	o.exclusive_manual_compaction = false;
	o.canceled = static_cast<std::atomic<bool> *>(canceled);
	return o;
}

// Keys of the tables that name the file, or the nearest older one: tables know only the oldest file that they name.
bool
tables_of(const rocksdb::ColumnFamilyMetaData &meta, uint64_t file, std::string *from, std::string *to)
{
	uint64_t nearest = 0;
	bool is_found = false;

	for (const auto &level : meta.levels)
		for (const auto &table : level.files)
			if (table.oldest_blob_file_number <= file)
				nearest = std::max(nearest, table.oldest_blob_file_number);
	for (const auto &level : meta.levels)
		for (const auto &table : level.files) {
			if (nearest == 0 || table.oldest_blob_file_number != nearest)
				continue;
			if (!is_found || table.smallestkey < *from)
				*from = table.smallestkey;
			if (!is_found || table.largestkey > *to)
				*to = table.largestkey;
			is_found = true;
		}
	return is_found;
}

class ErrorListener : public rocksdb::EventListener
{
public:
	ErrorListener(void (*on_error)(void *, const char *), void *ctx) : on_error_(on_error), ctx_(ctx) {}

	void
	OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status *status) override
	{
		on_error_(ctx_, status->ToString().c_str());
	}

	void
	OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool *auto_recovery) override
	{
		*auto_recovery = false;
	}

private:
	void (*on_error_)(void *, const char *);
	void *ctx_;
};

} // namespace

void
rocks_options_extra(rocksdb_options_t *options, const struct rocks_extra *extra)
{
	rocksdb::Options *o = options_of(options);

	o->listeners.emplace_back(std::make_shared<ErrorListener>(extra->on_error, extra->ctx));
	o->max_bgerror_resume_count = 0;
	o->avoid_flush_during_recovery = extra->avoid_flush_during_recovery;
	if (extra->env != nullptr)
		o->env = static_cast<rocksdb::Env *>(extra->env);
}

void
rocks_logs_sync(void *env, const char *dir, char **errptr)
{
	rocksdb::Env *e = env != nullptr ? static_cast<rocksdb::Env *>(env) : rocksdb::Env::Default();
	const std::shared_ptr<rocksdb::FileSystem> &fs = e->GetFileSystem();
	std::vector<std::string> names;
	std::unique_ptr<rocksdb::FSDirectory> names_dir;
	rocksdb::Status s = fs->GetChildren(dir, rocksdb::IOOptions(), &names, nullptr);

	for (const std::string &name : names) {
		std::unique_ptr<rocksdb::FSWritableFile> file;

		if (!s.ok() || name.size() < 5 || name.compare(name.size() - 4, 4, ".log") != 0)
			continue;
		s = fs->ReopenWritableFile(std::string(dir) + "/" + name, rocksdb::FileOptions(), &file, nullptr);
		if (s.ok())
			s = file->Sync(rocksdb::IOOptions(), nullptr);
		if (s.ok())
			s = file->Close(rocksdb::IOOptions(), nullptr);
	}
	if (s.ok())
		s = fs->NewDirectory(dir, rocksdb::IOOptions(), &names_dir, nullptr);
	if (s.ok())
		s = names_dir->Fsync(rocksdb::IOOptions(), nullptr);
	error_put(s, errptr);
}

void
rocks_compact_deletions(rocksdb_t *db, rocksdb_column_family_handle_t *cf, void *canceled, char **errptr)
{
	rocksdb::CompactRangeOptions o = compact_options(canceled);

	o.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kDisable;
	error_put(db_of(db)->CompactRange(o, cf_of(cf), nullptr, nullptr), errptr);
}

bool
rocks_reclaim_step(rocksdb_t *db, rocksdb_column_family_handle_t *cf, double garbage_ratio, uint64_t *file, void *canceled,
    char **errptr)
{
	rocksdb::CompactRangeOptions o = compact_options(canceled);
	rocksdb::ColumnFamilyMetaData meta;
	std::string from, to;
	uint64_t next = 0;

	db_of(db)->GetColumnFamilyMetaData(cf_of(cf), &meta);
	for (const auto &blobs : meta.blob_files)
		if (blobs.blob_file_number > *file && (next == 0 || blobs.blob_file_number < next) &&
		    (double)blobs.garbage_blob_bytes >= garbage_ratio * (double)blobs.total_blob_bytes)
			next = blobs.blob_file_number;
	if (next == 0)
		return false;
	*file = next;
	if (!tables_of(meta, next, &from, &to))
		return true;
	rocksdb::Slice begin(from), end(to);
	o.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
	o.blob_garbage_collection_age_cutoff = 1.0;
	o.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
	rocksdb::Status s = db_of(db)->CompactRange(o, cf_of(cf), &begin, &end);
	error_put(s, errptr);
	return s.ok();
}

#include "player/found_store.h"

#include <fmt/format.h>

#include <utility>

namespace tlog::player {

namespace {

class FoundStore final : public store::Store {
 public:
  FoundStore(FoundStoreParts parts, FindShard find, unsigned position)
      : parts_(std::move(parts)),
        find_(std::move(find)),
        position_(position),
        name_(fmt::format("found shards {}", position)) {}

  void put(std::string, std::vector<ConstByteSpan>, store::PutOptions,
           store::PutDone done) override {
    refuse<Status>(std::move(done));
  }
  void remove(std::string, store::PutDone done) override { refuse<Status>(std::move(done)); }
  void scan(std::string, std::string, std::size_t, store::ScanDone done) override {
    refuse<Result<std::vector<std::string>>>(std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    if (parts_.metadata && key == format::metadata_key(parts_.vdisk)) {
      return parts_.loop->post([metadata = parts_.metadata, done = std::move(done)] {
        done(Buffer::copy_of(metadata->span()));
      });
    }
    auto item = item_of(key);
    if (item) return parts_.pile->read(*item, std::move(done));
    parts_.loop->post([done = std::move(done)] { done(fail(Code::kNotFound, "not found")); });
  }
  void stat(std::string key, store::StatDone done) override {
    get(std::move(key), [done = std::move(done)](Result<Buffer> value) {
      if (!value) return done(fail(std::move(value).error()));
      done(static_cast<std::uint64_t>(value->size()));
    });
  }
  void hurry() override {}

  store::StoreStatus status() const override {
    store::StoreStatus status;
    status.name = name_;
    status.usable = true;
    status.condition = "up, reading only";
    return status;
  }
  const std::string& name() const override { return name_; }
  void close(std::function<void()> done) override { parts_.loop->post(std::move(done)); }

 private:
  // Which shard the reader expects in this store, and where it really is.
  std::optional<PileItem> item_of(const std::string& key) const {
    auto of = format::parse_shard_key(parts_.vdisk, key);
    if (!of) return std::nullopt;
    const unsigned total = parts_.geometry.total();
    const auto shift = static_cast<unsigned>(of->number % total);
    const unsigned index = (position_ + total - shift) % total;
    const FoundShard* shard = find_(*of, index);
    if (shard == nullptr) return std::nullopt;
    if (!shard->usual) return parts_.odd->at(shard->where);
    shard::Identity identity;
    identity.vdisk = parts_.uuid;
    identity.epoch = of->epoch;
    identity.number = of->number;
    return PileItem{shard->where, parts_.pile->usual_name(shard->where, identity, index)};
  }
  template <class Answer, class Done>
  void refuse(Done done) {
    parts_.loop->post([done = std::move(done)] {
      done(Answer(fail(Code::kNotSupported, "found shards are only read")));
    });
  }

  const FoundStoreParts parts_;
  const FindShard find_;
  const unsigned position_;
  const std::string name_;
};

}  // namespace

std::vector<std::unique_ptr<store::Store>> make_found_stores(const FoundStoreParts& parts,
                                                             const FindShard& find) {
  std::vector<std::unique_ptr<store::Store>> stores;
  for (unsigned i = 0; i < parts.geometry.total(); ++i) {
    stores.push_back(std::make_unique<FoundStore>(parts, find, i));
  }
  return stores;
}

}  // namespace tlog::player

// File: tlog/flush/hinted_stores.cc
#include "tlog/flush/hinted_stores.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "tlog/format/metadata.h"
#include "tlog/walk/log_reader.h"

namespace tlog::flush {

class HintedStores::Completed final : public store::Store {
 public:
  struct Parts {
    std::string vdisk;
    store::Store* inner = nullptr;
    std::size_t index = 0;
    std::size_t count = 0;  // of stores
    io::Loop* loop = nullptr;
    std::shared_ptr<HintedShards> shards;
    std::shared_ptr<const UseGate> gate;  // before `inner`, for what is done later than at once
  };
  explicit Completed(Parts parts) : parts_(std::move(parts)) {}

  void put(std::string key, std::vector<ConstByteSpan> pieces, store::PutOptions options,
           store::PutDone done) override {
    parts_.inner->put(std::move(key), std::move(pieces), options, std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    const std::optional<HintedShards::Name> name = hinted(key);
    if (!name) return parts_.inner->get(std::move(key), std::move(done));
    // The shards are shared, and stay; the store may have gone when they have answered.
    auto ask = [inner = parts_.inner, gate = parts_.gate, key = std::move(key), done] {
      if (const UseGate::Use use(*gate); use) return inner->get(key, done);
      done(fail(gone("get", key)));
    };
    parts_.loop->post([shards = parts_.shards, name = *name, done, ask = std::move(ask)] {
      if (!shards->has(name)) return ask();
      shards->read(name, [done, ask](Result<Buffer> stored) {
        if (stored) return done(std::move(stored));
        ask();
      });
    });
  }
  void stat(std::string key, store::StatDone done) override {
    const std::optional<HintedShards::Name> name = hinted(key);
    if (!name) return parts_.inner->stat(std::move(key), std::move(done));
    parts_.loop->post([inner = parts_.inner, gate = parts_.gate, shards = parts_.shards,
                       name = *name, key = std::move(key), done = std::move(done)] {
      if (shards->has(name)) return done(shards->length(name));
      if (const UseGate::Use use(*gate); use) return inner->stat(key, done);
      done(fail(gone("stat", key)));
    });
  }
  void remove(std::string key, store::PutDone done) override {
    parts_.inner->remove(std::move(key), std::move(done));
  }
  void scan(std::string prefix, std::string after, std::size_t limit,
            store::ScanDone done) override {
    parts_.inner->scan(std::move(prefix), std::move(after), limit, std::move(done));
  }
  void hurry() override { parts_.inner->hurry(); }
  store::ServerIdentity* identity() override { return parts_.inner->identity(); }
  store::StoreStatus status() const override { return parts_.inner->status(); }
  const std::string& name() const override { return parts_.inner->name(); }
  void move_to(const store::RespStoreOptions& options) override { parts_.inner->move_to(options); }
  void close(std::function<void()> done) override { parts_.inner->close(std::move(done)); }

 private:
  static Error gone(const char* operation, const std::string& key) {
    return Error(Code::kShutdown,
                 fmt::format("{}: {}: its store was closed meanwhile; read it again when the vdisk "
                             "is open",
                             operation, key));
  }
  // The shard that this store keeps under the key, while any are hinted.
  std::optional<HintedShards::Name> hinted(const std::string& key) const {
    if (parts_.shards->empty()) return std::nullopt;
    const std::optional<format::ShardKey> shard = format::parse_shard_key(parts_.vdisk, key);
    if (!shard) return std::nullopt;
    const std::size_t turn = static_cast<std::size_t>(shard->number % parts_.count);
    const auto index = static_cast<unsigned>((parts_.index + parts_.count - turn) % parts_.count);
    return HintedShards::Name{shard->number, shard->epoch, index};
  }

  const Parts parts_;
};

HintedStores::HintedStores(std::string vdisk, const std::vector<store::Store*>& stores,
                           io::Loop& loop, std::shared_ptr<HintedShards> shards) {
  if (!shards) {
    reading_ = stores;
    return;
  }
  for (std::size_t i = 0; i < stores.size(); ++i) {
    completed_.push_back(std::make_unique<Completed>(Completed::Parts{.vdisk = vdisk,
                                                                      .inner = stores[i],
                                                                      .index = i,
                                                                      .count = stores.size(),
                                                                      .loop = &loop,
                                                                      .shards = shards,
                                                                      .gate = gate_}));
    reading_.push_back(completed_.back().get());
  }
}

HintedStores::~HintedStores() {
  close();
}

void HintedStores::close() {
  gate_->close();
}

}  // namespace tlog::flush

#include "tests/sim/scenario.h"

#include <fmt/format.h>

#include "tests/sim/actors.h"
#include "tests/sim/nemesis.h"
#include "tlog/walk/log_place.h"

namespace tlog::sim {
namespace {

constexpr std::uint64_t kHangsNs = 3600 * kSecond;
// After the heal a writer has settled all within so long.
constexpr std::uint64_t kHealedNs = 300 * kSecond;
constexpr std::uint64_t kAllHasArrivedNs = 60 * kSecond;

// A standby's whole disk is compared, again and again.
constexpr std::uint64_t kSmallDisk = 32 * kKiB;
constexpr std::uint32_t kSmallBlock = 512;

format::VdiskFormat choose_format(World& world, bool is_small) {
  struct Geometry {
    std::uint8_t data, parity;
  };
  constexpr Geometry kGeometries[] = {{2, 1}, {2, 1}, {4, 2}, {4, 2}, {2, 2}, {1, 1}, {3, 1}};
  const Geometry geometry = kGeometries[world.below(std::size(kGeometries))];
  return {.vdisk = testing::SampleAggregation::sample_uuid(),
          .name = "vm1",
          .size = is_small ? kSmallDisk : kGiB,
          .block_size = is_small ? kSmallBlock : 4096,
          .data_shards = geometry.data,
          .parity_shards = geometry.parity};
}

class Scenario {
 public:
  explicit Scenario(const ScenarioOptions& options);
  ~Scenario();
  ScenarioResult run();

 private:
  void direct();
  bool create();
  void break_promises();
  void check_standby();

  const ScenarioOptions options_;
  ScenarioCounts counts_;
  World world_;
  const format::VdiskFormat format_;
  testing::SeededRandom random_;
  const seal::MasterKey key_;
  const seal::Sealer sealer_;
  Network network_;
  Network standby_network_;
  Model model_;
  StandbyModel standby_model_;
  SimStandby standby_;
  Stage stage_;
  std::optional<SimNemesis> nemesis_;
  std::optional<SimNemesis> standby_nemesis_;
  SimWriter writer_;
  SimWriter rival_;
  SimReader reader_;
  std::uint64_t duration_ns_ = 0;
};

Scenario::Scenario(const ScenarioOptions& options)
    : options_(options),
      world_({.seed = options.seed, .trace = options.trace}),
      format_(choose_format(world_, options.standby)),
      random_(options.seed),
      key_(std::move(seal::MasterKey::generate(random_).value())),
      sealer_(key_, random_),
      network_(world_, format_.data_shards + format_.parity_shards),
      standby_network_(world_, options.standby ? static_cast<unsigned>(world_.between(2, 3)) : 0,
                       "standby"),
      model_(world_, network_, format_),
      standby_model_(world_, standby_network_, format_),
      standby_(world_, standby_network_, standby_model_, counts_, options.broken),
      stage_{.world = world_,
             .network = network_,
             .model = model_,
             .counts = counts_,
             .format = format_,
             .sealer = sealer_,
             .maker = {format_, sealer_, options.seed, options.standby ? 700U : 200U}},
      writer_(stage_, "writer"),
      rival_(stage_, "rival"),
      reader_(stage_, "reader") {
  const unsigned k = format_.data_shards;
  if (world_.chance(20)) {
    stage_.write_quorum = static_cast<unsigned>(world_.between(k, k + format_.parity_shards));
  }
  // About a hundred appends, fast or slow.
  stage_.append_pause_ns = std::uint64_t{25 * kMillisecond} << world_.below(6);
  stage_.life_ns = stage_.append_pause_ns * world_.between(5, 100);
  duration_ns_ = stage_.append_pause_ns * 60;
  const SimNemesis::Limits limits{.scenario_ns = duration_ns_, .loses = stage_.write_quorum != k};
  nemesis_.emplace(world_, network_, &model_, counts_, options.broken, limits);
  if (!options.standby) return;
  network_.lead_to(standby_network_);
  for (std::size_t i = 0; i < standby_network_.size(); ++i)
    standby_network_[i].keep_links_of_who_has_gone();
  stage_.maker.mix_zeros(15);
  stage_.standby = &standby_;
  standby_nemesis_.emplace(world_, standby_network_, nullptr, counts_, options.broken,
                           SimNemesis::Limits{.scenario_ns = duration_ns_});
}

// Events refer to processes, and what events hold to the world.
Scenario::~Scenario() {
  world_.forget_events();
}

bool Scenario::create() {
  SimProcess& process = stage_.new_process();
  flush::LogWriter::Parts parts;
  parts.stores = process.stores();
  parts.sealer = &sealer_;
  parts.loop = &process.loop();
  parts.clock = &system_clock();
  parts.logger = &world_.logger();
  const Status created = flush::LogWriter::create(parts, format_);
  process.end();
  if (!created) world_.fail("create: " + created.error().message());
  return created.has_value();
}

void Scenario::break_promises() {
  const bool forget = options_.broken == Broken::kForgetfulServers;
  const unsigned liars = format_.parity_shards + 1U;
  for (unsigned i = 0; forget && i < liars; ++i) network_[i].set_forgetful(true);
  if (options_.broken == Broken::kStandbyForgets) standby_network_[0].set_forgetful(true);
}

void Scenario::direct() {
  if (!create()) return;
  break_promises();
  const std::uint64_t end = world_.now() + duration_ns_;
  auto goes_on = [this, end] { return world_.now() < end && !world_.failure(); };
  // Two hosts that want to write, neither knowing of the other.
  world_.start("writer", [this] { writer_.live(true); });
  if (options_.rivals && world_.chance(50)) world_.start("rival", [this] { rival_.live(false); });
  world_.start("reader", [this] { reader_.live(); });
  if (standby_nemesis_)
    world_.start("standby's nemesis", [this, goes_on] { standby_nemesis_->wreak(goes_on); });
  nemesis_->wreak(goes_on);
  if (options_.broken == Broken::kLostTail) nemesis_->take_the_end();
  nemesis_->heal();
  if (standby_nemesis_) standby_nemesis_->heal();
  stage_.healing = true;
  stage_.healed_ns = world_.now();
  world_.sleep_until([this] { return stage_.ended || world_.failure(); }, kHealedNs);
  if (!stage_.ended && !world_.failure()) {
    world_.fail("long after the heal nobody can write: " + stage_.refusal);
  }
  if (world_.failure()) return;
  // Whoever comes when nobody writes any more finds all of it, at once.
  if (!reader_.read_once()) world_.fail("the log cannot be read after the heal");
  model_.check_complete();
  if (options_.standby) check_standby();
}

// Also when all that was ever sent to it has arrived.
void Scenario::check_standby() {
  world_.sleep(kAllHasArrivedNs);
  if (options_.broken == Broken::kStandbyChanged) {
    standby_network_[0].overwrite_field(standby_model_.key(), "0", std::string(kSmallBlock, 'x'));
  }
  standby_model_.check_equal();
}

ScenarioResult Scenario::run() {
  world_.start("director", [this] { direct(); });
  world_.run(world_.now() + kHangsNs);
  counts_.events = world_.events();
  counts_.virtual_seconds = world_.now() / kSecond;
  return {.failure = world_.failure(), .trace_hash = world_.trace_hash(), .counts = counts_};
}

}  // namespace

ScenarioCounts& ScenarioCounts::operator+=(const ScenarioCounts& other) {
  events += other.events;
  virtual_seconds += other.virtual_seconds;
  opened += other.opened;
  refused += other.refused;
  crashed += other.crashed;
  fenced += other.fenced;
  given_up += other.given_up;
  emptied_by_hand += other.emptied_by_hand;
  appended += other.appended;
  acknowledged += other.acknowledged;
  walks += other.walks;
  faults += other.faults;
  losses += other.losses;
  synced += other.synced;
  waited += other.waited;
  return *this;
}

std::string ScenarioCounts::text() const {
  const std::string standby =
      synced == 0 ? ""
                  : fmt::format("; the standby had caught up {} times, {} asked", synced, waited);
  return fmt::format(
      "{} virtual seconds, {} events: opened {} times, refused {}, crashed {}, fenced {}, "
      "given up {}, servers emptied by hand {}; appended {}, "
      "acknowledged {}; {} walks; {} faults, {} with a loss{}",
      virtual_seconds, events, opened, refused, crashed, fenced, given_up, emptied_by_hand,
      appended, acknowledged, walks, faults, losses, standby);
}

ScenarioResult run_scenario(const ScenarioOptions& options) {
  return Scenario(options).run();
}

}  // namespace tlog::sim

# What the demonstrations share: sourced by scripts/demo, with root and keep set. Installs, builds, goes into a directory
# of its own, and ends and removes everything at the end.

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $'; printf ' %q' "$@"; echo; "$@"; }

say "1. Installing and building"
scripts/bootstrap
cmake --preset release > /dev/null
cmake --build --preset release --target tlogdisk tlogctl tlogplay -- --quiet
bin=$root/build/release
tlogctl() { "$bin/ctl/tlogctl" "$@"; }
tlogplay() { "$bin/player/tlogplay" "$@"; }
plugin=$bin/nbdkit-plugin/tlogdisk.so

work=$(mktemp -d /tmp/tlogdisk-demo.XXXXXX)
nbdkit_pid=
other_pids=()
clean_up() {
  for pid in $nbdkit_pid "${other_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  if [ "$keep" = yes ]; then echo; echo "left in $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
cd "$work"

# Waits until a command succeeds, for at most so many seconds.
wait_for() {
  local seconds=$1 end
  shift
  end=$((SECONDS + seconds))
  until "$@"; do
    if [ $SECONDS -ge $end ]; then echo "    did not happen within $seconds s: $*"; exit 1; fi
    sleep 0.1
  done
}

# An nbdkit in a directory of its own, which has the configuration.
serve() {
  rm -f "$1/pid"
  (cd "$1" && exec nbdkit -f -U "$work/$1/nbd.sock" -P "$work/$1/pid" "$plugin" tlogdisk.yml) 2> "$1/nbdkit.log" &
  nbdkit_pid=$!
  other_pids+=($!)
  wait_for 30 test -s "$1/pid"
}
